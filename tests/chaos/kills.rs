//! Instances that die or stop at the worst moments.

use super::*;

/// Who takes the place of the one that died.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    ComesBack,
    StaysAway,
}

/// One of two instances dies at a failpoint under load.
fn dies_at(place: &str, count: u32, then: Then) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, &format!("{place}-{then:?}").to_lowercase().replace('_', "-"));
    let survivor = setup.instance(0);
    let mut victim = setup.instance_that(1, &format!("{place}:{count}:KILL"));
    wait_shared(&setup, &[&survivor, &victim]);
    let back = under_load(&setup, || {
        let status = victim.wait_end();
        assert_eq!(status.code(), None, "killed, not ended: {status}");
        (then == Then::ComesBack).then(|| setup.instance(1))
    });
    check(&setup);
    end([Some(survivor), back].into_iter().flatten());
    done(began, &format!("killed {place}, {then:?}"));
}

#[test]
fn c01_killed_before_begin() {
    dies_at("before_begin", 4, Then::StaysAway);
}

#[test]
fn c02_killed_after_begin() {
    dies_at("after_begin", 4, Then::StaysAway);
}

#[test]
fn c03_killed_after_produce() {
    dies_at("after_produce", 4, Then::StaysAway);
    dies_at("after_produce", 4, Then::ComesBack);
}

#[test]
fn c04_killed_after_offsets() {
    dies_at("after_offsets", 4, Then::StaysAway);
    dies_at("after_offsets", 4, Then::ComesBack);
}

#[test]
fn c05_killed_while_committing() {
    dies_at("before_commit", 4, Then::StaysAway);
    dies_at("in_commit", 4, Then::StaysAway);
    dies_at("in_commit", 7, Then::ComesBack);
}

#[test]
fn c06_killed_after_commit() {
    dies_at("after_commit", 4, Then::StaysAway);
    dies_at("after_commit", 4, Then::ComesBack);
}

#[test]
fn c07_killed_twice_while_replaying() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "in-replay");
    let survivor = setup.instance(0);
    let mut victim = setup.instance_that(1, "after_produce:20:KILL");
    wait_shared(&setup, &[&survivor, &victim]);
    let back = under_load(&setup, || {
        victim.wait_end();
        for count in [1, 30] {
            let mut again = setup.instance_that(1, &format!("in_replay:{count}:KILL"));
            assert_eq!(again.wait_end().code(), None);
        }
        setup.instance(1)
    });
    check(&setup);
    end([back, survivor]);
    done(began, "killed twice while replaying");
}

#[test]
fn c08_killed_in_the_revoke_callback() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "in-revoke");
    let mut victim = setup.instance_that(0, "in_revoke:1:KILL");
    victim.wait_ready();
    let others = under_load(&setup, || {
        // Whoever joins takes partitions away from the first.
        let second = setup.instance(1);
        assert_eq!(victim.wait_end().code(), None);
        [second, setup.instance(2)]
    });
    check(&setup);
    end(others);
    done(began, "killed in the revoke callback");
}

#[test]
fn c09_stopped_beyond_its_session_and_woken_again() {
    for place in ["after_produce", "after_offsets"] {
        let Some((broker, _turn)) = broker() else { return };
        let began = Instant::now();
        let setup = setup(broker, &format!("zombie-{}", place.replace('_', "-")));
        let survivor = setup.instance(0);
        let zombie = setup.instance_that(1, &format!("{place}:4:STOP"));
        wait_shared(&setup, &[&survivor, &zombie]);
        under_load(&setup, || {
            survivor.wait_for("takes over", |instance| {
                instance.metric("maxspan_partitions_assigned", "") == f64::from(PARTITIONS)
            });
            std::thread::sleep(Duration::from_secs(5));
            zombie.signal("CONT");
        });
        check(&setup);
        // It finds its way back by itself.
        zombie.wait_ready();
        end([zombie, survivor]);
        done(began, &format!("stopped {place}, woken after the other took over"));
    }
}
