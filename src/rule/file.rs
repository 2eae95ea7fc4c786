//! Rule files: Elastic's detection-rules TOML, with `[rule.maxspan]` for what is ours.
//!
//! Never opens a file and never compiles a query. Codes: E0501 no TOML, E0502 no rule, E0503
//! missing key, E0504 wrong type, E0505 senseless value, E0506 unknown key, W0501 something that the file asks for and this engine does not do, N0501 worth knowing.

use std::sync::Arc;

use toml::de::DeTable;

use super::caveat;
use super::mapping::{Mappings, SeverityMapping};
use super::read::{At, Reader, Table, quoted, span};
use super::suppress;
use super::{Emit, Metadata, RuleFile, Settings, Severity, SeverityWhen, Threat, ThreatEntry};
use crate::diag::{Diagnostic, encoding};
use crate::text::edit_distance::{distance, nearest};
use crate::text::{Span, Text};

/// What became of a file.
#[derive(Debug)]
pub enum Parsed {
    /// It holds an EQL rule; none of the diagnostics is an error.
    Rule(Box<RuleFile>, Vec<Diagnostic>),
    /// It holds a rule of another kind.
    Skipped {
        /// Its `rule_id`, if it names one.
        rule_id: Option<String>,
        /// Its `language`, or its `type` where that decides: `esql`, `kuery`, `threshold`, …
        kind: String,
    },
    /// It cannot be read as a rule: at least one of the diagnostics is an error.
    Refused {
        /// Its `rule_id`, if that could be read.
        rule_id: Option<String>,
        /// Everything that was found, in the order of the file.
        diagnostics: Vec<Diagnostic>,
    },
}

/// Reads a rule file. The spans of all diagnostics are offsets in `text`.
pub fn parse(text: Arc<Text>) -> Parsed {
    if let Some(fault) = encoding::fault(&text) {
        return Parsed::Refused { rule_id: None, diagnostics: vec![fault] };
    }
    let (document, errors) = DeTable::parse_recoverable(&text.contents);
    if !errors.is_empty() {
        return Parsed::Refused {
            rule_id: None,
            diagnostics: syntax_errors(&text.contents, &errors),
        };
    }
    let mut reader = Reader::new(&text.contents);
    let root = Table::root(&document);
    let Some(rule) = reader.table(&root, "rule") else {
        return Parsed::Refused { rule_id: None, diagnostics: no_rule(reader, &root) };
    };
    let rule_id = Reader::new("").string(&rule, "rule_id").map(|id| id.value.to_owned());
    if let Some(kind) = other_kind(&mut reader, &rule) {
        return Parsed::Skipped { rule_id, kind };
    }
    let contents = read_rule(&mut reader, &root, &rule);
    let diagnostics = in_file_order(reader.found);
    match contents {
        Some((metadata, settings, mappings, query))
            if !diagnostics.iter().any(Diagnostic::is_error) =>
        {
            let (query, origin) = (query.text, query.origin.unwrap_or_default());
            let file = RuleFile { text: text.clone(), metadata, settings, mappings, query, origin };
            Parsed::Rule(Box::new(file), diagnostics)
        }
        _ => Parsed::Refused { rule_id, diagnostics },
    }
}

/// Reads settings out of a configuration, such as `["rules", "defaults"]`; the same keys as in a
/// rule file's `[rule.maxspan]`. Spans are offsets in `text`.
///
/// A text that is no TOML, or has no such table, gives empty settings and no diagnostics: whoever
/// read the configuration has said so already.
pub fn settings_at(text: &str, path: &[&str]) -> (Settings, Vec<Diagnostic>) {
    let Ok(document) = DeTable::parse(text) else { return Default::default() };
    let mut reader = Reader::new(text);
    let mut table = Table::root(&document);
    for key in path {
        let Some(inner) = reader.table(&table, key) else { return Default::default() };
        table = inner;
    }
    let settings = read_settings(&mut reader, &table);
    (settings, in_file_order(reader.found))
}

/// Returns where a key of a rule file's `[rule.maxspan]` stands, if it is there.
pub(super) fn setting_span(text: &Text, key: &str) -> Option<Span> {
    let document = DeTable::parse(&text.contents).ok()?;
    let mut reader = Reader::new(&text.contents);
    let rule = reader.table(&Table::root(&document), "rule")?;
    reader.table(&rule, "maxspan")?.key_span(key)
}

fn in_file_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(|diagnostic| diagnostic.span);
    // Some keys are read twice.
    found.dedup();
    found
}

fn syntax_errors(text: &str, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    for error in errors {
        let message = error.message();
        let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        let mut diagnostic = Diagnostic::error("E0501", format!("this is not TOML: {what}"));
        let at = error.span().unwrap_or_default().start.min(text.len());
        diagnostic = diagnostic.at(error.span().map(span).unwrap_or_default());
        diagnostic = match what {
            BAD_ESCAPE => {
                let len =
                    text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                let help = "write the text between `'''` and `'''`: there a backslash stands for \
                            itself";
                diagnostic.at(Span::new(at.saturating_sub(1), at + len)).help(help)
            }
            // Nothing closed the text up to the end of the file: its quotes are the last ones.
            _ if what.contains("multi-line") && at == text.len() => {
                let opening = text.rfind("'''").max(text.rfind("\"\"\"")).unwrap_or(at);
                let help = "close the text with the three quotes that opened it";
                diagnostic.at(Span::new(opening, (opening + 3).min(at))).help(help)
            }
            "duplicate key" => diagnostic.help("remove one of the two"),
            "string values must be quoted" => diagnostic.help("put the value in quotes"),
            _ if expected.is_empty() => diagnostic,
            _ => diagnostic.help(format!("expected {expected}")),
        };
        found.push(diagnostic);
    }
    in_file_order(found)
}

/// What the TOML parser says of a backslash that starts no escape.
const BAD_ESCAPE: &str = "missing escaped value";

fn no_rule(mut reader: Reader<'_>, root: &Table<'_>) -> Vec<Diagnostic> {
    if reader.found.is_empty() {
        let keys: Vec<&str> = root.keys().map(|key| key.value).collect();
        let found = Diagnostic::error("E0502", "this file holds no rule: it has no table `[rule]`");
        let found = match root.keys().min_by_key(|key| key.span) {
            Some(first) => found.at(first.span),
            None => found,
        };
        let is_flat = keys.contains(&"rule_id") || keys.contains(&"query");
        let help = if is_flat { "put `[rule]` before the first key" } else { "add `[rule]`" };
        reader.found.push(found.help(help));
    }
    reader.found
}

/// Returns what kind of rule it is, if not EQL.
fn other_kind(reader: &mut Reader<'_>, rule: &Table<'_>) -> Option<String> {
    let language = reader.string(rule, "language");
    let kind = reader.string(rule, "type");
    match (language, kind) {
        (Some(language), _) if language.value == "eql" => {
            kind.filter(|kind| kind.value != "eql").map(|kind| kind.value.to_owned())
        }
        (Some(language), _) => {
            let is_other = OTHER_LANGUAGES.contains(&language.value);
            if !is_other && distance(&language.value.to_lowercase(), "eql") <= 1 {
                let message = format!("unknown language `{}`", language.value);
                reader.invalid(language.span, message, "did you mean `language = \"eql\"`?");
                return None;
            }
            Some(language.value.to_owned())
        }
        (None, Some(kind)) => (kind.value != "eql").then(|| kind.value.to_owned()),
        (None, None) => {
            let _ = reader.required(rule, "language", "language = \"eql\"", Reader::string);
            None
        }
    }
}

/// Languages whose names are close enough to `eql` to be taken for a slip.
const OTHER_LANGUAGES: &[&str] = &["esql"];

fn read_rule(
    reader: &mut Reader<'_>,
    root: &Table<'_>,
    rule: &Table<'_>,
) -> Option<(Metadata, Settings, Mappings, super::Condition)> {
    let metadata = read_metadata(reader, rule);
    let query = reader.required(rule, "query", "query = '''…'''", Reader::text);
    let maxspan = reader.table(rule, "maxspan");
    let mut settings = maxspan.map(|table| read_settings(reader, &table)).unwrap_or_default();
    let elastics = suppress::read_elastic(reader, rule);
    settings.suppression = settings.suppression.over(&elastics);
    let mappings = read_mappings(reader, rule);
    caveat::of_file(reader, rule);
    name_what_is_ignored(reader, rule);
    name_near_misses(reader, root, rule);
    name_deprecation(reader, root);
    Some((metadata?, settings, mappings, query?.value))
}

fn read_mappings(reader: &mut Reader<'_>, rule: &Table<'_>) -> Mappings {
    let severity = reader.tables(rule, "severity_mapping");
    let severity = severity.iter().filter_map(|entry| {
        let field = reader.required(entry, "field", "field = \"event.severity\"", not_blank);
        let severity = reader.required(entry, "severity", "severity = \"high\"", read_severity);
        let value = reader.string_or_number(entry, "value").unwrap_or_default();
        Some(SeverityMapping { field: field?, value, severity: severity? })
    });
    let severity = severity.collect();
    let scores = reader.tables(rule, "risk_score_mapping");
    // Elastic's engine looks at the first only.
    let score = scores.first().and_then(|entry| {
        reader.required(entry, "field", "field = \"event.risk_score\"", not_blank)
    });
    let name = optional(reader, rule, "rule_name_override").filter(|name| !name.is_empty());
    Mappings { severity, risk_score: score, name }
}

fn read_metadata(reader: &mut Reader<'_>, rule: &Table<'_>) -> Option<Metadata> {
    let id = reader.required(rule, "rule_id", "rule_id = \"<a UUID>\"", not_blank);
    let name = reader.required(rule, "name", "name = \"…\"", not_blank);
    let severity = reader.required(rule, "severity", "severity = \"medium\"", read_severity);
    let risk_score = reader.required(rule, "risk_score", "risk_score = 47", read_risk_score);
    let description = reader.string(rule, "description");
    let metadata = Metadata {
        id: String::new(),
        name: String::new(),
        description: description.map(|text| text.value.trim().to_owned()).unwrap_or_default(),
        version: reader.string_or_number(rule, "version"),
        severity: Severity::Low,
        risk_score: 0,
        author: owned(reader.strings(rule, "author")),
        license: optional(reader, rule, "license"),
        references: owned(reader.strings(rule, "references")),
        false_positives: owned(reader.strings(rule, "false_positives")),
        note: optional(reader, rule, "note"),
        tags: owned(reader.strings(rule, "tags")),
        threat: read_threats(reader, rule),
        index: owned(reader.strings(rule, "index")),
        event_category_override: optional(reader, rule, "event_category_override"),
        timestamp_override: optional(reader, rule, "timestamp_override"),
        tiebreaker_field: optional(reader, rule, "tiebreaker_field"),
    };
    Some(Metadata {
        id: id?,
        name: name?,
        severity: severity?,
        risk_score: risk_score?,
        ..metadata
    })
}

fn owned(strings: Vec<At<&str>>) -> Vec<String> {
    strings.into_iter().map(|string| string.value.to_owned()).collect()
}

fn optional(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<String> {
    reader.string(table, key).map(|string| string.value.to_owned())
}

fn not_blank(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<String> {
    let string = reader.string(table, key)?;
    if string.value.trim().is_empty() {
        reader.invalid(string.span, format!("`{key}` is empty"), "every rule needs one");
        return None;
    }
    Some(string.value.to_owned())
}

fn read_severity(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<Severity> {
    one_of(reader, table, key, &["low", "medium", "high", "critical"], Severity::parse)
}

fn read_emit(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Emit> {
    one_of(reader, table, "emit", &["eager", "exact"], |word| match word {
        "eager" => Some(Emit::Eager),
        "exact" => Some(Emit::Exact),
        _ => None,
    })
}

pub(super) fn one_of<T>(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    key: &str,
    words: &[&str],
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let word = reader.string(table, key)?;
    let value = parse(word.value);
    if value.is_none() {
        let help = match nearest(word.value, words.iter().copied()) {
            Some(near) => format!("did you mean `{key} = \"{near}\"`?"),
            None => format!("one of {}", quoted(words)),
        };
        reader.invalid(word.span, format!("`{}` is no value of `{key}`", word.value), help);
    }
    value
}

fn read_risk_score(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Option<u8> {
    let number = reader.integer(table, key)?;
    let score = u8::try_from(number.value).ok().filter(|score| *score <= 100);
    if score.is_none() {
        let message = format!("`{}` is no risk score", number.value);
        reader.invalid(number.span, message, "a risk score is a whole number from 0 to 100");
    }
    score
}

fn read_settings(reader: &mut Reader<'_>, table: &Table<'_>) -> Settings {
    reader.refuse_unknown(table, SETTINGS);
    let suppression = reader.table(table, "suppression");
    let severity_when = reader.tables(table, "severity_when");
    Settings {
        enabled: reader.boolean(table, "enabled"),
        emit: read_emit(reader, table),
        order_tolerance: reader.time_span(table, "order_tolerance"),
        allowed_lateness: reader.time_span(table, "allowed_lateness"),
        hold: reader.time_span(table, "hold"),
        severity_when: severity_when
            .iter()
            .filter_map(|entry| read_severity_when(reader, entry))
            .collect(),
        exceptions: reader.texts(table, "exceptions"),
        suppression: suppression.map(|table| suppress::read(reader, &table)).unwrap_or_default(),
    }
}

/// Keys of `[rule.maxspan]`.
const SETTINGS: &[&str] = &[
    "allowed_lateness",
    "emit",
    "enabled",
    "exceptions",
    "hold",
    "order_tolerance",
    "severity_when",
    "suppression",
];

fn read_severity_when(reader: &mut Reader<'_>, entry: &Table<'_>) -> Option<SeverityWhen> {
    reader.refuse_unknown(entry, &["condition", "severity"]);
    let severity = reader.required(entry, "severity", "severity = \"high\"", read_severity);
    let example = "condition = '''process.name : \"cmd.exe\"'''";
    let condition = reader.required(entry, "condition", example, Reader::text);
    Some(SeverityWhen { severity: severity?, condition: condition?.value })
}

fn read_threats(reader: &mut Reader<'_>, rule: &Table<'_>) -> Vec<Threat> {
    let threats = reader.tables(rule, "threat");
    threats.iter().filter_map(|threat| read_threat(reader, threat)).collect()
}

fn read_threat(reader: &mut Reader<'_>, threat: &Table<'_>) -> Option<Threat> {
    let framework = optional(reader, threat, "framework");
    let tactic = reader.required(
        threat,
        "tactic",
        "tactic = { id = \"TA0008\", name = \"Lateral Movement\" }",
        Reader::table,
    );
    Some(Threat {
        framework: framework.unwrap_or_else(|| "MITRE ATT&CK".to_owned()),
        technique: read_entries(reader, threat, "technique"),
        tactic: read_entry(reader, &tactic?)?,
    })
}

fn read_entries(reader: &mut Reader<'_>, table: &Table<'_>, key: &str) -> Vec<ThreatEntry> {
    let entries = reader.tables(table, key);
    entries.iter().filter_map(|entry| read_entry(reader, entry)).collect()
}

fn read_entry(reader: &mut Reader<'_>, entry: &Table<'_>) -> Option<ThreatEntry> {
    let id = reader.required(entry, "id", "id = \"T1047\"", Reader::string);
    let name = reader.required(entry, "name", "name = \"…\"", Reader::string);
    let reference = optional(reader, entry, "reference").unwrap_or_default();
    Some(ThreatEntry {
        subtechnique: read_entries(reader, entry, "subtechnique"),
        id: id?.value.to_owned(),
        name: name?.value.to_owned(),
        reference,
    })
}

/// Names what Elastic would do with the file and this engine does not.
fn name_what_is_ignored(reader: &mut Reader<'_>, rule: &Table<'_>) {
    for (key, effect) in IGNORED {
        let Some(span) = rule.key_span(key) else { continue };
        let message = format!("`{key}` has no effect here: {effect}");
        reader.found.push(Diagnostic::warning("W0501", message).at(span));
    }
}

/// Keys of Elastic's that change which alerts there are, and that are not followed.
const IGNORED: &[(&str, &str)] = &[
    ("exceptions_list", "put conditions into `exceptions` of `[rule.maxspan]`"),
    ("filters", "the query alone decides; add the filters to it"),
];

/// Names keys that nobody knows and that are nearly one that counts: what they say would be lost.
fn name_near_misses(reader: &mut Reader<'_>, root: &Table<'_>, rule: &Table<'_>) {
    let in_rule = rule.keys().filter(|key| !COUNTS.contains(&key.value)).filter_map(|key| {
        let known = nearest(key.value, COUNTS.iter().copied())?;
        (distance(&key.value.to_lowercase(), known) <= MOST_SLIPS).then_some((key, known))
    });
    let in_root =
        root.keys().filter(|key| OF_RULE.contains(&key.value)).map(|key| (key, key.value));
    let is_table = |known: &str| OF_RULE.contains(&known);
    let meant = in_rule.chain(in_root).map(|(key, known)| match is_table(known) {
        true => (key, format!("did you mean `[rule.{known}]`?")),
        false => (key, format!("did you mean `{known}`?")),
    });
    let ours = rule.keys().filter(|key| SETTINGS.contains(&key.value) && key.value != "enabled");
    let ours = ours.map(|key| (key, "move it below `[rule.maxspan]`".to_owned()));
    for (key, help) in meant.chain(ours) {
        let message = format!("the key `{}` is not read", key.value);
        let found = Diagnostic::warning("W0502", message).at(key.span);
        reader.found.push(found.label("unknown here").help(help));
    }
}

/// Most slips in the name of a key.
const MOST_SLIPS: usize = 2;
/// Tables of `[rule]` that change which alerts there are.
const OF_RULE: &[&str] = &["alert_suppression", "maxspan"];
/// Keys of `[rule]` that change which alerts there are or what they say, and that a rule runs without.
const COUNTS: &[&str] = &[
    "alert_suppression",
    "event_category_override",
    "maxspan",
    "risk_score_mapping",
    "rule_name_override",
    "severity_mapping",
    "tiebreaker_field",
    "timestamp_override",
];

fn name_deprecation(reader: &mut Reader<'_>, root: &Table<'_>) {
    let mut aside = Reader::new("");
    let Some(metadata) = aside.table(root, "metadata") else { return };
    if let Some(maturity) = aside.string(&metadata, "maturity").filter(|m| m.value == "deprecated")
    {
        let note = Diagnostic::note("N0501", "this rule is deprecated by its author");
        reader.found.push(note.at(maturity.span));
    }
}
