//! `drive TARGET SECONDS`: mutates the corpus of a target at random and runs it, without looking at coverage.
//!
//! For machines where libFuzzer cannot be linked, and for a quick look: an input that fails is written to
//! `regressions/TARGET/`, which `tests/fuzz_regressions.rs` replays.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use maxspan_fuzz::targets::{TARGETS, Target};

/// Longest input.
const MAX_LEN: usize = 4_096;

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds, seed @ ..] = &args[..] else {
        return Err("usage: drive TARGET SECONDS [SEED]".to_owned());
    };
    let found = TARGETS.iter().find(|(target, _)| target == name);
    let (name, target) = found.ok_or_else(|| format!("no target `{name}`"))?;
    let seconds = seconds.parse().map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    let seed = seed.first().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let corpus = read_all(&root().join("corpus").join(name));
    let (runs, failures) = drive(name, *target, &corpus, Duration::from_secs(seconds), seed);
    println!("{name}: {runs} executions from {} seeds, {failures} failures", corpus.len());
    if failures == 0 { Ok(()) } else { Err(format!("{name}: {failures} inputs fail")) }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(directory) else { return vec![Vec::new()] };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut inputs: Vec<_> = paths.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    inputs.push(Vec::new());
    inputs
}

fn drive(name: &str, target: Target, corpus: &[Vec<u8>], time: Duration, seed: u64) -> (u64, u64) {
    let mut random = SplitMix(seed);
    let (mut runs, mut failures) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < time && failures < 5 {
        let input = mutate(corpus, &mut random);
        runs += 1;
        if catch_unwind(|| target(&input)).is_err() {
            failures += 1;
            save(name, &input);
        }
    }
    (runs, failures)
}

fn save(name: &str, input: &[u8]) {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let directory = root().join("regressions").join(name);
    let path = directory.join(format!("{:016x}", hasher.finish()));
    let written = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&path, input));
    println!("{name}: input that fails: {} ({written:?})", path.display());
}

/// Changes one seed in a few places, or joins two.
fn mutate(corpus: &[Vec<u8>], random: &mut SplitMix) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..1 << random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 => input.insert(at, random.below(256) as u8),
            2 if at < input.len() => {
                input.drain(at..(at + 1 + random.below(8)).min(input.len()));
            }
            3 => {
                let other = &corpus[random.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
            4 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(24)).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
            5 if at < input.len() => input[at] = *random.pick(b"\0\"\\[](){}*?~:;,=-+09\n\x7f\xff"),
            _ => input.extend((0..random.below(8)).map(|_| random.below(256) as u8)),
        }
    }
    input.truncate(MAX_LEN);
    input
}

struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
