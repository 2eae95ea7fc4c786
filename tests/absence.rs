//! A trailing absence in real time: it fires when, and only when, the deadline of its key plus the
//! lateness has passed. What moves a key's time: its own events, records of other hosts that move
//! the partition's clock, and idle time on a quiet partition. An absence that could be forbidden by
//! what came before the first record is undecidable.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use maxspan::detect::{Detector, Options, Origin, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

const MAXSPAN: i64 = 60;
const LATENESS: i64 = 30;
/// The first second at which nothing can change it any more: the deadline itself is still inside.
const DECIDED: i64 = MAXSPAN + LATENESS + 1;
/// For so many seconds the partition is seen before the first event of a test: longer than the lateness
/// and the slack.
const SEEN_FOR: i64 = 300;
/// No step of the clock that needs a second host's word.
const STEP: i64 = 60;
const TRAILING: &str = "[any where tags == \"A\"] ![any where tags == \"M\"]";
const LEADING: &str = "![any where tags == \"M\"] [any where tags == \"A\"]";

/// A partition that is fed by the second; who stamps its records decides how its clock runs.
struct Partition {
    rules: Arc<RuleSet>,
    detector: Detector,
    /// What was fed, by offset: a restart reads of it again.
    log: Vec<(Stamp, Vec<u8>)>,
    stamp: fn(EventTime) -> Stamp,
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + seconds)
}

/// By how many seconds producers' times may be wrong: a silence and a skewed host add up.
fn slack() -> i64 {
    2 * Options::default().max_skew.nanos() / 1_000_000_000
}

impl Partition {
    /// Returns a partition that has been seen for so long that absences from second 0 on are decidable.
    fn new(stamp: fn(EventTime) -> Stamp) -> Self {
        let mut partition = Self::unseen(stamp, TRAILING);
        for second in (-SEEN_FOR..0).step_by(STEP as usize) {
            partition.event("h0", "-", second);
        }
        partition
    }

    /// Returns a partition of which nothing has been seen.
    fn unseen(stamp: fn(EventTime) -> Stamp, stages: &str) -> Self {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r\"\ndescription = \"d\"\nauthor = [\"a\"]\n\
             severity = \"low\"\nrisk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\n\
             query = '''sequence by host.id with maxspan={MAXSPAN}s {stages}'''\n\
             [rule.maxspan]\nallowed_lateness = \"{LATENESS}s\"\n"
        );
        let text = Arc::new(Text::new("rule.toml", contents));
        let (set, reports) = RuleSet::compile(vec![text], &Defaults::default());
        assert_ne!(reports[0].status, Status::Refused, "{reports:#?}");
        let origin = Origin { topic: "t".into(), partition: 0 };
        let rules = Arc::new(set);
        let detector = Detector::new(Arc::clone(&rules), origin, Options::default());
        Self { rules, detector, log: Vec::new(), stamp }
    }

    /// Goes on in a new process: the records from the replay's start on come again.
    fn resume(&mut self, position: i64, metadata: &str) {
        let origin = Origin { topic: "t".into(), partition: 0 };
        let rules = Arc::clone(&self.rules);
        let (detector, refused) =
            Detector::resume(rules, origin, Options::default(), position, metadata);
        assert_eq!(refused, None);
        self.detector = detector;
        for offset in self.detector.read_from().unwrap()..position {
            self.read(offset);
        }
    }

    fn read(&mut self, offset: i64) {
        let (stamp, payload) = &self.log[usize::try_from(offset).unwrap()];
        let record = Record { offset, stamp: *stamp, payload: Some(payload), source: None };
        self.detector.on_record(&record);
    }

    fn record(&mut self, stamp: Stamp, payload: Vec<u8>) {
        self.log.push((stamp, payload));
        self.read(self.log.len() as i64 - 1);
    }

    /// Feeds an event that arrives as it happens.
    fn event(&mut self, host: &str, tag: &str, seconds: i64) {
        self.late_event(host, tag, seconds, seconds);
    }

    /// Feeds an event of `seconds` that arrives at `appended`.
    fn late_event(&mut self, host: &str, tag: &str, seconds: i64, appended: i64) {
        self.event_at(host, tag, at(seconds), at(appended));
    }

    fn event_at(&mut self, host: &str, tag: &str, event_time: EventTime, appended: EventTime) {
        let payload = serde_json::json!({
            "@timestamp": event_time.to_string(),
            "event": {"category": "test", "id": format!("e{}", self.log.len())},
            "host": {"id": host},
            "tags": tag,
        });
        self.record((self.stamp)(appended), payload.to_string().into_bytes());
    }

    fn idle(&mut self, seconds: i64) {
        self.detector.advance_idle(TimeSpan::from_secs(seconds));
    }

    fn alerts(&self) -> usize {
        self.detector.outbox().len()
    }

    fn undecidable(&mut self) -> usize {
        self.detector.take_stats().rules[0].sequences.undecidable as usize
    }
}

#[test]
fn own_events_of_the_key_decide_it() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    for second in [MAXSPAN, MAXSPAN + 1, DECIDED - 1] {
        // Another A at each of these: each waits for a deadline of its own.
        partition.event("h1", "A", second);
        assert_eq!(partition.alerts(), 0, "after {second} s");
    }
    partition.event("h1", "A", DECIDED);
    assert_eq!(partition.alerts(), 1);
}

#[test]
fn events_of_the_key_that_are_no_hits_decide_it_through_the_clock() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.event("h1", "-", DECIDED - 1);
    assert_eq!(partition.alerts(), 0);
    partition.event("h1", "-", DECIDED);
    assert_eq!(partition.alerts(), 1);
    partition.event("h1", "-", 2 * DECIDED);
    assert_eq!(partition.alerts(), 1, "once");
}

#[test]
fn records_of_other_hosts_decide_it() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    for second in 1..DECIDED {
        partition.event("h2", "M", second);
        assert_eq!(partition.alerts(), 0, "after {second} s");
    }
    partition.event("h2", "M", DECIDED);
    assert_eq!(partition.alerts(), 1);
}

#[test]
fn other_hosts_wrong_event_times_do_not_decide_it() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.late_event("h2", "M", 100_000, 1);
    partition.late_event("h3", "A", 100_001, 2);
    assert_eq!(partition.alerts(), 0, "their clocks say nothing about this key");
}

#[test]
fn unreadable_records_with_the_brokers_time_decide_it_too() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.record(Stamp::Append(at(DECIDED)), b"{".to_vec());
    assert_eq!(partition.alerts(), 2, "the alert and the dead letter");
}

#[test]
fn idle_time_decides_it_on_a_quiet_partition() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    for second in 1..DECIDED {
        partition.idle(second);
        assert_eq!(partition.alerts(), 0, "after {second} s");
    }
    partition.idle(DECIDED);
    assert_eq!(partition.alerts(), 1);
    partition.idle(10 * DECIDED);
    assert_eq!(partition.alerts(), 1, "once");
}

#[test]
fn idle_time_counts_from_the_last_record() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.idle(DECIDED - 1);
    partition.event("h2", "-", 50);
    partition.idle(DECIDED - 51);
    assert_eq!(partition.alerts(), 0);
    partition.idle(DECIDED - 50);
    assert_eq!(partition.alerts(), 1);
}

#[test]
fn producers_times_are_trusted_less_by_the_slack() {
    let mut partition = Partition::new(Stamp::Create);
    partition.event("h1", "A", 0);
    for second in (10..DECIDED + slack()).step_by(10).chain([DECIDED + slack() - 1]) {
        partition.event("h2", "-", second);
        assert_eq!(partition.alerts(), 0, "after {second} s");
    }
    partition.event("h2", "-", DECIDED + slack());
    assert_eq!(partition.alerts(), 1);
}

#[test]
fn absent_event_in_time_silences_it() {
    for second in [1, MAXSPAN] {
        let mut partition = Partition::new(Stamp::Append);
        partition.event("h1", "A", 0);
        partition.event("h1", "M", second);
        partition.event("h2", "-", 10 * DECIDED);
        partition.idle(10 * DECIDED);
        assert_eq!(partition.alerts(), 0, "M after {second} s");
    }
}

#[test]
fn absent_event_that_arrives_late_but_within_the_lateness_silences_it() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.event("h2", "-", DECIDED - 1);
    partition.late_event("h1", "M", 5, DECIDED - 1);
    partition.idle(10 * DECIDED);
    assert_eq!(partition.alerts(), 0);
}

#[test]
fn absent_event_outside_of_its_place_does_not_silence_it() {
    // Before the start, at its very time, behind the deadline, of another key.
    for (host, second) in [("h1", -1), ("h1", 0), ("h1", MAXSPAN + 1), ("h2", 5)] {
        let mut partition = Partition::new(Stamp::Append);
        let mut events = vec![(second, host, "M"), (0, "h1", "A")];
        events.sort_by_key(|(second, ..)| *second);
        for (second, host, tag) in events {
            partition.event(host, tag, second);
        }
        partition.idle(10 * DECIDED);
        assert_eq!(partition.alerts(), 1, "M of {host} after {second} s");
    }
}

#[test]
fn restart_while_it_waits_neither_loses_nor_repeats_it() {
    for (idle_before, expected) in [(MAXSPAN, 1), (DECIDED, 0)] {
        let mut partition = Partition::new(Stamp::Append);
        partition.event("h1", "A", 0);
        partition.idle(idle_before);
        let cut = partition.detector.cut().unwrap();
        assert_eq!(cut.outputs, 1 - expected);
        partition.resume(cut.position, &cut.metadata);
        partition.idle(DECIDED - 1);
        assert_eq!(partition.alerts(), 0, "idle for {idle_before} s before");
        partition.idle(10 * DECIDED);
        assert_eq!(partition.alerts(), expected, "idle for {idle_before} s before");
    }
}

#[test]
fn absences_are_bounded_to_the_nanosecond() {
    // Elasticsearch cuts these bounds to milliseconds: for it these are the same moment.
    for (nanos, expected) in [(0, 1), (1, 0)] {
        let mut partition = Partition::new(Stamp::Append);
        partition.event("h1", "A", 0);
        partition.event_at("h1", "M", at(0) + TimeSpan::from_nanos(nanos), at(0));
        partition.idle(10 * DECIDED);
        assert_eq!(partition.alerts(), expected, "M {nanos} ns behind A");
    }
    for (nanos, expected) in [(0, 0), (1, 1)] {
        let mut partition = Partition::new(Stamp::Append);
        partition.event("h1", "A", 0);
        let deadline = at(MAXSPAN) + TimeSpan::from_nanos(nanos);
        partition.event_at("h1", "M", deadline, deadline);
        partition.idle(10 * DECIDED);
        assert_eq!(partition.alerts(), expected, "M {nanos} ns behind the deadline");
    }
}

#[test]
fn alert_holds_no_placeholder_for_what_was_absent() {
    let mut partition = Partition::new(Stamp::Append);
    partition.event("h1", "A", 0);
    partition.idle(DECIDED);
    let maxspan::detect::Output::Finding(finding) = &partition.detector.outbox()[0] else {
        panic!("no finding")
    };
    let [event] = &finding.events[..] else { panic!("{finding:?}") };
    let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(event["tags"], "A");
}

/// What happened before the first record may arrive up to a lateness behind it; of a leading absence
/// what forbids the match may have happened one maxspan further back.
#[test]
fn absences_that_look_back_beyond_the_first_record_are_undecidable() {
    for (stages, unseen) in [(TRAILING, LATENESS), (LEADING, LATENESS + MAXSPAN)] {
        for (nanos, alerts) in [(0, 0), (1, 1)] {
            let mut partition = Partition::unseen(Stamp::Append, stages);
            partition.event("h2", "-", 0);
            let moment = at(unseen) + TimeSpan::from_nanos(nanos);
            partition.event_at("h1", "A", moment, moment);
            partition.idle(10 * DECIDED);
            let told = format!("`{stages}`: A {unseen} s and {nanos} ns behind the first record");
            assert_eq!(partition.alerts(), alerts, "{told}");
            assert_eq!(partition.undecidable(), 1 - alerts, "{told}");
        }
    }
}

#[test]
fn producers_times_may_make_the_first_record_look_earlier_by_the_slack() {
    for (first, alerts) in [(LATENESS + slack(), 0), (LATENESS + slack() + 1, 1)] {
        let mut partition = Partition::unseen(Stamp::Create, TRAILING);
        for second in (0..first).step_by(STEP as usize) {
            partition.event("h2", "-", second);
        }
        partition.event("h1", "A", first);
        for step in 1..20 {
            partition.event("h2", "-", first + step * STEP);
        }
        assert_eq!(partition.alerts(), alerts, "A {first} s behind the first record");
        assert_eq!(partition.undecidable(), 1 - alerts, "A {first} s behind the first record");
    }
}

/// With `![a] [b]` the `a` would prevent the alert, with `[b] ![c]` a `c` would.
#[test]
fn absences_at_both_ends_are_told_as_what_they_forbid() {
    let sentence = |terms: &str| {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r\"\nseverity = \"low\"\nrisk_score = 21\n\
             language = \"eql\"\nquery = '''sequence by host.id with maxspan=2m {terms}'''\n"
        );
        let text = Arc::new(Text::new("rule.toml", contents));
        let (set, _) = RuleSet::compile(vec![text], &Defaults::default());
        maxspan::rule::absence::at_both_ends(&set.rules()[0])
    };
    let (a, b, c) =
        ("![any where tags == \"a\"]", "[any where true]", "![any where tags == \"c\"]");
    let told = sentence(&format!("{a} {b} {c}")).unwrap();
    assert!(told.contains("maxspan = 2m") && told.contains("of each other"), "{told}");
    for terms in [format!("{a} {b}"), format!("{b} {c}"), format!("{b} {a} {b}")] {
        assert_eq!(sentence(&terms), None, "{terms}");
    }
}
