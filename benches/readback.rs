//! What the input's codec costs `maxspan run` on a real Kafka: live, and read back after a restart.
//!
//! Fills a topic of one partition with raw events for each codec, in batches as Winlogbeat sends them. Then a
//! program with one worker reads each topic from the beginning, commits at the end, and is started again.
//! CPU time is that of the program alone, without its start-up; the broker's is not in it. Rounds take turns over
//! the codecs, so that a busy minute hits all alike: compare within one run only.
//!
//! `cargo bench --bench readback [-- --events 300000 --rounds 3 --batch 50]`; `make kafka-jars` fetches Kafka.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "../tests/support/admin.rs"]
mod admin;
#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/live.rs"]
mod live;
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use broker::Broker;
use live::{DEADLINE, Instance, Setup, host_id, send};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};
use support::corpus::{Corpus, Settings, Shape, rules};
use support::replay::{not_run, shared};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// The codec with which many rules are measured.
const USUAL: &str = "lz4";
/// The partition of which the table speaks.
const RECORDS_PER_SECOND: f64 = 5_000.0;
const SECONDS_BACK: f64 = 900.0;

fn main() {
    let argument = |name: &str, default: usize| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (events, rounds) = (argument("--events", 300_000), argument("--rounds", 3));
    let batch = argument("--batch", 50);
    let corpus = Corpus::make(corpus_of(events));
    let Some(broker) = Broker::start_or_not_run(1, "the cost of codecs") else { return };
    let input = corpus.file(Shape::Raw);
    let bytes = std::fs::metadata(&input).unwrap().len() / events as u64;
    println!("{events} records of {bytes} bytes, {batch} in a batch, median of {rounds} rounds");
    for mut cases in [of_codecs(&broker, &corpus), of_many_rules(&broker)] {
        cases.iter_mut().for_each(|case| case.fill(&input, batch));
        (0..rounds).for_each(|_| cases.iter_mut().for_each(Case::measure));
        print_table(&cases);
    }
}

fn corpus_of(events: usize) -> Settings {
    Settings::MANY_ATTACKS.late().of(events as u64, RECORDS_PER_SECOND as u64, 60)
}

/// Returns every codec with the shipped rules.
fn of_codecs<'b>(broker: &'b Broker, corpus: &Corpus) -> Vec<Case<'b>> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    let known: usize = rules().map(|rule| corpus.finals(rule).len()).iter().sum();
    let of_codec = |codec| Case { known, ..Case::new(broker, codec, codec, &rules) };
    CODECS.map(of_codec).into()
}

/// Returns one codec with all published rules, where they are.
fn of_many_rules(broker: &Broker) -> Vec<Case<'_>> {
    let Some(rules) = shared("data/elastic-rules") else {
        not_run("the cost of published rules", "../shared/data is absent");
        return Vec::new();
    };
    vec![Case::new(broker, "published", USUAL, &rules)]
}

/// One topic, and what reading it has taken.
struct Case<'b> {
    codec: &'static str,
    setup: Setup<'b>,
    rules: f64,
    /// Matches that are known to be there, at least.
    known: usize,
    records: usize,
    disk: u64,
    live: Vec<Cost>,
    back: Vec<Cost>,
}

/// What a run took.
#[derive(Clone, Copy)]
struct Cost {
    records: f64,
    /// Of the journal: written, or read back.
    entries: f64,
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn cpu_per_million(&self) -> f64 {
        self.cpu / self.records * 1e6
    }
}

impl<'b> Case<'b> {
    fn new(broker: &'b Broker, name: &str, codec: &'static str, rules: &Path) -> Self {
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let input = [stamped, ("segment.bytes", "67108864"), ("max.message.bytes", "12000000")];
        broker.create_topic(&format!("{name}-in"), 1, &input);
        for topic in ["alerts", "dead", "journal"] {
            broker.create_topic(&format!("{name}-{topic}"), 1, &[]);
        }
        let mut setup = Setup::bare(broker, name, tempfile::tempdir().unwrap());
        setup.rules = rules.display().to_string();
        setup.kafka = format!("journal = {{ topic = \"{name}-journal\" }}\n");
        let (live, back) = (Vec::new(), Vec::new());
        Self { codec, setup, rules: 0.0, known: 0, records: 0, disk: 0, live, back }
    }

    /// Sends every line, keyed by host.
    fn fill(&mut self, input: &Path, batch: usize) {
        let producer = self.producer(batch);
        let topic = format!("{}-in", self.setup.name);
        for line in BufReader::new(std::fs::File::open(input).unwrap()).lines() {
            let line = line.unwrap();
            send(&producer, &topic, Some(host_id(&line).as_bytes()), Some(line.as_bytes()));
            self.records += 1;
        }
        producer.flush(DEADLINE).unwrap();
        self.disk = self.setup.broker.bytes_of(&topic, 0);
    }

    fn producer(&self, batch: usize) -> ThreadedProducer<DefaultProducerContext> {
        let mut client = self.setup.broker.client();
        client.set("compression.type", self.codec).set("message.max.bytes", "12000000");
        client.set("batch.num.messages", batch.to_string()).set("linger.ms", "500");
        client.create().unwrap()
    }

    /// Measures one start-up, one run from the beginning, and one restart at the end.
    fn measure(&mut self) {
        let start_up = self.start_up();
        let live = self.live(start_up);
        let back = self.back(start_up);
        let name = &self.setup.name;
        println!("{name}: start-up: {start_up:.2} CPU s");
        for (what, cost) in [("live", live), ("read back", back)] {
            let Cost { records, entries, wall, cpu } = cost;
            println!(
                "{name}: {what}: {records} records and {entries} of the journal, {wall:.2} s, \
                 {cpu:.2} CPU s"
            );
        }
        assert_eq!((live.records, live.entries), (back.records, back.entries), "{name}");
        self.live.push(live);
        self.back.push(back);
    }

    /// Returns the CPU time of a start where there is nothing to read: at the end, without metadata.
    fn start_up(&mut self) -> f64 {
        let Setup { broker, name, .. } = &self.setup;
        let (topic, end) = (format!("{name}-in"), self.records as i64);
        // The coordinator of a group that nobody knew needs a moment.
        let commit = || broker.commit(name, &topic, 0, end, "").is_ok();
        broker.until("the end is committed", commit);
        let instance = self.setup.instance(0);
        wait(&instance, |instance| {
            instance.get("/readyz").is_some_and(|(status, _)| status == 200)
        });
        let cpu = cpu_seconds(instance.child.id());
        self.rules = instance.metric("maxspan_rules_loaded", "");
        assert_eq!(instance.terminate(), Some(0));
        broker.delete_group(name);
        cpu
    }

    /// Measures from the first record to the last, and leaves the end committed.
    fn live(&self, start_up: f64) -> Cost {
        let Setup { broker, name, .. } = &self.setup;
        let records = self.records as f64;
        let instance = self.setup.instance(0);
        let consumed = |least| {
            move |instance: &Instance| instance.metric("maxspan_events_consumed_total", "") >= least
        };
        wait(&instance, consumed(1.0));
        let begun = Instant::now();
        wait(&instance, consumed(records));
        let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds(instance.child.id()));
        let end = self.records as i64;
        let committed = || broker.committed(name, &format!("{name}-in"), 0);
        broker.until("the end is committed", || committed().is_some_and(|(at, _)| at == end));
        self.check(&instance);
        let entries = instance.metric("maxspan_journal_entries_total", "");
        assert_eq!(instance.terminate(), Some(0));
        Cost { records, entries, wall, cpu: cpu - start_up }
    }

    /// A fast wrong answer is none.
    fn check(&self, instance: &Instance) {
        let of = |name| instance.metric(name, "") as usize;
        let matches = of("maxspan_matches_total");
        assert!(matches >= self.known, "{matches} matches of {}", self.known);
        println!(
            "{}: {} records satisfy a stage, {matches} matches, {} MiB held, {} driven out",
            self.setup.name,
            of("maxspan_events_admitted_total"),
            of("maxspan_pending_bytes") >> 20,
            of("maxspan_pending_evicted_total"),
        );
    }

    /// Measures a restart at the end until the state is rebuilt.
    fn back(&self, start_up: f64) -> Cost {
        let instance = self.setup.instance(0);
        let took = |instance: &Instance| instance.metric("maxspan_state_restore_seconds", "");
        wait(&instance, |instance| took(instance) > 0.0);
        let (wall, cpu) = (took(&instance), cpu_seconds(instance.child.id()));
        let entries = instance.metric("maxspan_journal_restored_total", "");
        let records = instance.metric("maxspan_events_replayed_total", "");
        assert_eq!(instance.terminate(), Some(0));
        Cost { records, entries, wall, cpu: cpu - start_up }
    }
}

fn wait(instance: &Instance, is_done: impl Fn(&Instance) -> bool) {
    let begun = Instant::now();
    while !is_done(instance) {
        assert!(begun.elapsed() < DEADLINE, "not yet:\n{}", instance.log());
        std::thread::sleep(Duration::from_millis(25));
    }
}

fn print_table(cases: &[Case<'_>]) {
    println!(
        "\n| rules | codec | MB on disk, per million records | CPU s per million, live | \
         CPU s per million, read back | partitions of 5,000 records/s on a core, live | \
         15 min of such a partition, read back on a core |\n|---|---|---|---|---|---|---|"
    );
    for case in cases {
        let (live, back) = (median(&case.live), median(&case.back));
        println!(
            "| {} | {} | {:.0} | {live:.1} | {back:.1} | {:.0} | {:.0} s |",
            case.rules,
            case.codec,
            case.disk as f64 / case.records as f64,
            (1e6 / live / RECORDS_PER_SECOND).floor(),
            RECORDS_PER_SECOND * SECONDS_BACK * back / 1e6,
        );
    }
}

fn median(costs: &[Cost]) -> f64 {
    let mut costs: Vec<f64> = costs.iter().map(Cost::cpu_per_million).collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// CPU time of a process so far, from Linux's `/proc/PID/stat`.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    // Linux has had 100 ticks a second for every process since 2.6.
    ticks / 100.0
}
