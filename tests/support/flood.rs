//! Valid input that takes long to evaluate, and small input that grows when it is unpacked.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

use crate::broker::Broker;
use crate::live::*;
use crate::pairs::{RULE, event, write_rules};
use crate::process::{MIB, Process};

pub(crate) const WIDE: i32 = 12;
/// What the chart gives an instance.
pub(crate) const CHART_LIMIT: u64 = 512 * MIB;
/// What an instance may take with default settings, whatever comes in.
pub(crate) const LIMIT: u64 = 400 * MIB;
/// Nothing was committed for so long, and it is not told: this is no slowness any more.
const SILENCE: Duration = Duration::from_secs(40);

/// Topics and the rule of pairs; all other settings are the program's own.
pub(crate) fn default_setup<'b>(broker: &'b Broker, name: &str, partitions: i32) -> Setup<'b> {
    let mut setup = Setup::of(broker, name, "", partitions);
    write_rules(&mut setup, &[RULE]);
    setup
}

/// A producer whose records take little room on their way.
pub(crate) type Packer = ThreadedProducer<DefaultProducerContext>;

/// Sends records as a collector does that packs well: batches of about 1 MB before, and a few kB after.
pub(crate) fn packing_producer(setup: &Setup<'_>) -> Packer {
    let mut client = setup.broker.client();
    client.set("compression.type", "gzip").set("linger.ms", "200");
    client.set("queue.buffering.max.kbytes", "65536").create().unwrap()
}

fn send_packed(setup: &Setup<'_>, producer: &Packer, partition: i32, payload: &str) {
    let topic = format!("{}-in", setup.name);
    send_to(producer, &topic, Some(partition), None, Some(payload.as_bytes()));
}

/// An event with a command line that repeats these words.
fn long_event(code: &str, host: &str, pair: usize, (words, times): (&str, usize)) -> String {
    let line = words.repeat(times);
    let process = format!("{{\"process\":{{\"name\":\"cmd.exe\",\"command_line\":\"{line}\"}},");
    event(code, host, &format!("{pair}-{code}")).replacen('{', &process, 1)
}

/// Fills a partition with long events: `count` of them, with pairs spread evenly among them.
pub(crate) struct Fill {
    pub(crate) partition: i32,
    pub(crate) count: usize,
    /// What their command lines repeat, and how often.
    pub(crate) words: (&'static str, usize),
    pub(crate) pairs: Range<usize>,
}

impl Fill {
    /// Sends them; who calls flushes.
    pub(crate) fn send(&self, setup: &Setup<'_>, producer: &Packer) {
        let host = format!("host-{}", self.partition);
        let each = self.count / self.pairs.len();
        for number in 0..self.count {
            let pair = self.pairs.start + number / each;
            let code = match (number % each, self.pairs.contains(&pair)) {
                (0, true) => "A",
                (1, true) => "B",
                _ => "X",
            };
            let (words, times) = self.words;
            // Alerts hold their events whole only if they are not too large.
            let times = if code == "X" { times } else { times.min(2_600) };
            let event = long_event(code, &host, pair, (words, times));
            send_packed(setup, producer, self.partition, &event);
        }
    }
}

/// Rules that read the whole of a command line, each for itself, and never match.
pub(crate) fn write_costly_rules(setup: &Setup<'_>, count: usize) {
    for number in 0..count {
        let query = format!(
            "process where length(process.command_line) > {number} and \
             process.command_line regex~ \".*rare{number}[0-9]+needle.*\""
        );
        let rule = format!(
            "[rule]\nname = \"Costly {number}\"\nrule_id = \"costly-{number}\"\ndescription = \"-\"\n\
             author = [\"Test\"]\nrisk_score = 21\nseverity = \"low\"\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{query}'''\n"
        );
        let file = format!("{}/costly-{number}.toml", setup.rules);
        std::fs::write(file, rule).unwrap();
    }
}

/// Waits until all input is committed; meanwhile an instance whose output waits has to say so.
pub(crate) fn wait_committed_or_told(setup: &Setup<'_>, instance: &Instance) {
    let input = format!("{}-in", setup.name);
    let began = Instant::now();
    let (mut last, mut moved) = (i64::MAX, Instant::now());
    while last > 0 {
        let lag = setup.broker.lag(&setup.name, &input).unwrap_or(last);
        if lag != last {
            (last, moved) = (lag, Instant::now());
        }
        let is_unready = instance.get("/readyz").is_none_or(|(status, _)| status == 503);
        let is_told = is_unready || instance.metric(OUTPUT_AGE, "") > 1.0;
        assert!(
            moved.elapsed() < SILENCE || is_told,
            "{lag} records are not committed, nothing moves, and it says it is well: {:?}\n{}",
            instance.get("/readyz"),
            instance.log()
        );
        assert!(began.elapsed() < DEADLINE, "{lag} records are not committed\n{}", instance.log());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The age of the oldest output that is not committed yet.
pub(crate) const OUTPUT_AGE: &str = "maxspan_output_age_seconds";

/// Prints and returns the most memory that an instance has ever had.
pub(crate) fn print_peak(what: &str, instance: &Instance) -> u64 {
    let peak = Process(instance.child.id()).peak_memory();
    println!("{what}: at most {} MiB", peak / MIB);
    peak
}

/// Ends an instance, and looks that it says that nothing was left.
pub(crate) fn end_drained(instance: Instance) {
    let log = instance.log.clone();
    assert_eq!(instance.terminate(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let last = log.lines().rfind(|line| line.contains("drained")).unwrap();
    assert!(last.contains("true"), "{last}");
}

/// How many records of garbage each partition gets.
const GARBAGE: usize = 300;

/// Sends records of 200 kB that nobody can read to all partitions.
pub(crate) fn send_garbage(setup: &Setup<'_>) {
    let producer = packing_producer(setup);
    let record = "garbage ".repeat(25_000);
    for _ in 0..GARBAGE {
        (0..WIDE).for_each(|partition| send_packed(setup, &producer, partition, &record));
    }
    producer.flush(DEADLINE).unwrap();
}

/// Waits until all of the garbage is dead letters.
pub(crate) fn wait_letters(setup: &Setup<'_>, instance: &Instance) {
    let all = (GARBAGE * WIDE as usize) as f64;
    wait_committed_or_told(setup, instance);
    instance.wait_for("all are dead letters", |i| i.metric("maxspan_dlq_records_total", "") == all);
}
