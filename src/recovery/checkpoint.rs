//! The checkpoint: the text that is committed beside an offset.
//!
//! ASCII, below 4,096 bytes, `key=value` parts separated by `;` behind the name of the format. Every
//! part is written and read by name, so that no change of a type can change it.

use crate::event::{EventTime, TimeSpan};
use crate::sequence::pace::Step;
use crate::sequence::{Pace, PartitionClock, Stamps};

use super::replay::{Idle, Reached, Start};
use super::windows::{self, Window};

/// First part of the text: the format and its version.
pub(super) const FORMAT: &str = "maxspan3";
/// Most bytes that brokers keep by default (`offset.metadata.max.bytes`).
const MAX_BYTES: usize = 4_096;
/// Most bytes of the list of rules that are rebuilt from the input: all are read again anyway.
pub(crate) const ROOM_OF_INPUT: usize = 250;
/// Most bytes of the list of rules that are rebuilt from the journal.
pub(crate) const ROOM_OF_JOURNAL: usize = 650;

/// Everything that is committed beside an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// How many cuts were made, in all lives.
    pub(crate) cut: u64,
    /// Who made this one.
    pub(crate) owner: String,
    /// How to rebuild the rules of the input lane.
    pub(crate) input: LanePart,
    /// How to rebuild those of the journal lane, if it has any.
    pub(crate) journal: Option<LanePart>,
    /// Of re-keyed events: from where to listen how far their sources have come.
    pub(crate) listen: Option<Listen>,
    /// The windows of suppression, in the order in which they began.
    pub(crate) windows: Vec<Window>,
}

/// How to rebuild the rules of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LanePart {
    /// From where to replay. The clock of the journal lane is not kept: each entry brings its pace.
    pub(crate) start: Start,
    /// The rules, and the offset from which each has seen the partition.
    pub(crate) rules: KnownRules,
}

/// From where on a rule has seen a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// The first record.
    pub(crate) offset: i64,
    /// The pace before it; nothing until that has been read.
    pub(crate) pace: Option<Pace>,
}

impl Seen {
    /// Returns that a rule sees the partition from this record on.
    pub(crate) fn from(offset: i64) -> Self {
        Self { offset, pace: None }
    }
}

/// The rules that a checkpoint knows, and from where on they have seen the partition; nothing if they
/// have seen all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KnownRules {
    /// Each by its hash.
    Each(Vec<(u32, Option<Seen>)>),
    /// The set as a whole.
    Set(u32, Option<Seen>),
    /// Whatever the rules are: an earlier version wrote other hashes.
    Any(Option<Seen>),
}

impl KnownRules {
    /// Returns how the rules with these hashes are written that have seen the partition from there on:
    /// each by itself if there is room.
    pub(crate) fn of(hashes: &[u32], starts: &[Option<Seen>], room: usize) -> Self {
        let each = Self::Each(hashes.iter().copied().zip(starts.iter().copied()).collect());
        if each.write().len() <= room {
            return each;
        }
        // A later offset is the safe side: an absence is undecidable for longer.
        Self::Set(set_hash(hashes), starts.iter().copied().max().flatten())
    }

    /// Returns from where on each of these rules has seen the partition, those that are not known from
    /// `new` on.
    pub(crate) fn starts(&self, hashes: &[u32], new: Seen) -> Vec<Option<Seen>> {
        match self {
            Self::Each(known) => {
                let start = |hash| known.iter().find(|(known, _)| known == hash).map(|(_, s)| *s);
                hashes.iter().map(|hash| start(hash).unwrap_or(Some(new))).collect()
            }
            Self::Set(known, start) if *known == set_hash(hashes) => vec![*start; hashes.len()],
            Self::Set(..) => vec![Some(new); hashes.len()],
            Self::Any(start) => vec![*start; hashes.len()],
        }
    }

    fn write(&self) -> String {
        let start = |seen: Option<Seen>| {
            let pace = |pace: Pace| format!(".{:x}", pace.nanos());
            seen.map_or_else(String::new, |seen| {
                format!("@{:x}{}", seen.offset, seen.pace.map_or_else(String::new, pace))
            })
        };
        match self {
            Self::Each(known) => {
                let first = known.first().and_then(|(_, from)| *from);
                if first.is_some() && known.iter().all(|(_, from)| *from == first) {
                    // All since the same record, as in a young partition.
                    let hashes: Vec<String> = known.iter().map(|(h, _)| format!("{h:x}")).collect();
                    return format!("{}!{}", start(first), hashes.join("+"));
                }
                let rule = |(hash, from): &(u32, Option<Seen>)| format!("{hash:x}{}", start(*from));
                known.iter().map(rule).collect::<Vec<_>>().join("+")
            }
            Self::Set(hash, from) => format!("*{hash:x}{}", start(*from)),
            Self::Any(from) => format!("?{}", start(*from)),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let hash = |text: &str| u32::from_str_radix(text, 16).map_err(|_| broken(text));
        let number = |text: &str| i64::from_str_radix(text, 16).map_err(|_| broken(text));
        let from = |text: &str| -> Result<Option<Seen>, String> {
            match text.split_once('.') {
                _ if text.is_empty() => Ok(None),
                None => Ok(Some(Seen::from(number(text)?))),
                Some((offset, pace)) => {
                    let pace = Some(Pace::from_nanos(number(pace)?));
                    Ok(Some(Seen { offset: number(offset)?, pace }))
                }
            }
        };
        let halves = |text: &'_ str| {
            let (hash, from) = text.split_once('@').unwrap_or((text, ""));
            (hash.to_owned(), from.to_owned())
        };
        if let Some(set) = text.strip_prefix('*') {
            let (set, start) = halves(set);
            return Ok(Self::Set(hash(&set)?, from(&start)?));
        }
        if let Some(start) = text.strip_prefix('?') {
            return Ok(Self::Any(from(start.trim_start_matches('@'))?));
        }
        if let Some((start, rules)) = text.split_once('!') {
            let start = from(start.trim_start_matches('@'))?;
            let rule = |text: &str| Ok((hash(text)?, start));
            return Ok(Self::Each(list(rules).map(rule).collect::<Result<_, String>>()?));
        }
        let rule = |text: &str| {
            let (rule, start) = halves(text);
            Ok((hash(&rule)?, from(&start)?))
        };
        Ok(Self::Each(list(text).map(rule).collect::<Result<_, String>>()?))
    }
}

fn set_hash(rules: &[u32]) -> u32 {
    rules.iter().fold(0, |sum: u32, rule| sum.rotate_left(5) ^ rule)
}

/// Where a replay must begin to listen so that it knows every source that counts later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) offset: i64,
    /// The newest timestamp before the record there.
    pub(crate) newest: Option<EventTime>,
    /// Time alive before the record there.
    pub(crate) alive: TimeSpan,
}

impl Checkpoint {
    /// Writes the text.
    pub(crate) fn write(&self) -> String {
        let Start { offset, clock, .. } = &self.input.start;
        let mut text = format!(
            "{FORMAT};cut={};own={};r={offset};c={};p={};k={};step={};idle={};rules={}",
            self.cut,
            self.owner,
            time(clock.shows),
            clock.pace.nanos(),
            match clock.stamps {
                Stamps::Broker => 'b',
                Stamps::Producers => 'p',
            },
            clock.step.map_or_else(|| "-".to_owned(), write_step),
            write_idle(&self.input.start, clock.pace),
            self.input.rules.write(),
        );
        if let Some(Listen { offset, newest, alive }) = &self.listen {
            text.push_str(&format!(";listen={offset},{},{}", time(*newest), alive.nanos()));
        }
        if let Some(LanePart { start, rules }) = &self.journal {
            text.push_str(&format!(
                ";j={};jr={};jidle={};jrules={}",
                start.journal,
                start.offset,
                write_idle(start, Pace::default()),
                rules.write(),
            ));
        }
        if !self.windows.is_empty() {
            text.push_str(&format!(";win={}", windows::write(&self.windows)));
        }
        debug_assert!(text.is_ascii() && text.len() < MAX_BYTES, "{} bytes", text.len());
        text
    }

    /// Reads the parts of a text of this format; the error says what is wrong with them.
    pub(super) fn read(parts: &Parts<'_>) -> Result<Self, String> {
        let clock = PartitionClock {
            shows: read_time(parts.get("c")?)?,
            step: read_step(parts.get("step")?)?,
            pace: Pace::from_nanos(read_number(parts.get("p")?)?),
            stamps: if parts.get("k")? == "b" { Stamps::Broker } else { Stamps::Producers },
        };
        let start =
            Start { offset: read_number(parts.get("r")?)?, clock, idle: vec![], journal: 0 };
        let start = Start { idle: read_idle(parts.get("idle")?, &start)?, ..start };
        let rules = KnownRules::read(parts.get("rules")?)?;
        Ok(Self {
            cut: read_number(parts.get("cut")?)?,
            owner: parts.get("own")?.to_owned(),
            input: LanePart { start, rules },
            journal: parts.has("j").then(|| Self::read_journal(parts)).transpose()?,
            listen: parts.get("listen").ok().map(read_listen).transpose()?,
            windows: match parts.get("win") {
                Ok(text) => windows::read(text).ok_or_else(|| broken(text))?,
                Err(_) => Vec::new(),
            },
        })
    }

    fn read_journal(parts: &Parts<'_>) -> Result<LanePart, String> {
        let start = Start {
            offset: read_number(parts.get("jr")?)?,
            clock: PartitionClock::default(),
            idle: vec![],
            journal: read_number(parts.get("j")?)?,
        };
        let start = Start { idle: read_idle(parts.get("jidle")?, &start)?, ..start };
        Ok(LanePart { start, rules: KnownRules::read(parts.get("jrules")?)? })
    }
}

/// The parts of a text, by name.
pub(super) struct Parts<'t> {
    pub(super) format: &'t str,
    parts: Vec<(&'t str, &'t str)>,
}

impl<'t> Parts<'t> {
    /// Splits a text.
    pub(super) fn of(text: &'t str) -> Self {
        let mut parts = text.split(';');
        let format = parts.next().unwrap_or("");
        Self { format, parts: parts.filter_map(|part| part.split_once('=')).collect() }
    }

    /// Returns a part.
    pub(super) fn get(&self, name: &str) -> Result<&'t str, String> {
        let found = self.parts.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        found.ok_or_else(|| format!("the committed metadata lacks `{name}`"))
    }

    fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|(key, _)| *key == name)
    }
}

fn time(at: Option<EventTime>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.nanos().to_string())
}

fn write_step(step: Step) -> String {
    format!("{:x},{},{}", step.host, step.first.nanos(), step.newest.nanos())
}

/// Counted from the start, which keeps the numbers short, and from a pace that is in the text.
fn write_idle(start: &Start, from: Pace) -> String {
    let pair = |idle: &Idle| {
        let reached = idle.reached.pace(&start.clock).nanos();
        let behind = reached.wrapping_sub(from.nanos());
        format!("{:x}.{behind:x}", idle.position.wrapping_sub(start.offset))
    };
    start.idle.iter().map(pair).collect::<Vec<_>>().join("+")
}

pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split('+').filter(|item| !item.is_empty())
}

pub(super) fn broken(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the committed metadata is broken at `{shown}`")
}

pub(super) fn read_number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| broken(text))
}

pub(super) fn read_time(text: &str) -> Result<Option<EventTime>, String> {
    if text == "-" { Ok(None) } else { Ok(Some(EventTime::from_nanos(read_number(text)?))) }
}

pub(super) fn read_step(text: &str) -> Result<Option<Step>, String> {
    if text == "-" {
        return Ok(None);
    }
    let parts: Vec<&str> = text.split(',').collect();
    let [host, first, newest] = parts[..] else { return Err(broken(text)) };
    let host = u64::from_str_radix(host, 16).map_err(|_| broken(text))?;
    let (first, newest) = (read_number(first)?, read_number(newest)?);
    Ok(Some(Step {
        host,
        first: EventTime::from_nanos(first),
        newest: EventTime::from_nanos(newest),
    }))
}

fn read_idle(text: &str, start: &Start) -> Result<Vec<Idle>, String> {
    let number = |text| i64::from_str_radix(text, 16).map_err(|_| broken(text));
    let idle = list(text).map(|pair| {
        let (position, behind) = pair.split_once('.').ok_or_else(|| broken(pair))?;
        let reached = start.clock.pace.nanos().wrapping_add(number(behind)?);
        let position = start.offset.wrapping_add(number(position)?);
        Ok(Idle { position, reached: Reached::Pace(Pace::from_nanos(reached)) })
    });
    idle.collect()
}

fn read_listen(text: &str) -> Result<Listen, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let [offset, newest, alive] = parts[..] else { return Err(broken(text)) };
    let alive = TimeSpan::from_nanos(read_number(alive)?);
    Ok(Listen { offset: read_number(offset)?, newest: read_time(newest)?, alive })
}

#[cfg(test)]
mod tests {
    use super::super::replay::MAX_IDLE;
    use super::super::windows::MAX_WINDOWS;
    use super::*;

    const LATE: i64 = 1 << 62;

    fn full(rules: u32) -> Checkpoint {
        let step = Step { host: u64::MAX, first: EventTime::MIN, newest: EventTime::MAX };
        let idle = |count: usize| {
            let pair = |n: usize| Idle {
                position: LATE + n as i64,
                reached: Reached::Pace(Pace::from_nanos(LATE + (900 << 30) + n as i64)),
            };
            (0..count).map(pair).collect::<Vec<_>>()
        };
        let clock = PartitionClock {
            shows: Some(EventTime::MIN),
            step: Some(step),
            pace: Pace::from_nanos(LATE),
            stamps: Stamps::Producers,
        };
        let hashes: Vec<u32> = (0..rules).map(|n| u32::MAX - n).collect();
        let seen = |n| match n % 3 {
            0 => Some(Seen { offset: LATE, pace: Some(Pace::from_nanos(LATE)) }),
            1 => None,
            _ => Some(Seen::from(LATE)),
        };
        let starts: Vec<Option<Seen>> = (0..rules).map(seen).collect();
        let part = |idle, clock, journal, room| LanePart {
            start: Start { offset: LATE, clock, idle, journal },
            rules: KnownRules::of(&hashes, &starts, room),
        };
        let window = |n| Window { group: u64::MAX - n, start_ms: 5, since_ms: -5 };
        Checkpoint {
            cut: u64::MAX,
            owner: "o".repeat(64),
            input: part(idle(MAX_IDLE), clock, 0, ROOM_OF_INPUT),
            journal: Some(part(idle(4), PartitionClock::default(), LATE, ROOM_OF_JOURNAL)),
            listen: Some(Listen {
                offset: LATE,
                newest: Some(EventTime::MIN),
                alive: TimeSpan::MAX,
            }),
            windows: (0..MAX_WINDOWS as u64).map(window).collect(),
        }
    }

    #[test]
    fn what_is_written_reads_back_and_fits_whatever_the_rules() {
        for rules in [0, 1, 15, 30, 40, 5_000] {
            let checkpoint = full(rules);
            let text = checkpoint.write();
            assert!(text.len() < MAX_BYTES, "{rules}: {}", text.len());
            assert_eq!(read(&text), Ok(checkpoint));
        }
    }

    #[test]
    fn the_text_is_what_it_always_was() {
        // A golden text: whoever changes it changes what a restart of a new version understands.
        let mut checkpoint = full(2);
        checkpoint.input.start.idle.truncate(1);
        checkpoint.journal = None;
        checkpoint.windows.truncate(1);
        checkpoint.owner = "me".to_owned();
        assert_eq!(
            checkpoint.write(),
            "maxspan3;cut=18446744073709551615;own=me;r=4611686018427387904;c=-9223372036854775808;\
             p=4611686018427387904;k=p;step=ffffffffffffffff,-9223372036854775808,9223372036854775807;\
             idle=0.e100000000;rules=ffffffff@4000000000000000.4000000000000000+fffffffe;\
             listen=4611686018427387904,-9223372036854775808,9223372036854775807;\
             win=P__________gAAAAAAFf______7"
        );
    }

    #[test]
    fn new_rules_start_anew_and_known_ones_go_on() {
        let (new, known) = (Seen::from(9), Seen::from(5));
        let each = KnownRules::of(&[1, 2], &[None, Some(known)], 99);
        assert_eq!(each.starts(&[2, 3, 1], new), [Some(known), Some(new), None]);
        let many: Vec<u32> = (0..1_000).collect();
        let set = KnownRules::of(&many, &[None; 1_000], 99);
        assert_eq!(set.starts(&many, new), [None; 1_000]);
        assert_eq!(set.starts(&[1, 2], new), [Some(new); 2]);
        assert_eq!(KnownRules::Any(Some(known)).starts(&[8], new), [Some(known)]);
        let young = KnownRules::of(&[1, 2], &[Some(known); 2], 99);
        assert_eq!(
            (young.write().as_str(), KnownRules::read(&young.write())),
            ("@5!1+2", Ok(young))
        );
    }

    fn read(text: &str) -> Result<Checkpoint, String> {
        Checkpoint::read(&Parts::of(text))
    }

    #[test]
    fn what_is_broken_is_told() {
        let message = |text: &str| read(text).unwrap_err();
        assert_eq!(message("maxspan3;cut=1"), "the committed metadata lacks `c`");
        let text = full(1).write().replace("cut=1", "cut=x");
        assert!(message(&text).starts_with("the committed metadata is broken at `x"));
    }
}
