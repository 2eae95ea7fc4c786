//! The made-up network: hosts, each with what its collector says about it.

use super::chance::Random;
use super::json::Members;

/// A Windows machine with a collector.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) full_name: String,
    pub(super) ip: String,
    /// The member `host` of each record.
    pub(super) described: Members,
    /// The member `agent` of each record.
    pub(super) agent: Members,
    /// The number of its last record: Windows counts as it writes.
    pub(super) record: u64,
}

/// All hosts, some busier than others.
pub(super) struct Hosts {
    pub(super) all: Vec<Host>,
    /// By host: the sum of all weights up to its own.
    weights: Vec<u64>,
}

impl Hosts {
    pub(super) fn new(count: usize, chance: &mut Random) -> Self {
        let all: Vec<Host> = (0..count).map(|number| Host::new(number, chance)).collect();
        let mut sum = 0;
        let weight = |number| {
            sum += 200 + 1_000 / (1 + number as u64 % 97);
            sum
        };
        let weights = (0..count).map(weight).collect();
        Self { all, weights }
    }

    /// One host; busy ones more often.
    pub(super) fn pick(&self, chance: &mut Random) -> usize {
        let at = chance.below(self.weights[self.weights.len() - 1]);
        self.weights.partition_point(|sum| *sum <= at)
    }
}

impl Host {
    fn new(number: usize, chance: &mut Random) -> Self {
        let name = format!("PC{number:06}");
        let full_name = format!("{name}.lab.example");
        let ip = address(number);
        let mut os = Members::default();
        os.text("type", "windows");
        os.text("platform", "windows");
        os.text("family", "windows");
        os.text("name", "Windows Server 2022 Standard");
        os.text("version", "10.0");
        os.text("build", "20348.2402");
        os.text("kernel", "10.0.20348.2400 (WinBuild.160101.0800)");
        let mut described = Members::default();
        described.text("name", &full_name.to_lowercase());
        described.text("hostname", &name);
        described.text("id", &uuid(chance));
        described.text("architecture", "x86_64");
        described
            .texts("ip", &[format!("fe80::{:x}:{number:x}", chance.below(1 << 16)), ip.clone()]);
        let (high, mid, low) = (number >> 16 & 255, number >> 8 & 255, number & 255);
        described.texts("mac", &[format!("00-15-5D-{high:02X}-{mid:02X}-{low:02X}")]);
        described.object("os", &os, chance);
        let mut agent = Members::default();
        agent.text("name", &name);
        agent.text("id", &uuid(chance));
        agent.text("ephemeral_id", &uuid(chance));
        agent.text("type", "winlogbeat");
        agent.text("version", "8.17.2");
        Self { name, full_name, ip, described, agent, record: chance.below(5_000_000) }
    }
}

/// The address of a host.
pub(super) fn address(number: usize) -> String {
    format!("10.{}.{}.{}", 64 + number / 50_000, number / 200 % 250, number % 200 + 20)
}

/// A random number as collectors write it.
pub(super) fn uuid(chance: &mut Random) -> String {
    let (high, low) = (chance.next(), chance.next());
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// So many hexadecimal digits of chance, in capitals.
pub(super) fn hex(chance: &mut Random, digits: usize) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        write!(text, "{:016X}", chance.next()).unwrap();
    }
    text.truncate(digits);
    text
}
