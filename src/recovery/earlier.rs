//! Checkpoints of the two earlier formats: read on an upgrade, never written.
//!
//! They name a start that was enough for the rules of their time, and the clock there; the pace begins
//! with what the clock showed. Windows of suppression are not taken over: an alert may leave that would
//! have been suppressed.

use super::checkpoint::{Checkpoint, KnownRules, LanePart, Listen, Parts, Seen};
use super::checkpoint::{broken, list, read_number, read_step, read_time};
use super::replay::{Idle, Reached, Start};
use crate::event::{EventTime, TimeSpan};
use crate::sequence::{Pace, PartitionClock, Stamps};

/// The format without a journal.
pub(super) const FORMAT: &str = "maxspan1";
/// The format with one.
pub(super) const FORMAT_WITH_JOURNAL: &str = "maxspan2";

/// Reads the parts of an earlier text.
pub(super) fn read(parts: &Parts<'_>) -> Result<Checkpoint, String> {
    let shows = read_time(parts.get("c")?)?;
    let clock = PartitionClock {
        shows,
        step: read_step(parts.get("step")?)?,
        pace: Pace::from_nanos(shows.map_or(0, EventTime::nanos)),
        stamps: Stamps::Broker,
    };
    let offset = read_number(parts.get("r")?)?;
    let idle = list(parts.get("idle")?).map(|pair| read_idle(pair, Reached::Clock));
    let start = Start { offset, clock, idle: idle.collect::<Result<_, _>>()?, journal: 0 };
    let has_journal = parts.format == FORMAT_WITH_JOURNAL;
    Ok(Checkpoint {
        cut: read_number(parts.get("cut")?)?,
        owner: parts.get("own")?.to_owned(),
        input: LanePart { start, rules: KnownRules::Any(Some(Seen::from(offset))) },
        journal: has_journal.then(|| read_journal(parts)).transpose()?,
        listen: parts.get("listen").ok().map(read_listen).transpose()?,
        windows: Vec::new(),
    })
}

fn read_journal(parts: &Parts<'_>) -> Result<LanePart, String> {
    let offset = read_number(parts.get("jr")?)?;
    // Entries of that time have what the clock showed for the pace, and so has idle time.
    let pace = |clock: EventTime| Reached::Pace(Pace::from_nanos(clock.nanos()));
    let idle = list(parts.get("jidle")?).map(|pair| read_idle(pair, pace));
    let start = Start {
        offset,
        clock: PartitionClock::default(),
        idle: idle.collect::<Result<_, _>>()?,
        journal: read_number(parts.get("j")?)?,
    };
    Ok(LanePart { start, rules: KnownRules::Any(Some(Seen::from(offset))) })
}

fn read_idle(text: &str, reached: impl Fn(EventTime) -> Reached) -> Result<Idle, String> {
    let (position, clock) = text.split_once(',').ok_or_else(|| broken(text))?;
    let clock = EventTime::from_nanos(read_number(clock)?);
    Ok(Idle { position: read_number(position)?, reached: reached(clock) })
}

fn read_listen(text: &str) -> Result<Listen, String> {
    let (offset, newest) = text.split_once(',').ok_or_else(|| broken(text))?;
    Ok(Listen { offset: read_number(offset)?, newest: read_time(newest)?, alive: TimeSpan::ZERO })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_earlier_versions_are_read_with_their_own_start() {
        let text = "maxspan2;cut=9;own=me;t=-;s=120;r=100;c=5000000000;step=-;idle=110,7000000000;seen=-;\
                    rules=1a+2b@6e;j=40;jt=3;js=90;jr=80;jidle=;jseen=-;jrules=3c";
        let read = read(&Parts::of(text)).unwrap();
        assert_eq!((read.cut, read.owner.as_str()), (9, "me"));
        let LanePart { start, rules } = read.input;
        assert_eq!(start.offset, 100);
        assert_eq!(start.clock.pace, Pace::from_nanos(5_000_000_000));
        assert_eq!(
            rules.starts(&[77], Seen::from(200)),
            [Some(Seen::from(100))],
            "its rules had other hashes"
        );
        // Two seconds of idle time, counted from where the clock stands when it comes there.
        let clock = PartitionClock { pace: Pace::from_nanos(1), ..start.clock };
        assert_eq!(start.idle[0].reached.pace(&clock), Pace::from_nanos(2_000_000_001));
        let journal = read.journal.unwrap();
        assert_eq!((journal.start.journal, journal.start.offset), (40, 80));
    }
}
