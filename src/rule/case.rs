//! Cases of a rule: events in, alerts expected. They stand beside the rule, in `<rule>.cases.toml`.
//!
//! Never runs a case: that is `detect`'s. Codes: E0507 no file of cases, E0508 a case that makes no
//! sense.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::de::DeTable;

use super::read::{Reader, Table};
use super::{Emit, Severity};
use crate::diag::{Diagnostic, encoding};
use crate::event::{EventTime, TimeSpan};
use crate::text::{Span, Text};

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where its name stands.
    pub span: Span,
    /// The records, one JSON document each, in the order of arrival.
    pub events: Vec<String>,
    /// The alerts, in any order.
    pub alerts: Vec<Expected>,
    /// When matches leave, if not as the rule says.
    pub emit: Option<Emit>,
    /// By how much an event may precede that of the stage before, if not as the rule says.
    pub order_tolerance: Option<TimeSpan>,
    /// How late an event may come, if not as the rule says.
    pub allowed_lateness: Option<TimeSpan>,
}

/// An alert that a case expects; what is absent may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Number of the final event, from 1.
    #[serde(rename = "final")]
    pub final_event: usize,
    /// Numbers of all its events, in the order of the stages.
    pub events: Option<Vec<usize>>,
    /// Its severity.
    pub severity: Option<String>,
    /// Whether it needed the order tolerance.
    pub order_adjusted: Option<bool>,
}

/// Reads a file of cases; the error says, with places in it, what is wrong.
pub fn parse(text: &Text) -> Result<Vec<Case>, Vec<Diagnostic>> {
    if let Some(fault) = encoding::fault(text) {
        return Err(vec![fault]);
    }
    let unknown = unknown_keys(&text.contents);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let file: File = match toml::from_str(&text.contents) {
        Ok(file) => file,
        Err(error) => {
            let what = error.message().lines().next().unwrap_or_default();
            let found = Diagnostic::error("E0507", format!("this is no file of cases: {what}"));
            let span = error.span().map(|span| Span::new(span.start, span.end));
            return Err(vec![Diagnostic { span, ..found }]);
        }
    };
    if file.case.is_empty() {
        let found = Diagnostic::error("E0507", "this file holds no case");
        return Err(vec![found.help("add `[[case]]` with `name`, `events` and `alerts`")]);
    }
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    for raw in &file.case {
        let span = raw.name.span();
        match raw.build(&file.events) {
            Ok(case) => cases.push(case),
            Err(why) => {
                let found = Diagnostic::error("E0508", why).at(Span::new(span.start, span.end));
                wrong.push(found.label("in this case"));
            }
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(wrong) }
}

/// Returns the keys that nobody knows; none if the text is no TOML, which is told otherwise.
fn unknown_keys(text: &str) -> Vec<Diagnostic> {
    let Ok(document) = DeTable::parse(text) else { return Vec::new() };
    // What is no table is told by whoever reads the values.
    let mut aside = Reader::new("");
    let mut reader = Reader::new(text);
    let root = Table::root(&document);
    reader.refuse_unknown(&root, &["case", "events"]);
    for case in aside.tables(&root, "case") {
        reader.refuse_unknown(&case, CASE);
        for (list, known) in [("events", EVENT), ("alerts", ALERT)] {
            for item in aside.tables(&case, list) {
                reader.refuse_unknown(&item, known);
            }
        }
    }
    reader.found.sort_by_key(|found| found.span);
    reader.found
}

const CASE: &[&str] = &["alerts", "allowed_lateness", "emit", "events", "name", "order_tolerance"];
const EVENT: &[&str] = &["at", "document", "event", "with", "without"];
const ALERT: &[&str] = &["events", "final", "order_adjusted", "severity"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Events that cases name.
    #[serde(default)]
    events: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    case: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: toml::Spanned<String>,
    events: RawEvents,
    alerts: RawAlerts,
    emit: Option<String>,
    order_tolerance: Option<String>,
    allowed_lateness: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of events, or a text of one JSON document a line")]
enum RawEvents {
    Lines(String),
    List(Vec<RawEvent>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an event: its name, a JSON text, or a table")]
enum RawEvent {
    Text(String),
    Step(Step),
}

/// An event as a case changes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    event: Option<String>,
    document: Option<Map<String, Value>>,
    at: Option<String>,
    #[serde(default)]
    with: Map<String, Value>,
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected `none`, or a list of alerts such as `[{ final = 2 }]`")]
enum RawAlerts {
    Word(String),
    List(Vec<RawAlert>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the number of the final event, or a table with `final`")]
enum RawAlert {
    Final(usize),
    Full(Expected),
}

impl RawCase {
    fn build(&self, named: &BTreeMap<String, Map<String, Value>>) -> Result<Case, String> {
        let events = self.events(named)?;
        let alerts = self.alerts(events.len())?;
        let span = self.name.span();
        Ok(Case {
            name: self.name.get_ref().clone(),
            span: Span::new(span.start, span.end),
            emit: self.emit.as_deref().map(emit).transpose()?,
            order_tolerance: self.order_tolerance.as_deref().map(time_span).transpose()?,
            allowed_lateness: self.allowed_lateness.as_deref().map(time_span).transpose()?,
            events,
            alerts,
        })
    }

    fn events(&self, named: &BTreeMap<String, Map<String, Value>>) -> Result<Vec<String>, String> {
        let list = match &self.events {
            RawEvents::Lines(lines) => {
                let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
                return Ok(lines.map(str::to_owned).collect());
            }
            RawEvents::List(list) => list,
        };
        let event = |event: &RawEvent| match event {
            RawEvent::Text(json) if json.trim_start().starts_with('{') => Ok(json.clone()),
            RawEvent::Text(name) => Ok(Value::Object(of_name(named, name)?.clone()).to_string()),
            RawEvent::Step(step) => step.document(named),
        };
        list.iter().map(event).collect()
    }

    fn alerts(&self, events: usize) -> Result<Vec<Expected>, String> {
        let list = match &self.alerts {
            RawAlerts::Word(word) if word == "none" => return Ok(Vec::new()),
            RawAlerts::Word(word) => {
                return Err(format!("`{word}` is no list of alerts, nor `none`"));
            }
            RawAlerts::List(list) => list,
        };
        let expected = |alert: &RawAlert| match alert {
            RawAlert::Final(number) => Expected { final_event: *number, ..Expected::default() },
            RawAlert::Full(expected) => expected.clone(),
        };
        let expected: Vec<Expected> = list.iter().map(expected).collect();
        for alert in &expected {
            let mut numbers = alert.events.iter().flatten().chain([&alert.final_event]);
            if let Some(number) = numbers.find(|number| **number == 0 || **number > events) {
                return Err(format!("there is no event {number}: they are numbered 1 to {events}"));
            }
            if let Some(word) = alert.severity.as_ref().filter(|w| Severity::parse(w).is_none()) {
                return Err(format!("`{word}` is no severity"));
            }
        }
        Ok(expected)
    }
}

fn of_name<'f>(
    named: &'f BTreeMap<String, Map<String, Value>>,
    name: &str,
) -> Result<&'f Map<String, Value>, String> {
    named.get(name).ok_or_else(|| format!("there is no `[events.{name}]`"))
}

fn emit(word: &str) -> Result<Emit, String> {
    match word {
        "eager" => Ok(Emit::Eager),
        "exact" => Ok(Emit::Exact),
        _ => Err(format!("`{word}` is no way to emit: write `eager` or `exact`")),
    }
}

fn time_span(text: &str) -> Result<TimeSpan, String> {
    TimeSpan::parse(text)
        .ok_or_else(|| format!("`{text}` is no length of time: write `500ms`, `20s`, `5m` or `1h`"))
}

impl Step {
    fn document(&self, named: &BTreeMap<String, Map<String, Value>>) -> Result<String, String> {
        let mut document = match (&self.event, &self.document) {
            (Some(name), None) => of_name(named, name)?.clone(),
            (None, Some(document)) => document.clone(),
            _ => return Err("an event has either `event` or `document`".to_owned()),
        };
        if let Some(at) = &self.at {
            set_time(&mut document, EventTime::from_nanos(BEGINNING) + time_span(at)?);
        }
        for path in &self.without {
            if !remove(&mut document, path) {
                return Err(format!("the event has no `{path}` that could be left out"));
            }
        }
        for (path, value) in &self.with {
            set(&mut document, path, value.clone());
        }
        Ok(Value::Object(document).to_string())
    }
}

/// `at = "0s"`: the first of January 2024, midnight, UTC.
const BEGINNING: i64 = 1_704_067_200 * 1_000_000_000;
/// Where Sysmon says when something happened.
const UTC_TIME: &str = "winlog.event_data.UtcTime";

fn set_time(document: &mut Map<String, Value>, at: EventTime) {
    let text = at.to_string();
    if remove(document, UTC_TIME) {
        set(document, UTC_TIME, text.replace('T', " ").trim_end_matches('Z').into());
    }
    set(document, "@timestamp", text.into());
}

/// Sets a dotted path, however it is spelt so far.
fn set(document: &mut Map<String, Value>, path: &str, value: Value) {
    remove(document, path);
    let mut here = document;
    let mut rest = path;
    while let Some((head, tail)) = rest.split_once('.') {
        if !matches!(here.get(head), None | Some(Value::Object(_))) {
            break;
        }
        let inner = here.entry(head).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else { return };
        (here, rest) = (inner, tail);
    }
    here.insert(rest.to_owned(), value);
}

/// Removes a dotted path, nested or not; tells whether it was there.
fn remove(document: &mut Map<String, Value>, path: &str) -> bool {
    let mut removed = document.remove(path).is_some();
    for (dot, _) in path.match_indices('.') {
        if let Some(Value::Object(inner)) = document.get_mut(&path[..dot]) {
            removed |= remove(inner, &path[dot + 1..]);
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(contents: &str) -> Result<Vec<Case>, Vec<String>> {
        let text = Text::new("a.cases.toml", contents);
        let lines = |found: Vec<Diagnostic>| {
            found.into_iter().map(|found| format!("{} {}", found.code, found.message)).collect()
        };
        parse(&text).map_err(lines)
    }

    #[test]
    fn events_are_named_changed_and_written_out() {
        let cases = parsed(
            r#"
[events.a]
"event.category" = "process"
winlog = { event_data = { UtcTime = "x" } }

[[case]]
name = "one"
emit = "exact"
alerts = [2, { final = 1, severity = "high" }]
events = [
  "a",
  { event = "a", at = "1500ms", with = { "event.type" = ["x"] }, without = ["event.category"] },
  '{"b": 1}',
  { document = { c = 1 } },
]

[[case]]
name = "two"
alerts = "none"
events = '''
{}

{"d":1}
'''
"#,
        )
        .unwrap();
        assert_eq!(
            cases[0].events,
            [
                r#"{"event.category":"process","winlog":{"event_data":{"UtcTime":"x"}}}"#,
                r#"{"@timestamp":"2024-01-01T00:00:01.500Z","event":{"type":["x"]},"winlog":{"event_data":{"UtcTime":"2024-01-01 00:00:01.500"}}}"#,
                r#"{"b": 1}"#,
                r#"{"c":1}"#,
            ]
        );
        assert_eq!(cases[0].alerts.len(), 2);
        assert_eq!((cases[0].emit, cases[1].emit), (Some(Emit::Exact), None));
        assert_eq!(cases[1].events, ["{}", r#"{"d":1}"#]);
        assert!(cases[1].alerts.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let case = |rest: &str| parsed(&format!("[[case]]\nname = 'x'\n{rest}")).unwrap_err();
        for (rest, expected) in [
            ("events = ['a']\nalerts = 'none'", "E0508 there is no `[events.a]`"),
            ("events = ['{}']\nalerts = [2]", "E0508 there is no event 2"),
            ("events = ['{}']\nalerts = 'nothing'", "E0508 `nothing`"),
            ("events = [{ at = '1s' }]\nalerts = 'none'", "E0508 an event has either"),
            ("events = [{ document = {}, at = 'soon' }]\nalerts = 'none'", "E0508 `soon`"),
            (
                "events = [{ document = {}, without = ['a.b'] }]\nalerts = 'none'",
                "E0508 the event has no `a.b`",
            ),
            ("events = 3\nalerts = 'none'", "E0507 this is no file of cases: expected a list"),
            ("events = []\nalert = 'none'", "E0506 unknown key `alert` in `[case]`"),
            ("events = ['{}']\nalerts = [{ finale = 1 }]", "E0506 unknown key `finale`"),
            ("events = [{ documnet = {} }]\nalerts = 'none'", "E0506 unknown key `documnet`"),
            (
                "events = []\nalerts = 'none'\norder_tolerance = '5'",
                "E0508 `5` is no length of time: write `500ms`",
            ),
            ("events = []\nalerts = 'none'\n[evnets.a]", "E0506 unknown key `evnets` in the file"),
        ] {
            let found = case(rest);
            assert!(found[0].starts_with(expected), "{rest}: {found:?}");
        }
        assert_eq!(parsed("").unwrap_err(), ["E0507 this file holds no case"]);
    }
}
