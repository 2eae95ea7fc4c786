//! What an explanation says: plain data, serialised as `maxspan explain --format json` prints it.
//!
//! Never decides anything: `verdict` and `explainer` fill it in.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::detect::InputEnd;

/// An explanation of rules over records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What was read.
    pub input: Input,
    /// Each rule, in the order of the rule set.
    pub rules: Vec<RuleReport>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Names of the files, in the order in which they were named.
    pub files: Vec<String>,
    /// Records, readable or not.
    pub records: u64,
    /// Records that could not be read, by reason.
    pub unreadable: BTreeMap<String, u64>,
    /// Where the first of these stand.
    pub unreadable_at: Vec<String>,
    /// Records without a time, which no rule sees.
    pub no_event_time: u64,
    /// Records without a host.
    pub no_host: u64,
    /// Records by `event.category`.
    pub categories: Values,
    /// What the detector left out because of a limit, by the limit's name.
    pub limits: BTreeMap<String, u64>,
}

/// How often values were seen: the commonest, and the rest as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// The commonest first; of equally common ones the smaller text first.
    pub values: Vec<ValueCount>,
    /// Events whose value is none of these.
    pub others: u64,
    /// Events without a value.
    pub without: u64,
}

/// How often a value was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueCount {
    /// The value, perhaps shortened.
    pub value: String,
    /// In how many events.
    pub count: u64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// Its id.
    pub rule_id: String,
    /// Its name.
    pub name: String,
    /// Its version, or the hash of its query.
    pub version: String,
    /// `event`, `sequence` or `sample`.
    pub kind: &'static str,
    /// Longest time between its first and its last event.
    pub maxspan_ms: i64,
    /// By how much order may be off.
    pub order_tolerance_ms: i64,
    /// How late an event may come.
    pub allowed_lateness_ms: i64,
    /// `eager` or `exact`.
    pub emit: &'static str,
    /// Records that its index patterns cover, all if it has none.
    pub covered: u64,
    /// Records that they don't.
    pub not_covered: u64,
    /// Index names of these.
    pub not_covered_indices: Values,
    /// Its terms as written: stages, absent stages, `until`.
    pub stages: Vec<StageReport>,
    /// Fields that its query names and no covered record has.
    pub fields_without_value: Vec<String>,
    /// Fields of its join key.
    pub key_fields: Vec<String>,
    /// How many join keys there are.
    pub keys: KeyCounts,
    /// Alerts that the detector gave.
    pub alerts: u64,
    /// Matches whose alert was suppressed.
    pub suppressed: u64,
    /// What is to be said about the keys together.
    pub notes: Vec<Note>,
    /// The keys that are shown, by their first event.
    pub by_key: Vec<KeyReport>,
}

/// One term of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// `1`, `2-4` with runs, `absent`, `until`.
    pub stage: String,
    /// Its part of the query.
    pub query: String,
    /// The category that it asks for; null for `any`.
    pub category: Option<String>,
    /// Covered events of its category.
    pub events: u64,
    /// Of these, events that satisfy its condition.
    pub hits: u64,
    /// Of the hits, those that an exception leaves out.
    pub excepted: u64,
    /// Of the hits, those that lack a field of the join key.
    pub without_key: u64,
    /// Fields of the join key that these lack.
    pub key_fields_missing: Values,
    /// Events that would be hits if the index patterns covered them.
    pub not_covered: u64,
    /// On how many join keys there are hits.
    pub keys: u64,
    /// Some of these keys.
    pub example_keys: Vec<Key>,
    /// The conditions that must hold together.
    pub conditions: Vec<ConditionReport>,
}

/// One of the conditions that must hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionReport {
    /// The condition.
    pub condition: String,
    /// For how many events it held.
    pub held: u64,
    /// How many events it alone kept from being hits.
    pub alone: u64,
    /// The values for which it did not hold.
    pub not_held_for: Values,
}

/// The parts of a join key; null where an optional field is missing.
pub type Key = Vec<Option<String>>;

/// How many join keys there are, and how far they got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyCounts {
    /// Keys with hits.
    pub seen: u64,
    /// Whether there are more than were counted.
    pub more: bool,
    /// Keys with an alert.
    pub fired: u64,
    /// Keys with matches, all of whose alerts were suppressed.
    pub suppressed: u64,
    /// Keys without a match by the number of stages that they reached: 0, 1, ….
    pub reached: Vec<u64>,
    /// Keys of which nothing was kept: there were too many.
    pub not_kept: u64,
}

/// What is to be said about keys together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// Each stage has hits, but no key has hits of all.
    NoCommonKey,
    /// Keys that look like the same one and are not.
    AlikeKeys {
        /// One, and what it has hits of.
        keys: Vec<Key>,
    },
    /// A key whose hits stand in several files, each of which is a partition of its own.
    SplitKey {
        /// The key.
        key: Key,
        /// The files.
        files: Vec<String>,
    },
    /// A key of a rule with absences at both ends fired although an absent event was there.
    AbsencesAtBothEnds {
        /// What such absences forbid.
        meaning: String,
    },
}

/// One join key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// The key.
    pub key: Key,
    /// The file, where there are several and each is a partition of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// How many positive stages its events reached one after the other.
    pub reached: usize,
    /// How many there are.
    pub of: usize,
    /// The outcome as sentences.
    pub text: Vec<String>,
    /// How many alerts and suppressed matches there were.
    pub match_count: u64,
    /// The first of them.
    pub matches: Vec<MatchReport>,
    /// Why there was no match; with a match, why further final events gave none.
    pub misses: Vec<Miss>,
    /// How many hits the key has.
    pub hit_count: u64,
    /// Hits and near misses, those that matter most, by event time.
    pub timeline: Vec<HitReport>,
    /// Hits and near misses that are not shown.
    pub left_out: u64,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The detector gave an alert.
    Fired,
    /// It found matches, and all their alerts were suppressed.
    Suppressed,
    /// It found none.
    NotFired,
}

/// An alert, or a match whose alert was suppressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchReport {
    /// The alert's id.
    pub alert_id: String,
    /// Whether the alert was suppressed.
    pub suppressed: bool,
    /// Its severity.
    pub severity: String,
    /// Its events, in the order of the stages.
    pub events: Vec<EventRef>,
    /// The time between the outermost.
    pub span_ms: i64,
    /// Whether it needed the order tolerance.
    pub order_adjusted: bool,
    /// Whether one of its events came later than allowed.
    pub late: bool,
    /// Which end of the input an absence of it rests on: `first` or `last` event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<InputEnd>,
}

/// An event in a few words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EventRef {
    /// `1`, `2-4`, `absent`, `until`; several with commas.
    pub stage: String,
    /// When it happened.
    pub event_time: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: i64,
    /// `event.id`, or the number of the record in its event log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

impl EventRef {
    /// Returns where it stands.
    pub(super) fn place(&self) -> (String, i64) {
        (self.file.clone(), self.line)
    }
}

/// Why a final event, or a stage, gave no match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// The event that might have been the last one; nothing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventRef>,
    /// What stood in the way, all of it.
    pub reasons: Vec<Reason>,
    /// Changes of the rule, each of which alone makes it match; tried out.
    pub would_match_with: Vec<Change>,
}

/// A change of the rule with which there would be a match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// `maxspan`, at least this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxspan_ms: Option<i64>,
    /// `order_tolerance`, at least this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_tolerance_ms: Option<i64>,
    /// What is left away: `until`, `absent`, `exceptions`, `index`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<&'static str>,
}

/// What stood in the way of a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// The key has no hit of a stage.
    NoHit {
        /// The stage.
        stage: String,
        /// Hits of the stage that have no join key at all.
        without_key: u64,
        /// Events of the key that one condition alone kept from being hits.
        near_misses: Vec<NearMiss>,
        /// The nearest hit on another key, in event time.
        #[serde(skip_serializing_if = "Option::is_none")]
        elsewhere: Option<Elsewhere>,
    },
    /// The key has fewer hits of a stage than `runs` asks for.
    TooFew {
        /// The stage.
        stage: String,
        /// How many are needed.
        needed: u64,
        /// How many there are.
        hits: u64,
    },
    /// Each stage needs an event of its own, and some have none but another's.
    TooFewEvents {
        /// How many stages there are.
        needed: usize,
        /// For how many of them there are events.
        events: usize,
    },
    /// The events lie too far apart.
    OverMaxspan {
        /// How far.
        span_ms: i64,
        /// By how much that is too far.
        over_ms: i64,
        /// The earliest event.
        first: EventRef,
        /// The latest.
        last: EventRef,
    },
    /// An event came before that of the stage that it should follow.
    OutOfOrder {
        /// By how much.
        early_ms: i64,
        /// The event.
        event: EventRef,
        /// The one that it should follow.
        follows: EventRef,
    },
    /// An `until` event ended what was pending.
    Until {
        /// The event.
        event: EventRef,
    },
    /// An event of a stage that must be absent was there.
    Forbidden {
        /// The event.
        event: EventRef,
    },
    /// An exception leaves an event out.
    Exception {
        /// The event.
        event: EventRef,
        /// The exception's number, from 1.
        number: usize,
        /// The exception.
        condition: String,
    },
    /// The index patterns do not cover an event.
    NotCovered {
        /// The event.
        event: EventRef,
    },
    /// An earlier event of the same stage took what this one could have completed.
    Taken {
        /// The earlier event.
        by: EventRef,
    },
    /// Only one event satisfies several stages, and it cannot follow itself.
    SameEvent {
        /// The event.
        event: EventRef,
    },
    /// By event time there is a match, but in the stream an event was let go before another came.
    LetGo {
        /// The event that came first.
        event: EventRef,
        /// The one that came last.
        before: EventRef,
        /// How much later that came, by the partition's clock.
        apart_ms: i64,
        /// For how long events are held there.
        held_ms: i64,
    },
    /// By event time there is a match, but in the stream an event came so late that what must be
    /// absent may have been let go.
    TooLate {
        /// The event that was furthest behind.
        event: EventRef,
        /// How far it was behind what its key or the partition had shown.
        behind_ms: i64,
    },
    /// By event time there is a match, but a limit of the detector was reached.
    Limit,
    /// The hits of the stages do not fit together.
    NoFit,
}

/// An event that one condition alone kept from being a hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The event.
    pub event: EventRef,
    /// The condition that did not hold.
    pub condition: String,
    /// What the fields of that condition hold.
    pub has: String,
}

/// A hit on another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// That key.
    pub key: Key,
    /// The hit.
    pub event: EventRef,
    /// How far it lies from the nearest hit of this key.
    pub apart_ms: i64,
}

/// A hit or a near miss in a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitReport {
    /// The event.
    #[serde(flatten)]
    pub event: EventRef,
    /// The values of fields that the conditions name.
    pub fields: BTreeMap<String, String>,
    /// How far it arrived behind the newest event of its key.
    #[serde(skip_serializing_if = "is_zero")]
    pub behind_ms: i64,
    /// Why it does not count: `repeated`, `exception 1`, `not covered`, `near miss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
    /// How many hits between this one and the one before are not shown.
    #[serde(skip_serializing_if = "is_none_left_out")]
    pub left_out_before: u64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_none_left_out(number: &u64) -> bool {
    *number == 0
}
