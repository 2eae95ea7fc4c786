//! Lines to the brokers that are long or narrow.

use super::*;
use crate::proxy::Link;

#[test]
fn c33_narrow_and_long_line() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let (proxy, address) = proxy(broker);
    let setup = setup_of(broker, "narrow", RULES, AMPLE);
    proxy.slow(Link { latency: Duration::from_millis(100), bytes_per_second: 64_000 });
    let instance = setup.instance_at(&address, 0, "");
    instance.wait_ready();
    under_load(&setup, || ());
    check(&setup);
    wait_committed(&setup);
    proxy.fast();
    instance.wait_ready();
    end([instance]);
    done(began, "100 ms and 64 kB a second to the broker");
}

/// What is asked for each partition by itself costs a round trip each time: a member that asks so
/// when it is given partitions is put out of the group as soon as another one joins.
#[test]
fn c33_many_partitions_on_a_long_line() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let (proxy, address) = proxy(broker);
    let many: i32 = 120;
    let mut setup = setup_wide(broker, "many", RULES, AMPLE, many);
    setup.kafka =
        setup.kafka.replace("properties = {", "properties = { \"max.poll.interval.ms\" = 30000,");
    proxy.slow(Link { latency: Duration::from_millis(150), bytes_per_second: 10_000_000 });
    let first = setup.instance_at(&address, 0, "");
    broker.until("the first has joined", || broker.is_stable("many", 1));
    let second = setup.instance_at(&address, 1, "");
    let owned = |i: &Instance| i.metric("maxspan_partitions_assigned", "");
    first.wait_for("both share", |first| {
        owned(first) > 0.0
            && owned(first) < f64::from(many)
            && owned(first) + owned(&second) == f64::from(many)
    });
    println!("chaos: {many} partitions are shared after {:.0} s", began.elapsed().as_secs_f64());
    [&first, &second].into_iter().for_each(Instance::wait_ready);
    under_load(&setup, || std::thread::sleep(Duration::from_secs(10)));
    for instance in [&first, &second] {
        let lost = instance.metric("maxspan_rebalances_total", "kind=\"lost\"");
        assert_eq!(lost, 0.0, "stays a member:\n{}", instance.log());
    }
    end([second]);
    first.wait_for("has all", |first| owned(first) == f64::from(many));
    check(&setup);
    wait_committed(&setup);
    assert_eq!(first.metric("maxspan_rebalances_total", "kind=\"lost\""), 0.0);
    proxy.fast();
    end([first]);
    done(began, "120 partitions at 150 ms");
}
