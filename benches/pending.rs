//! What a pending first stage costs: memory of one, and the throughput of a stream beside a million of them.
//!
//! Every host has one event of the first stage of one rule, a Sysmon record as Winlogbeat sends it, and
//! all are pending at once. Told apart are what the process really takes (by its resident memory), what
//! the engine says that it takes, and what of both the records themselves are.
//!
//! Then the same stream is fed to a detector with few pending hosts and to one with many: without any
//! hit, and with one in a hundred. Ratios within one run count.
//!
//! Both are done with records that are kept as they come, and with packed ones, as the service keeps them.
//!
//! `cargo bench --bench pending [-- --hosts 1000000 --rounds 5]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

use maxspan::detect::{Detector, Engine, Options, Origin, Past, Record, Stamp};
use maxspan::event::EventTime;
use maxspan::packing::Zstd;
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

const RULE: &str = include_str!("../config/rules/wmi_incoming_lateral_movement_20s.toml");
/// Records of the measured stream.
const STREAM: i64 = 30_000;
const FEW: i64 = 1_000;

fn main() {
    let argument = |name: &str, default: i64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (hosts, rounds) = (argument("--hosts", 1_000_000), argument("--rounds", 5) as usize);
    let way = std::env::args().skip_while(|argument| argument != "--way").nth(1);
    let Some(way) = way else { return run_each(hosts, rounds) };
    let rules = rules();
    let engine = |rules: &Arc<RuleSet>| match &*way {
        "packed" => Engine::new(Arc::clone(rules), options()).packing(Arc::new(Zstd)),
        _ => Engine::new(Arc::clone(rules), options()),
    };
    let mut few = pending(&engine(&rules), FEW);
    let before = resident();
    let mut many = pending(&engine(&rules), hosts);
    let taken = resident() - before;
    report(&many, hosts, taken, &way);
    for share in [0, 100] {
        let mut seconds = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (seconds, detector) in seconds.iter_mut().zip([&mut few, &mut many]) {
                seconds.push(stream(detector, share));
            }
        }
        let [few, many] = seconds.map(|mut seconds| {
            seconds.sort_by(f64::total_cmp);
            STREAM as f64 / seconds[seconds.len() / 2]
        });
        let hits = if share == 0 { "no hit".to_owned() } else { format!("one hit in {share}") };
        println!(
            "{hits}: {few:.0} events per CPU second beside {FEW} pending hosts, {many:.0} beside {hosts}: \
             {:.3} times as many",
            many / few
        );
    }
}

/// Runs both ways in processes of their own: memory that one has given back must not serve the other.
fn run_each(hosts: i64, rounds: usize) {
    for way in ["plain", "packed"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let (hosts, rounds) = (hosts.to_string(), rounds.to_string());
        command.args(["--way", way, "--hosts", &hosts, "--rounds", &rounds]);
        assert!(command.status().unwrap().success());
    }
}

fn report(detector: &Detector, hosts: i64, taken: usize, way: &str) {
    let held = detector.held();
    assert_eq!((held.keys as i64, held.pending[0] as i64), (hosts, hosts), "all are pending");
    let each = |bytes: usize| bytes as f64 / hosts as f64;
    let record = record_text(&mut String::new(), 0, 1, true).len();
    println!("{way}: {hosts} pending first stages of one rule, records of {record} bytes");
    println!("  of the process (resident): {:.0} bytes each", each(taken));
    println!("  as the engine counts:      {:.0} bytes each", each(held.bytes));
    println!("  of these beside the event: {:.0} bytes each", each(held.bytes_beside_events));
}

fn rules() -> Arc<RuleSet> {
    let text = Arc::new(Text::new("20s.toml".to_owned(), RULE.to_owned()));
    let (rules, _) = RuleSet::compile(vec![text], &Defaults::default());
    assert_eq!(rules.rules().len(), 1);
    Arc::new(rules)
}

/// Without limits, so that all is held.
fn options() -> Options {
    Options {
        max_keys: usize::MAX,
        max_bytes: usize::MAX,
        max_total_bytes: usize::MAX,
        max_rule_share_percent: 100,
        past: Past::Nothing,
        ..Options::default()
    }
}

/// Returns a detector in which so many hosts have had the first stage.
fn pending(engine: &Engine, hosts: i64) -> Detector {
    let mut detector = engine.detector(Origin { topic: "t".into(), partition: 0 });
    let mut text = String::new();
    for host in 0..hosts {
        // All within ten seconds, so that nothing leaves.
        let millis = host * 10_000 / hosts;
        record_text(&mut text, host, millis, true);
        feed(&mut detector, millis, &text);
    }
    detector
}

/// Feeds the stream, and returns the CPU seconds that it took.
fn stream(detector: &mut Detector, share: i64) -> f64 {
    let text = |number: i64| {
        let host = number.wrapping_mul(7_919).rem_euclid(FEW);
        let is_hit = share > 0 && number % share == 0;
        let mut text = String::new();
        record_text(&mut text, host, 10_000 + number % 7, is_hit);
        text
    };
    let texts: Vec<String> = (0..STREAM).map(text).collect();
    let before = cpu_seconds();
    // The clock stands still: nothing leaves between the rounds.
    texts.iter().for_each(|text| feed(detector, 10_000, text));
    cpu_seconds() - before
}

fn feed(detector: &mut Detector, millis: i64, text: &str) {
    let offset = detector.position().unwrap_or(0);
    let stamp = Stamp::Append(EventTime::from_millis(1_772_438_400_000 + millis));
    detector.on_record(&Record { offset, stamp, payload: Some(text.as_bytes()), source: None });
}

/// Writes a network event of Sysmon as Winlogbeat sends it, different for each host and time.
fn record_text(text: &mut String, host: i64, millis: i64, is_hit: bool) -> &str {
    let at = EventTime::from_millis(1_772_438_400_000 + millis);
    let utc = at.to_string().replace('T', " ").replace('Z', "");
    let seed = (host as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let guid = |kind: u64| {
        let number = (u128::from(seed) << 64 | u128::from(seed ^ kind))
            .wrapping_mul(0xf39c_c060_5ced_c835 + u128::from(kind) * 2);
        let hex = format!("{number:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    };
    let (process, id, agent, ephemeral) = (guid(millis as u64), guid(2), guid(3), guid(4));
    let (pid, port, record_id) = (seed % 20_000, 49_152 + seed % 16_000, seed % 1_000_000);
    let (source, target) = (
        format!("10.23.{}.{}", seed % 250, seed % 241),
        format!("10.20.{}.{}", host / 250 % 250, host % 250),
    );
    let destination_port = if is_hit { 135 } else { 443 };
    text.clear();
    write!(
        text,
        r#"{{"@timestamp":"{at}","@metadata":{{"beat":"winlogbeat","type":"_doc","version":"8.17.3"}},"winlog":{{"computer_name":"WS-{host:07}.corp.example","record_id":{record_id},"provider_guid":"{{5770385f-c22a-43e0-bf4c-06f5698ffbd9}}","opcode":"Info","event_id":"3","version":5,"task":"Network connection detected (rule: NetworkConnect)","user":{{"identifier":"S-1-5-18","name":"SYSTEM","domain":"NT AUTHORITY","type":"User"}},"process":{{"pid":4622,"thread":{{"id":4434}}}},"channel":"Microsoft-Windows-Sysmon/Operational","provider_name":"Microsoft-Windows-Sysmon","event_data":{{"RuleName":"-","UtcTime":"{utc}","ProcessGuid":"{{{process}}}","ProcessId":"{pid}","Image":"C:\\Windows\\System32\\svchost.exe","User":"NT AUTHORITY\\SYSTEM","Protocol":"tcp","Initiated":"false","SourceIsIpv6":"false","SourceIp":"{source}","SourceHostname":"-","SourcePort":"{port}","SourcePortName":"-","DestinationIsIpv6":"false","DestinationIp":"{target}","DestinationHostname":"-","DestinationPort":"{destination_port}","DestinationPortName":"-"}}}},"event":{{"code":"3","kind":"event","provider":"Microsoft-Windows-Sysmon","action":"Network connection detected (rule: NetworkConnect)","created":"{at}"}},"ecs":{{"version":"8.0.0"}},"host":{{"name":"ws-{host:07}.corp.example","hostname":"WS-{host:07}","architecture":"x86_64","id":"{id}","ip":["fe80::6d:{host:x}","{target}"],"mac":["00-15-5D-00-00-6D"],"os":{{"version":"10.0","family":"windows","name":"Windows 11 Enterprise","build":"22631.3447","kernel":"10.0.22621.3447 (WinBuild.160101.0800)","type":"windows","platform":"windows"}}}},"agent":{{"ephemeral_id":"{ephemeral}","id":"{agent}","name":"WS-{host:07}","type":"winlogbeat","version":"8.17.3"}},"log":{{"level":"information"}},"message":"Network connection detected:\nRuleName: -\nUtcTime: {utc}\nProcessGuid: {{{process}}}\nProcessId: {pid}\nImage: C:\\Windows\\System32\\svchost.exe\nUser: NT AUTHORITY\\SYSTEM\nProtocol: tcp\nInitiated: false\nSourceIsIpv6: false\nSourceIp: {source}\nSourceHostname: -\nSourcePort: {port}\nSourcePortName: -\nDestinationIsIpv6: false\nDestinationIp: {target}\nDestinationHostname: -\nDestinationPort: {destination_port}\nDestinationPortName: -"}}"#
    )
    .unwrap();
    text
}

/// Bytes of memory that the process takes; 0 where that is not told.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) << 10
}

/// CPU time of this process so far, from Linux's `/proc/self/schedstat`.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    // The first field: nanoseconds on a CPU.
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
