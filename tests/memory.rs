//! What the state is said to take is what the process takes, and a flood of hosts stays within the
//! budget.
//!
//! One test, so that the process does nothing else meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;

use maxspan::detect::{Budget, Detector, Options, Origin, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

const PARTITIONS: i64 = 8;
const HOSTS: i64 = 1_000_000;
const BUDGET: usize = 96 << 20;

/// First stages of three kinds of rules: each event is a candidate of all of them.
const QUERIES: [&str; 3] = [
    r#"sequence by host.id with maxspan=1m [any where event.code == "A"] [any where event.code == "B"]"#,
    r#"sequence by host.id, user.name with maxspan=1m
         [any where event.code == "A"] [any where event.code == "B"] [any where event.code == "C"]
         until [any where event.code == "D"]"#,
    r#"sequence by user.name with maxspan=1m [any where event.code == "A"] ![any where event.code == "B"]"#,
];

fn rules() -> Arc<RuleSet> {
    let file = |(number, query): (usize, &&str)| {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r{number}\"\ndescription = \"d\"\n\
             author = [\"a\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{query}'''\n"
        );
        Arc::new(Text::new(format!("r{number}.toml"), contents))
    };
    let files = QUERIES.iter().enumerate().map(file).collect();
    let (rules, reports) = RuleSet::compile(files, &Defaults::default());
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
    Arc::new(rules)
}

/// Bytes of memory that the process takes; nothing where that is not told.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kib| kib << 10)
}

#[test]
fn a_flood_of_first_stages_on_a_million_hosts_stays_within_the_budget() {
    let Some(before) = resident() else {
        return println!("not run: this system does not tell what a process takes");
    };
    let rules = rules();
    let budget = Arc::new(Budget::new(BUDGET));
    budget.divide(PARTITIONS as usize);
    let mut detectors: Vec<Detector> = (0..PARTITIONS)
        .map(|partition| {
            let origin = Origin { topic: "t".into(), partition: partition as i32 };
            let mut detector = Detector::new(Arc::clone(&rules), origin, Options::default());
            detector.share(Arc::clone(&budget));
            detector
        })
        .collect();
    let mut most = 0;
    let mut text = String::new();
    for host in 0..HOSTS {
        // All within a minute: nothing is freed meanwhile.
        let at = EventTime::from_nanos(0) + TimeSpan::from_millis(host * 50 / 1_000);
        text.clear();
        write!(
            text,
            r#"{{"@timestamp":"{at}","event":{{"code":"A","category":["process"],"id":"{host}"}},
            "host":{{"id":"host-{host:012}"}},"user":{{"name":"user-{host}"}},"message":"{:0>600}"}}"#,
            host
        )
        .unwrap();
        let payload = Some(text.as_bytes());
        let record = Record { offset: host, stamp: Stamp::Append(at), payload, source: None };
        detectors[(host % PARTITIONS) as usize].on_record(&record);
        if host % 50_000 == 0 {
            most = most.max(resident().unwrap() - before);
        }
    }
    let held: usize = detectors.iter().map(|detector| detector.held().bytes).sum();
    let evicted: u64 = detectors
        .iter_mut()
        .map(|detector| {
            let stats = detector.take_stats();
            stats.rules.iter().map(|rule| rule.sequences.evicted_of_instance).sum::<u64>()
        })
        .sum();
    let keys: usize = detectors.iter().map(|detector| detector.held().keys).sum();
    println!("budget {BUDGET}, held {held} for {keys} keys, process {most}, evicted {evicted}");
    assert!(held <= BUDGET && held > BUDGET / 2, "{held}");
    assert_eq!(keys as u64 + evicted, 3 * HOSTS as u64, "each is kept or counted");
    // Tables that have just grown, what is not counted, and what the allocator has kept.
    assert!(most < BUDGET + BUDGET / 4, "the process took {most} bytes for a budget of {BUDGET}");
    assert!(most > held / 2, "the estimate is far too high: {held} for {most}");
}
