//! Partitions that change hands in the middle of something, and commits whose outcome is unknown.

use super::*;
use crate::proxy::Hold;

#[test]
fn c14_scaled_up_and_down_under_load() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "scaled");
    let first = setup.instance(0);
    first.wait_ready();
    let left = under_load(&setup, || {
        let mut others = vec![setup.instance(1), setup.instance(2)];
        others[1].wait_ready();
        let gone = others.remove(0);
        end([gone]);
        others
    });
    check(&setup);
    end([first]);
    end(left);
    done(began, "scaled 1, 3, 2 under load");
}

/// A second instance joins while a transaction of the first is held at `place`.
fn rebalance_in_a_transaction(place: &str, transaction: u32) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let name = format!("rebalance-{place}-{transaction}").replace('_', "-");
    let setup = setup_of(broker, &name, RULES, transaction);
    let held = setup.directory.path().join("held");
    let first = setup.instance_that(0, &format!("{place}:4:HOLD={}", held.display()));
    first.wait_ready();
    let second = under_load(&setup, || {
        first.wait_for("is held", |_| held.exists());
        let second = setup.instance(1);
        // Its callback cannot wait for the transaction for ever: it gives partitions up.
        first.wait_for("has given up", |first| {
            let owned = first.metric("maxspan_partitions_assigned", "");
            owned > 0.0 && owned < f64::from(PARTITIONS)
        });
        std::fs::remove_file(&held).unwrap();
        second
    });
    wait_shared(&setup, &[&first, &second]);
    check(&setup);
    end([first, second]);
    done(began, &format!("rebalance while held {place}, timeout {transaction} ms"));
}

#[test]
fn c15_rebalance_between_offsets_and_commit() {
    // The offsets were sent in an older generation: the commit makes them good, or the timeout.
    rebalance_in_a_transaction("after_offsets", AMPLE);
    rebalance_in_a_transaction("after_offsets", BRIEF);
    // Here the offsets have still to be sent, and are refused.
    rebalance_in_a_transaction("after_produce", AMPLE);
}

#[test]
fn c12_assignment_that_had_to_be_refused_is_taken_later() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let (proxy, address) = proxy(broker);
    let setup = setup(broker, "refused");
    proxy.hold(Hold::ListOffsets);
    let instance = setup.instance_at(&address, 1, "");
    under_load(&setup, || {
        instance.wait_for("refuses", |instance| {
            let says_why = |body: &str| body.contains("cannot be started");
            instance.get("/readyz").is_some_and(|(s, body)| s == 503 && says_why(&body))
        });
    });
    proxy.release();
    instance.wait_ready();
    check(&setup);
    end([instance]);
    done(began, "assignment refused, since the broker did not say where partitions end");
}

/// The ends of one instance's transactions are held back for twice the timeout.
fn commit_is_held(hold: Hold) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let (proxy, address) = proxy(broker);
    let setup = setup(broker, &format!("held-{hold:?}").to_lowercase());
    let direct = setup.instance(0);
    let relayed = setup.instance_at(&address, 1, "");
    wait_shared(&setup, &[&direct, &relayed]);
    under_load(&setup, || {
        wait_delivered(&[&relayed], 10.0);
        proxy.hold(hold);
        proxy.wait_held(DEADLINE);
        std::thread::sleep(2 * Duration::from_millis(BRIEF.into()));
        proxy.release();
    });
    relayed.wait_ready();
    check(&setup);
    end([direct, relayed]);
    done(began, &format!("{hold:?} held back for {} ms", 2 * BRIEF));
}

#[test]
fn c16_commit_comes_later_than_its_timeout() {
    commit_is_held(Hold::EndTxn);
}

#[test]
fn c16_answer_to_a_commit_comes_later_than_its_timeout() {
    commit_is_held(Hold::EndTxnAnswers);
}
