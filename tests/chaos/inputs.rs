//! Inputs that change under way, lie about the time, come twice or out of order, or fall silent.

use super::*;

#[test]
fn c24_partitions_added_while_running() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let mut setup = setup(broker, "added");
    setup.kafka = setup
        .kafka
        .replace("properties = {", "properties = { \"topic.metadata.refresh.interval.ms\" = 2000,");
    let instance = setup.instance(0);
    instance.wait_ready();
    broker.add_partitions("added-in", 8);
    // Sent before anybody has noticed: they must be read from the start of the new partitions.
    under_load(&setup, || {
        instance.wait_for("has all", |i| i.metric("maxspan_partitions_assigned", "") == 8.0);
    });
    check(&setup);
    end([instance]);
    done(began, "partitions added under load");
}

const HOUR: i64 = 3_600_000;

/// A host a day ahead and one three days behind, while pairs of other hosts are half done.
fn clocks_are_wrong(stamp: &str) {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, &format!("skew-{stamp}").to_lowercase());
    let input = format!("{}-in", setup.name);
    // By default brokers refuse records from the future.
    let settings =
        [("message.timestamp.type", stamp), ("message.timestamp.after.max.ms", "172800000")];
    broker.set_topic(&input, &settings);
    let instance = setup.instance(0);
    instance.wait_ready();
    let producer = setup.producer();
    let send = |code: &str, host: &str, pair: usize, shift: i64| {
        let time = unix_millis() + shift;
        let event = event_at(time, code, host, pair);
        send_stamped(&producer, &input, host, &event, time);
    };
    let (rounds, hosts) = (3, 20);
    for round in 0..rounds {
        let first = round * (hosts + 2);
        for pair in first..first + hosts {
            send("A", &format!("host-{pair}"), pair, 0);
        }
        for (host, pair, shift) in
            [("ahead", first + hosts, 24 * HOUR), ("behind", first + hosts + 1, -72 * HOUR)]
        {
            send("A", host, pair, shift);
            send("B", host, pair, shift);
        }
        producer.flush(DEADLINE).unwrap();
        // All of that has been seen, and time has gone by, before the other pairs are completed.
        wait_delivered(&[&instance], (first + 2) as f64);
        std::thread::sleep(Duration::from_secs(4));
        for pair in first..first + hosts {
            send("B", &format!("host-{pair}"), pair, 0);
        }
        producer.flush(DEADLINE).unwrap();
        wait_delivered(&[&instance], (first + hosts + 2) as f64);
    }
    check_alerts(&setup, 0..rounds * (hosts + 2));
    end([instance]);
    done(began, &format!("clocks a day ahead and three days behind, {stamp}"));
}

fn send_stamped(producer: &Load, topic: &str, host: &str, event: &str, millis: i64) {
    let record = rdkafka::producer::BaseRecord::to(topic).key(host).payload(event);
    producer.send(record.timestamp(millis)).map_err(|(error, _)| error).unwrap();
}

#[test]
fn c25_wrong_clocks_under_append_time() {
    clocks_are_wrong("LogAppendTime");
}

#[test]
fn c25_wrong_clocks_under_create_time() {
    clocks_are_wrong("CreateTime");
}

/// Each event twice, some of them the wrong way round, some a good second late.
fn send_mess(setup: &Setup<'_>, producer: &Load, pair: usize) {
    // On a host of its own: a pair must not come between the steps of another.
    let (host, lag) = match pair.is_multiple_of(7) {
        true => (format!("late-{pair}"), 1_200),
        false => (host_of(pair), 0),
    };
    let now = unix_millis();
    let [a, b] = [("A", now - lag - 10), ("B", now - lag)]
        .map(|(code, time)| event_at(time, code, &host, pair));
    let order = match pair % 4 {
        0 => [&a, &b, &a, &b],
        1 => [&b, &a, &a, &b],
        2 => [&b, &b, &a, &a],
        _ => [&a, &a, &b, &b],
    };
    order.into_iter().for_each(|event| send_event(setup, producer, &host, event));
}

#[test]
fn c26_duplicates_and_disorder_under_a_kill() {
    for place in ["after_produce", "after_commit"] {
        let Some((broker, _turn)) = broker() else { return };
        let began = Instant::now();
        let setup = setup(broker, &format!("mess-{place}").replace('_', "-"));
        let survivor = setup.instance(0);
        let mut victim = setup.instance_that(1, &format!("{place}:10:KILL"));
        wait_shared(&setup, &[&survivor, &victim]);
        let back = under_load_of(&setup, 0..PAIRS, send_mess, || {
            assert_eq!(victim.wait_end().code(), None);
            setup.instance(1)
        });
        check_alerts(&setup, 0..PAIRS);
        end([survivor, back]);
        done(began, &format!("everything twice and in disorder, killed {place}"));
    }
}

#[test]
fn c27_absence_is_decided_on_a_quiet_partition_after_a_crash() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let rule = RULES
        .replace("maxspan=20s", "maxspan=5s")
        .replace("[any where event.code == \"B\"]", "![any where event.code == \"C\"]");
    let setup = setup_of(broker, "absence", &rule, BRIEF);
    let victim = setup.instance(0);
    victim.wait_ready();
    let producer = setup.producer();
    let hosts = 20;
    // A first record sets the clock of each partition: an absence needs to have been looked for.
    for code in ["X", "A"] {
        for number in 0..hosts {
            let host = format!("quiet-{number}");
            send_event(&setup, &producer, &host, &event(code, &host, number));
        }
        producer.flush(DEADLINE).unwrap();
        std::thread::sleep(Duration::from_secs(2));
    }
    victim.kill();
    let survivor = setup.instance(1);
    let alerts = setup.read("alerts", |records| records.len() >= hosts);
    let found: BTreeSet<String> = alerts.iter().map(final_id).collect();
    assert_eq!((alerts.len(), found.len()), (hosts, hosts), "once each, without another record");
    end([survivor]);
    done(began, "absence on a quiet partition after a crash");
}
