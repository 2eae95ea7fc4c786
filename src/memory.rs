//! How much memory an instance may take, and which part of it is for what.
//!
//! The parts are shares of one number, so that the sum is known before anything runs:
//!
//! ```text
//! what is held      3/8    state of all partitions, also of those that were given up
//! output            1/12   found and not committed; up to twice that, as it is written
//! producer          1/16   copies that the client holds until a broker has them
//! fetch queue       1/192  records of one partition that wait for its worker, unpacked
//! fetch answer      1/1024 one answer of a broker, as it is packed
//! fetch partition   1/4096 one partition's part of an answer, as it is packed
//! fetch unfolded    1/48   what an answer unfolds to, but for its first batch
//! ```
//! `docs/operations.md` says what follows for the process.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where the kernel shows control groups, and which one this process is in.
const CGROUPS: &str = "/sys/fs/cgroup";
const OWN_CGROUP: &str = "/proc/self/cgroup";
/// What an instance may take where nothing limits it.
const WITHOUT_LIMIT: usize = 384 << 20;
/// With less than this nothing useful runs.
const LEAST: usize = 64 << 20;

/// `[memory]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Most bytes for records, state and output; three quarters of the control group's limit if
    /// absent, 384 MiB if there is none. The rest of the limit is for rules, code and fragments.
    #[serde(deserialize_with = "crate::setting::optional_at_least::<_, LEAST>")]
    pub max_bytes: Option<usize>,
}

impl Settings {
    /// Returns the memory of this process.
    pub fn memory(&self) -> Memory {
        let limit = || limit_of(Path::new(OWN_CGROUP), Path::new(CGROUPS));
        Memory::new(self.max_bytes.unwrap_or_else(|| within(limit())))
    }
}

/// Returns how much of a limit is for records, state and output.
fn within(limit: Option<usize>) -> usize {
    limit.map_or(WITHOUT_LIMIT, |limit| limit / 4 * 3)
}

/// The memory of an instance, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    max_bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(WITHOUT_LIMIT)
    }
}

impl Memory {
    /// Returns the memory of an instance that may take so many bytes, 64 MiB at least.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes: max_bytes.max(LEAST) }
    }

    /// Returns all of it.
    pub fn max_bytes(self) -> usize {
        self.max_bytes
    }

    /// Returns what all partitions may hold.
    pub fn state(self) -> usize {
        self.max_bytes / 8 * 3
    }

    /// Returns how much output may wait to be committed, of all partitions, as it will be written.
    pub fn output(self) -> usize {
        self.max_bytes / 12
    }

    /// Returns what the producer may hold.
    pub fn producer(self) -> usize {
        self.max_bytes / 16
    }

    /// Returns how many bytes of one partition's records may wait for its worker.
    pub fn fetch_queue(self) -> usize {
        (self.max_bytes / 192).min(8 << 20)
    }

    /// Returns how large one answer of a broker may be, packed.
    pub fn fetch_answer(self) -> usize {
        (self.max_bytes / 1_024).min(1 << 20)
    }

    /// Returns how much of one partition there may be in an answer, packed; a batch that is larger comes
    /// alone. Each answer costs a way to the broker and back, so that it should hold several batches.
    pub fn fetch_partition(self) -> usize {
        (self.max_bytes / 4_096).min(1 << 20)
    }

    /// Returns to how much an answer may unfold with gzip or Zstandard, which pack a thousandfold and more; its
    /// first batch is taken whatever its size. The client holds at most one part of an answer of each
    /// partition beyond what may wait: those of twelve partitions unfold to a quarter of all at worst.
    pub fn fetch_unfolded(self) -> usize {
        self.max_bytes / 48
    }
}

/// Returns the least limit of a process's control group and those around it; nothing if there is none.
///
/// Knows both hierarchies (`memory.max` of version 2, `memory.limit_in_bytes` of version 1); in a
/// container the group is often the root of what can be seen.
fn limit_of(own: &Path, root: &Path) -> Option<usize> {
    let own = fs::read_to_string(own).unwrap_or_default();
    let groups = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        let is_memory = controllers.split(',').any(|name| name == "memory");
        match (controllers.is_empty(), is_memory) {
            (true, _) => Some((root.join(path), root.to_owned(), "memory.max")),
            (false, true) => {
                let root = root.join("memory");
                Some((root.join(path), root, "memory.limit_in_bytes"))
            }
            (false, false) => None,
        }
    });
    groups.filter_map(|(group, root, file)| least_limit(&group, &root, file)).min()
}

fn least_limit(group: &Path, root: &Path, file: &str) -> Option<usize> {
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    let limits = groups.map(|group| read_limit(&group.join(file)));
    limits.chain([read_limit(&root.join(file))]).flatten().min()
}

/// Version 1 writes a number near the largest one where there is no limit, version 2 `max`.
fn read_limit(file: &PathBuf) -> Option<usize> {
    let limit: usize = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(own: &str, files: &[(&str, &str)]) -> Option<usize> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("cgroup");
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let own_file = directory.path().join("own");
        fs::write(&own_file, own).unwrap();
        limit_of(&own_file, &root)
    }

    #[test]
    fn least_limit_around_the_process_counts() {
        assert_eq!(limit("0::/\n", &[("memory.max", "536870912\n")]), Some(536_870_912));
        assert_eq!(limit("0::/\n", &[("memory.max", "max\n")]), None);
        let nested = [("a/memory.max", "4000000"), ("a/b/memory.max", "max")];
        assert_eq!(limit("0::/a/b\n", &nested), Some(4_000_000));
        // In a container the path may name what cannot be seen from within.
        let seen = [("memory.max", "1000000")];
        assert_eq!(limit("0::/kubepods/pod7/c1\n", &seen), Some(1_000_000));
        assert_eq!(limit("", &[]), None);
    }

    #[test]
    fn former_hierarchy_is_known_too() {
        let own = "5:cpu,cpuacct:/x\n4:memory:/docker/7\n";
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/docker/7/memory.limit_in_bytes", "268435456"),
        ];
        assert_eq!(limit(own, &files), Some(268_435_456));
    }

    #[test]
    fn parts_fit_into_the_whole() {
        assert_eq!(within(Some(512 << 20)), 384 << 20);
        for max_bytes in [64 << 20, 384 << 20, 8 << 30] {
            let memory = Memory::new(max_bytes);
            let partitions = 12;
            let sum = memory.state()
                + 2 * memory.output()
                + memory.producer()
                + partitions * memory.fetch_queue()
                // An ordinary answer unfolds tenfold.
                + 10 * memory.fetch_answer();
            assert!(sum < max_bytes, "{max_bytes}: {sum}");
        }
    }
}
