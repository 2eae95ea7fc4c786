//! What holding costs: memory of one partition, and what a restart reads back, for several values of
//! `hold`, with the shipped rules and the broker's timestamps.
//!
//! Feeds a made-up stream of so many records a second, of which every eightieth satisfies a stage,
//! until as much has passed as a restart reads back; then commits, and rebuilds the state.
//!
//! `cargo bench --no-default-features --bench held [-- --rate 5000 --hosts 500]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxspan::detect::{Detector, Options, Origin, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

/// Of so many records one satisfies a stage.
const SHARE: i64 = 80;

const RULES: [(&str, &str); 3] = [
    ("2023.toml", include_str!("../config/rules/wmi_incoming_lateral_movement_2023.toml")),
    ("v100.toml", include_str!("../config/rules/wmi_incoming_lateral_movement_v100.toml")),
    ("20s.toml", include_str!("../config/rules/wmi_incoming_lateral_movement_20s.toml")),
];

struct Stream {
    rate: i64,
    hosts: i64,
    text: String,
}

impl Stream {
    /// Gives the record of an offset to a detector: the same whenever it is asked for.
    fn feed(&mut self, detector: &mut Detector, offset: i64) {
        let at = EventTime::from_millis(1_770_000_000_000 + offset * 1_000 / self.rate);
        let host = offset.wrapping_mul(7_919).rem_euclid(self.hosts);
        self.text.clear();
        write!(
            self.text,
            r#"{{"@timestamp":"{at}","agent":{{"id":"a-{host}","type":"winlogbeat","version":"8.12.0"}},"ecs":{{"version":"8.0.0"}},"event":{{"id":"e{offset}","kind":"event",{},"host":{{"id":"host-{host}","name":"ws-{host}","os":{{"type":"windows"}}}},"message":"{:0>500}"}}"#,
            body(offset),
            offset,
        )
        .unwrap();
        let payload = Some(self.text.as_bytes());
        detector.on_record(&Record { offset, stamp: Stamp::Append(at), payload, source: None });
    }
}

fn body(offset: i64) -> &'static str {
    match (offset % SHARE, offset / SHARE % 2) {
        (0, 0) => {
            r#""category":["network"],"type":["start"]},"process":{"name":"svchost.exe"},"network":{"direction":"ingress"},"source":{"ip":"10.1.2.3","port":50000},"destination":{"ip":"10.1.2.4","port":50001}"#
        }
        _ => {
            r#""category":["file"],"type":["change"]},"process":{"name":"explorer.exe"},"file":{"path":"C:\\Users\\user\\Documents\\report.docx"}"#
        }
    }
}

fn main() {
    let argument = |name: &str, default: i64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (rate, hosts) = (argument("--rate", 5_000), argument("--hosts", 500));
    println!("{rate} records a second, {hosts} hosts, one in {SHARE} satisfies a stage, 3 rules");
    for minutes in [5, 10] {
        measure(minutes, &mut Stream { rate, hosts, text: String::new() });
    }
}

fn measure(minutes: i64, stream: &mut Stream) {
    let rules = rules(minutes);
    let origin = Origin { topic: "t".into(), partition: 0 };
    let options = Options { max_bytes: usize::MAX, ..Options::default() };
    let before = resident();
    let mut detector = Detector::new(Arc::clone(&rules), origin.clone(), options.clone());
    let count = minutes * 60 * 7 / 2 * stream.rate;
    let begun = Instant::now();
    (0..count).for_each(|offset| stream.feed(&mut detector, offset));
    let fed = begun.elapsed();
    let cut = detector.cut().unwrap();
    let held = detector.held();
    let resident = resident().saturating_sub(before);
    drop(detector);
    let (mut detector, complaint) =
        Detector::resume(rules, origin, options, cut.position, &cut.metadata);
    assert_eq!(complaint, None);
    let from = detector.read_from().unwrap();
    let begun = Instant::now();
    (from..cut.position).for_each(|offset| stream.feed(&mut detector, offset));
    let read = begun.elapsed();
    assert_eq!((detector.is_replaying(), detector.held().keys), (false, held.keys));
    let back = cut.position - from;
    println!(
        "hold {minutes} min: {} keys, {:.1} MiB held, {:.1} MiB of the process; {:.0} records a second; \
         a restart reads {back} records ({} s of the stream) in {:.1} s, with their making",
        held.keys,
        mebibytes(held.bytes),
        mebibytes(resident),
        count as f64 / fed.as_secs_f64(),
        back / stream.rate,
        Duration::as_secs_f64(&read),
    );
}

fn rules(minutes: i64) -> Arc<RuleSet> {
    let files = RULES.map(|(name, text)| Arc::new(Text::new(name, text)));
    let defaults = Defaults { hold: TimeSpan::from_secs(60 * minutes), ..Defaults::default() };
    let (rules, _) = RuleSet::compile(files.into(), &defaults);
    assert_eq!(rules.rules().len(), RULES.len());
    Arc::new(rules)
}

/// Bytes of memory that the process takes; 0 where that is not told.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) << 10
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
