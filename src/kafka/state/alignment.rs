//! Whether records lie where a hash of their host would put them: counts, and the verdict.
//!
//! Pure: never reads a clock, never sees a record twice. Sequences join events of one partition, so
//! a topic whose producers spread a host's events over all partitions hides matches without a trace.

use std::collections::VecDeque;

use super::hashes::{crc32, fnv1a, murmur2};

/// A way by which producers choose a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kafka) enum Function {
    /// Kafka's own clients: murmur2 of the key.
    Murmur2,
    /// librdkafka's `consistent`: CRC-32 of the key.
    Crc32,
    /// Beats: FNV-1a of the key, without its highest bit.
    Fnv1a,
    /// Sarama, and librdkafka's `fnv1a`: the absolute value of FNV-1a of the key.
    Fnv1aAbsolute,
    /// Beats with `partition.hash.hash: [host.id]`: as above, of the field and not of the key.
    Fnv1aHostId,
}

impl Function {
    /// All of them, in the order of their numbers.
    pub(in crate::kafka) const ALL: [Self; 5] =
        [Self::Murmur2, Self::Crc32, Self::Fnv1a, Self::Fnv1aAbsolute, Self::Fnv1aHostId];

    /// Returns its name in metrics and messages.
    pub(in crate::kafka) fn name(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Crc32 => "crc32",
            Self::Fnv1a => "fnv1a",
            Self::Fnv1aAbsolute => "fnv1a_absolute",
            Self::Fnv1aHostId => "fnv1a_host_id",
        }
    }

    /// Returns the partition that it chooses; nothing without what it hashes.
    fn choose(self, sample: &Sample<'_>, partitions: u32) -> Option<u32> {
        let bytes = if self == Self::Fnv1aHostId { sample.host_id } else { sample.key };
        let bytes = bytes?;
        let hash = match self {
            Self::Murmur2 => murmur2(bytes) & 0x7fff_ffff,
            Self::Crc32 => crc32(bytes),
            Self::Fnv1a | Self::Fnv1aHostId => fnv1a(bytes) & 0x7fff_ffff,
            Self::Fnv1aAbsolute => fnv1a(bytes).cast_signed().unsigned_abs(),
        };
        Some(hash % partitions.max(1))
    }
}

/// What of a record decides its partition.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::kafka) struct Sample<'a> {
    pub(in crate::kafka) key: Option<&'a [u8]>,
    pub(in crate::kafka) host_id: Option<&'a [u8]>,
}

/// How many records lie where each function would have put them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::kafka) struct Tally {
    records: u64,
    matches: [u64; Function::ALL.len()],
}

impl Tally {
    /// Counts a record of a partition, of this many.
    pub(in crate::kafka) fn count(&mut self, sample: &Sample<'_>, partition: i32, partitions: u32) {
        self.records += 1;
        let partition = u32::try_from(partition).ok();
        for (function, matches) in Function::ALL.into_iter().zip(&mut self.matches) {
            let chosen = function.choose(sample, partitions);
            *matches += u64::from(chosen.is_some() && chosen == partition);
        }
    }

    fn add(&mut self, other: &Self) {
        self.records += other.records;
        for (sum, count) in self.matches.iter_mut().zip(other.matches) {
            *sum += count;
        }
    }

    fn ratio(&self, function: Function) -> f64 {
        // Numbers of sampled records: far below what a float holds exactly.
        self.matches[function as usize] as f64 / self.records.max(1) as f64
    }
}

/// Counts of the last minute are judged, in steps of this many milliseconds.
const STEP: u64 = 5_000;
const WINDOW: u64 = 60_000;
/// How long the best function must be below what is enough, in milliseconds.
const PATIENCE: u64 = 60_000;
/// Fewer records prove nothing.
const ENOUGH_RECORDS: u64 = 200;
/// What a function must reach: a few records without a host are in every topic.
const ENOUGH: f64 = 0.99;

/// What is known of one topic: the counts of the last minute.
#[derive(Debug, Default)]
pub(in crate::kafka) struct Window {
    /// INVARIANT: ascending times.
    steps: VecDeque<(u64, Tally)>,
    low_since: Option<u64>,
    /// The last verdict: it stands while there is nothing to judge by.
    last: Option<Verdict>,
}

/// What follows from the counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::kafka) enum Verdict {
    /// Records lie where this function puts them.
    Aligned(Function),
    /// No function explains where records lie; this one comes nearest, with this share of them.
    Scattered(Function, f64),
}

impl Window {
    /// Adds what was counted until `now`, in milliseconds of any clock.
    pub(in crate::kafka) fn add(&mut self, now: u64, tally: &Tally) {
        if tally.records == 0 {
            return;
        }
        match self.steps.back_mut() {
            Some((began, sum)) if now < *began + STEP => sum.add(tally),
            _ => self.steps.push_back((now, *tally)),
        }
    }

    /// Forgets everything: the topic has another number of partitions.
    pub(in crate::kafka) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the share of records that each function explains; nothing if there are too few.
    pub(in crate::kafka) fn ratios(&mut self, now: u64) -> Option<[f64; Function::ALL.len()]> {
        while self.steps.front().is_some_and(|(began, _)| began + WINDOW < now) {
            self.steps.pop_front();
        }
        let mut sum = Tally::default();
        self.steps.iter().for_each(|(_, tally)| sum.add(tally));
        (sum.records >= ENOUGH_RECORDS).then(|| Function::ALL.map(|function| sum.ratio(function)))
    }

    /// Judges, given the shares; nothing before there was enough to judge by.
    pub(in crate::kafka) fn judge(
        &mut self,
        now: u64,
        ratios: &[f64; Function::ALL.len()],
    ) -> Option<Verdict> {
        let shares = Function::ALL.into_iter().zip(*ratios);
        // Of two that explain as much, the first: with one partition all of them do.
        let best = shares.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let (function, ratio) = best?;
        if ratio >= ENOUGH {
            self.low_since = None;
            self.last = Some(Verdict::Aligned(function));
        } else {
            let since = *self.low_since.get_or_insert(now);
            if now.saturating_sub(since) >= PATIENCE {
                self.last = Some(Verdict::Scattered(function, ratio));
            }
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts a thousand hosts of six partitions where `place` puts them.
    fn tally(place: impl Fn(&str) -> u32, is_keyed: bool) -> Tally {
        let mut tally = Tally::default();
        for number in 0..1_000 {
            let host = format!("host-{number}");
            let key = is_keyed.then_some(host.as_bytes());
            let sample = Sample { key, host_id: Some(host.as_bytes()) };
            tally.count(&sample, place(&host).cast_signed(), 6);
        }
        tally
    }

    fn judge(tally: &Tally, seconds: u64) -> Option<Verdict> {
        let mut window = Window::default();
        let mut verdict = None;
        for second in 0..=seconds {
            window.add(second * 1_000, tally);
            let ratios = window.ratios(second * 1_000)?;
            verdict = window.judge(second * 1_000, &ratios);
        }
        verdict
    }

    #[test]
    fn each_function_is_recognised() {
        for (function, place) in [
            (Function::Murmur2, (|h| (murmur2(h) & 0x7fff_ffff) % 6) as fn(&[u8]) -> u32),
            (Function::Crc32, |h| crc32(h) % 6),
            (Function::Fnv1a, |h| (fnv1a(h) & 0x7fff_ffff) % 6),
            (Function::Fnv1aAbsolute, |h| fnv1a(h).cast_signed().unsigned_abs() % 6),
        ] {
            let found = judge(&tally(|host| place(host.as_bytes()), true), 0);
            assert_eq!(found, Some(Verdict::Aligned(function)));
        }
        let by_field = tally(|host| (fnv1a(host.as_bytes()) & 0x7fff_ffff) % 6, false);
        assert_eq!(judge(&by_field, 0), Some(Verdict::Aligned(Function::Fnv1aHostId)));
    }

    #[test]
    fn scattered_records_are_told_after_a_minute() {
        let scattered = tally(|host| host.len() as u32 * 7 % 6, false);
        assert_eq!(judge(&scattered, 59), None);
        let found = judge(&scattered, 60);
        assert!(matches!(found, Some(Verdict::Scattered(_, ratio)) if ratio < 0.5), "{found:?}");
    }

    #[test]
    fn few_records_prove_nothing_and_the_last_verdict_stands() {
        let mut window = Window::default();
        let mut few = Tally::default();
        few.count(&Sample::default(), 0, 6);
        window.add(0, &few);
        assert_eq!(window.ratios(0), None);
        window.add(0, &tally(|host| crc32(host.as_bytes()) % 6, true));
        let ratios = window.ratios(0).unwrap();
        assert_eq!(window.judge(0, &ratios), Some(Verdict::Aligned(Function::Crc32)));
        assert_eq!(window.ratios(WINDOW + 1), None, "all is forgotten after a minute");
    }

    #[test]
    fn mixed_producers_are_scattered() {
        let place = |host: &str| match host.len() % 2 {
            0 => (murmur2(host.as_bytes()) & 0x7fff_ffff) % 6,
            _ => crc32(host.as_bytes()) % 6,
        };
        let found = judge(&tally(place, true), 60);
        assert!(matches!(found, Some(Verdict::Scattered(..))), "{found:?}");
    }
}
