//! Valid input that takes long to evaluate, and small input that grows when it is unpacked.

use super::*;
use crate::process::{MIB, Process};

const WIDE: i32 = 12;
/// What the chart gives an instance.
const CHART_LIMIT: u64 = 512 * MIB;
/// What an instance may take with default settings, whatever comes in.
const LIMIT: u64 = 400 * MIB;
/// Nothing was committed for so long, and it is not told: this is no slowness any more.
const SILENCE: Duration = Duration::from_secs(40);

/// Sends records as a collector does that packs well: batches of about 1 MB before, and a few kB after.
fn packing_producer(setup: &Setup<'_>) -> Load {
    let mut client = setup.broker.client();
    client.set("compression.type", "gzip").set("linger.ms", "200");
    client.set("queue.buffering.max.kbytes", "65536").create().unwrap()
}

fn send_packed(setup: &Setup<'_>, producer: &Load, partition: i32, payload: &str) {
    let topic = format!("{}-in", setup.name);
    send_to(producer, &topic, Some(partition), None, Some(payload.as_bytes()));
}

/// An event with a command line that repeats these words.
fn long_event(code: &str, host: &str, pair: usize, (words, times): (&str, usize)) -> String {
    let line = words.repeat(times);
    let process = format!("{{\"process\":{{\"name\":\"cmd.exe\",\"command_line\":\"{line}\"}},");
    event(code, host, pair).replacen('{', &process, 1)
}

/// Fills a partition with long events: `count` of them, with pairs spread evenly among them.
struct Fill {
    partition: i32,
    count: usize,
    /// What their command lines repeat, and how often.
    words: (&'static str, usize),
    pairs: Range<usize>,
}

impl Fill {
    fn send(&self, setup: &Setup<'_>, producer: &Load) {
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
fn write_costly_rules(setup: &Setup<'_>, count: usize) {
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
fn wait_committed_or_told(setup: &Setup<'_>, instance: &Instance) {
    let input = format!("{}-in", setup.name);
    let began = Instant::now();
    let (mut last, mut moved) = (i64::MAX, Instant::now());
    while last > 0 {
        let lag = setup.broker.lag(&setup.name, &input).unwrap_or(last);
        if lag != last {
            (last, moved) = (lag, Instant::now());
        }
        let is_told = is_unready(instance) || instance.metric(OUTPUT_AGE, "") > 1.0;
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
const OUTPUT_AGE: &str = "maxspan_output_age_seconds";

fn print_peak(what: &str, instance: &Instance) -> u64 {
    let peak = Process(instance.child.id()).peak_memory();
    println!("chaos: {what}: at most {} MiB", peak / MIB);
    peak
}

/// Ends an instance, and looks that it says that nothing was left.
fn end_drained(instance: Instance) {
    let log = instance.log.clone();
    assert_eq!(instance.terminate(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let last = log.lines().rfind(|line| line.contains("drained")).unwrap();
    assert!(last.contains("true"), "{last}");
}

/// A turn over all partitions takes many times as long as anybody waits for a part of a commit.
#[test]
fn c30_large_events_and_costly_rules_strand_nothing() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_wide(broker, "slow-turn", RULES, AMPLE, WIDE);
    write_costly_rules(&setup, 24);
    let producer = packing_producer(&setup);
    for partition in 0..WIDE {
        let first = 10 * partition as usize;
        let pairs = first..first + 10;
        let words = ("net use share admin copy move query ", 2_600);
        Fill { partition, count: 600, words, pairs }.send(&setup, &producer);
    }
    producer.flush(DEADLINE).unwrap();
    println!("chaos: sent after {:.0} s", began.elapsed().as_secs_f64());
    let instance = setup.instance(0);
    wait_committed_or_told(&setup, &instance);
    check_alerts(&setup, 0..10 * WIDE as usize);
    instance.wait_ready();
    let (_, metrics) = instance.get("/metrics").unwrap();
    assert!(metrics.contains(OUTPUT_AGE), "no metric tells how old the output is");
    assert!(print_peak("large events and costly rules", &instance) < CHART_LIMIT);
    end_drained(instance);
    done(began, "twelve partitions of 600 large events each, and 24 costly rules");
}

#[test]
fn c30_events_that_were_packed_a_thousandfold() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_of(broker, "packed", RULES, AMPLE);
    let producer = packing_producer(&setup);
    // No text gets smaller than this: gzip has a limit of about 1 in 1,030.
    let words = ("a", 900_000);
    Fill { partition: 0, count: 1_100, words, pairs: 0..20 }.send(&setup, &producer);
    producer.flush(DEADLINE).unwrap();
    println!("chaos: sent after {:.0} s", began.elapsed().as_secs_f64());
    let instance = setup.instance(0);
    wait_committed(&setup);
    check_alerts(&setup, 0..20);
    assert!(print_peak("950 MB of events in 1 MB of gzip", &instance) < LIMIT);
    end_drained(instance);
    done(began, "950 MB of events in one partition, packed a thousandfold");
}

const GARBAGE: usize = 300;

fn send_garbage(setup: &Setup<'_>) {
    let producer = packing_producer(setup);
    let record = "garbage ".repeat(25_000);
    for _ in 0..GARBAGE {
        (0..WIDE).for_each(|partition| send_packed(setup, &producer, partition, &record));
    }
    producer.flush(DEADLINE).unwrap();
}

fn wait_letters(setup: &Setup<'_>, instance: &Instance) {
    let all = (GARBAGE * WIDE as usize) as f64;
    wait_committed(setup);
    instance.wait_for("all are dead letters", |i| i.metric("maxspan_dlq_records_total", "") == all);
}

#[test]
fn c30_large_garbage() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_wide(broker, "garbage", RULES, AMPLE, WIDE);
    send_garbage(&setup);
    println!("chaos: sent after {:.0} s", began.elapsed().as_secs_f64());
    let instance = setup.instance(0);
    wait_letters(&setup, &instance);
    assert!(print_peak("large garbage", &instance) < LIMIT);
    end_drained(instance);
    done(began, "twelve partitions of 300 records of garbage, 200 kB each");
}

#[test]
fn c30_large_garbage_without_a_topic_for_it() {
    let Some((broker, _turn)) = broker() else { return };
    let began = Instant::now();
    let setup = setup_wide(broker, "no-letters", RULES, AMPLE, WIDE);
    broker.delete_topic("no-letters-dead");
    send_garbage(&setup);
    let instance = setup.instance(0);
    instance.wait_for("says that a topic is missing", |instance| {
        let is_named = |body: &str| body.contains("no-letters-dead");
        instance.get("/readyz").is_some_and(|(status, body)| status == 503 && is_named(&body))
    });
    // It takes in what it may take in.
    std::thread::sleep(Duration::from_secs(20));
    assert!(print_peak("large garbage that waits", &instance) < LIMIT);
    broker.create_topic("no-letters-dead", 1, &[]);
    wait_letters(&setup, &instance);
    instance.wait_ready();
    assert!(print_peak("large garbage that has waited", &instance) < LIMIT);
    end_drained(instance);
    done(began, "twelve partitions of garbage whose topic comes later");
}
