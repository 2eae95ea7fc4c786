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

/// What is asked for each partition by itself costs a round trip each time.
#[test]
fn c33_many_partitions_on_a_long_line() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let (proxy, address) = proxy(broker);
    let many: i32 = 120;
    let mut setup = setup_wide(broker, "many", RULES, AMPLE, many);
    // A member that does not come back within this time is put out of the group.
    setup.kafka =
        setup.kafka.replace("properties = {", "properties = { \"max.poll.interval.ms\" = 10000,");
    proxy.slow(Link { latency: Duration::from_millis(50), bytes_per_second: 10_000_000 });
    let instance = setup.instance_at(&address, 0, "");
    let has_all = |i: &Instance| i.metric("maxspan_partitions_assigned", "") == f64::from(many);
    instance.wait_for("has all partitions", has_all);
    println!("chaos: {many} partitions after {:.0} s", began.elapsed().as_secs_f64());
    instance.wait_ready();
    let rebalances = || instance.metric("maxspan_rebalances_total", "");
    let before = rebalances();
    under_load(&setup, || std::thread::sleep(Duration::from_secs(20)));
    check(&setup);
    assert!(has_all(&instance), "{}", instance.log());
    assert_eq!(rebalances(), before, "stays a member:\n{}", instance.log());
    assert_eq!(instance.metric("maxspan_rebalances_total", "kind=\"lost\""), 0.0);
    proxy.fast();
    end([instance]);
    done(began, "120 partitions at 50 ms");
}
