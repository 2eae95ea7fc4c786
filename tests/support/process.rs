//! What the kernel tells of a running process: its memory, threads, open files and connections.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// A process of this machine, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Returns the most memory that it has ever had, in bytes.
    pub fn peak_memory(self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    /// Returns the memory that it has now, in bytes.
    pub fn memory(self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    /// Returns how many threads it has.
    pub fn threads(self) -> usize {
        self.thread_names().len()
    }

    /// Returns how many clients of librdkafka it has: each has one thread of this name.
    pub fn kafka_clients(self) -> usize {
        self.thread_names().iter().filter(|name| *name == "rdk:main").count()
    }

    /// Returns how many files, sockets and pipes it has open.
    pub fn open_files(self) -> usize {
        self.links().len()
    }

    /// Returns how many connections it has to these ports of this machine.
    pub fn connections(self, ports: &[u16]) -> usize {
        const ESTABLISHED: &str = "01";
        let own: BTreeSet<String> = self.links().into_iter().collect();
        let table = fs::read_to_string(self.path("net/tcp")).unwrap();
        let is_wanted = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = fields[2].rsplit(':').next().unwrap();
            let port = u16::from_str_radix(port, 16).unwrap();
            let is_own = own.contains(&format!("socket:[{}]", fields[9]));
            fields[3] == ESTABLISHED && ports.contains(&port) && is_own
        };
        table.lines().skip(1).filter(is_wanted).count()
    }

    fn thread_names(self) -> Vec<String> {
        let threads = fs::read_dir(self.path("task")).unwrap();
        // A thread may end between the two.
        let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).ok();
        threads.filter_map(|thread| Some(name(thread.ok()?)?.trim_end().to_owned())).collect()
    }

    fn links(self) -> Vec<String> {
        let files = fs::read_dir(self.path("fd")).unwrap();
        let target = |file: fs::DirEntry| fs::read_link(file.path()).ok();
        files.filter_map(|file| Some(target(file.ok()?)?.to_string_lossy().into_owned())).collect()
    }

    /// Returns a number of its status.
    fn status(self, name: &str) -> u64 {
        let status = fs::read_to_string(self.path("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }
}
