//! Outputs that do not get through.

use super::*;

#[test]
fn c18_alerts_topic_deleted_and_made_again() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "deleted");
    let instance = setup.instance(0);
    instance.wait_ready();
    for topic in ["deleted-alerts", "deleted-dead"] {
        broker.delete_topic(topic);
    }
    under_load(&setup, || instance.wait_for("is not ready", is_unready));
    assert_eq!(instance.metric("maxspan_alerts_delivered_total", ""), 0.0);
    for (topic, partitions) in [("deleted-alerts", 2), ("deleted-dead", 1)] {
        broker.create_topic(topic, partitions, &[]);
    }
    instance.wait_ready();
    check(&setup);
    end([instance]);
    done(began, "alerts and dead-letter topics deleted and made again");
}

/// Text that does not get smaller by compression.
fn noise(seed: usize, length: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    (0..length).map(|_| next()).filter(|c| !matches!(c, '"' | '\\')).collect()
}

/// As [`send_pair`], with events of 20,000 bytes.
fn send_large_pair(setup: &Setup<'_>, producer: &Load, pair: usize) {
    let host = host_of(pair);
    for code in ["A", "B"] {
        let noise = noise(2 * pair + usize::from(code == "B"), 20_000);
        let event =
            event(code, &host, pair).replacen('{', &format!("{{\"message\":\"{noise}\","), 1);
        send_event(setup, producer, &host, &event);
    }
}

#[test]
fn c18_large_alerts_leave_events_out() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let mut setup = setup(broker, "large");
    setup.settings.push_str("[state]\nmax_alert_bytes = 8000\n");
    broker.set_topic("large-alerts", &[("max.message.bytes", "9000")]);
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load_of(&setup, 0..50, send_large_pair, || ());
    let alerts = setup.read("alerts", |records| records.len() >= 50);
    // Without its body an event is still known by its place.
    let finals = alerts.iter().map(|record| {
        let alert = record.alert();
        assert!(record.value.len() <= 8_000 && alert["maxspan"]["truncated"] == true);
        let events = alert["maxspan"]["sequence"]["events"].as_array().unwrap();
        let source = &events.last().unwrap()["maxspan"];
        (source["partition"].as_i64().unwrap(), source["offset"].as_i64().unwrap())
    });
    let finals: BTreeSet<_> = finals.collect();
    assert_eq!((alerts.len(), finals.len()), (50, 50), "each comes once");
    assert_eq!(instance.metric("maxspan_alert_delivery_errors_total", ""), 0.0);
    end([instance]);
    done(began, "alerts larger than they may be: without the events' bodies");
}

#[test]
fn c18_alerts_too_large_for_their_topic_wait_for_the_operator() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup(broker, "too-large");
    let (small, usual) = ([("max.message.bytes", "300")], [("max.message.bytes", "1048588")]);
    broker.set_topic("too-large-alerts", &small);
    let instance = setup.instance(0);
    instance.wait_ready();
    under_load(&setup, || {
        instance.wait_for("says what is too large", |instance| {
            let says_why = |body: &str| body.contains("cannot be written") && body.contains("size");
            instance.get("/readyz").is_some_and(|(s, body)| s == 503 && says_why(&body))
                && instance.metric("maxspan_alert_delivery_errors_total", "too_large") > 0.0
        });
    });
    assert_eq!(instance.metric("maxspan_alerts_delivered_total", ""), 0.0);
    // Nothing of a transaction that could not be written is to be seen, nor is its position.
    assert!(setup.read("dead", |_| true).is_empty());
    broker.set_topic("too-large-alerts", &usual);
    instance.wait_ready();
    check(&setup);
    end([instance]);
    done(began, "alerts too large for their topic, until it takes them");
}
