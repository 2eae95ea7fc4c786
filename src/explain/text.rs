//! An explanation as text for people.
//!
//! Never adds anything to what the report says.

use super::report::{
    Change, Elsewhere, EventRef, Explanation, HitReport, Input, Key, KeyCounts, KeyReport,
    MatchReport, Miss, NearMiss, Note, Outcome, Reason, RuleReport, StageReport, Values,
};
use crate::event::TimeSpan;

/// What a rule says about time, for sentences about a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) maxspan: TimeSpan,
    pub(super) order_tolerance: TimeSpan,
    /// Whether the rule is about single events.
    pub(super) kind_is_event: bool,
    /// Whether lines need no file's name.
    pub(super) has_one_file: bool,
}

impl Times {
    fn at(&self, event: &EventRef) -> String {
        at(event, self.has_one_file)
    }
}

/// Returns where an event stands.
fn at(event: &EventRef, has_one_file: bool) -> String {
    let name = event.file.rsplit(['/', '\\']).next().unwrap_or(&event.file);
    if has_one_file { format!("line {}", event.line) } else { format!("{name}:{}", event.line) }
}

/// Returns an explanation as lines.
pub fn lines(explanation: &Explanation) -> Vec<String> {
    let mut lines = input(&explanation.input);
    for report in &explanation.rules {
        lines.push(String::new());
        lines.extend(rule(report));
        for key in &report.by_key {
            lines.push(String::new());
            lines.extend(self::key(report, key, explanation.input.files.len() < 2));
        }
    }
    lines.iter().map(|line| tame(line)).collect()
}

fn input(input: &Input) -> Vec<String> {
    let mut first = format!("{} records of {}", input.records, input.files.join(", "));
    if !input.unreadable.is_empty() {
        let total: u64 = input.unreadable.values().sum();
        let reasons: Vec<&str> = input.unreadable.keys().map(String::as_str).collect();
        let (reasons, at) = (reasons.join(", "), input.unreadable_at.join(", "));
        first.push_str(&format!("; {total} unreadable ({reasons}): {at}"));
    }
    for (count, what) in [
        (input.no_event_time, "without a time, which no rule sees"),
        (input.no_host, "without a host"),
    ] {
        if count > 0 {
            first.push_str(&format!("; {count} {what}"));
        }
    }
    let mut lines = vec![first, format!("categories: {}", values(&input.categories))];
    for (limit, count) in &input.limits {
        lines.push(match &**limit {
            "undecided" => format!("conditions too costly to decide: {count}"),
            "max_key_expansion" => format!("join keys refused because of `{limit}`: {count}"),
            _ => format!("held hits driven out by `{limit}`: {count}"),
        });
    }
    lines
}

fn rule(report: &RuleReport) -> Vec<String> {
    let name = format!("{} (rule {}, version {})", report.name, report.rule_id, report.version);
    let mut lines = vec![name];
    let all = report.covered + report.not_covered;
    if report.not_covered > 0 {
        let indices = values(&report.not_covered_indices);
        lines.push(format!(
            "  its index patterns cover {} of {all} records, not {indices}",
            report.covered
        ));
    }
    report.stages.iter().for_each(|part| lines.extend(stage(report, part)));
    if !report.fields_without_value.is_empty() {
        lines.push(format!("  no record has {}", report.fields_without_value.join(", ")));
    }
    if report.kind == "event" {
        lines.push(format!("  {}", fired(report)));
    } else {
        lines.extend(keys(report).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

fn stage(report: &RuleReport, stage: &StageReport) -> Vec<String> {
    let name = stage_name(&stage.stage);
    let name = if report.kind == "event" { "condition".to_owned() } else { name };
    let mut line = format!("  {name}: {} of {}", hits(stage.hits), events(stage));
    if stage.keys > 0 && !report.key_fields.is_empty() {
        line.push_str(&format!(", on {}", counted(stage.keys, "key")));
    }
    if stage.excepted > 0 {
        line.push_str(&format!("; {} left out by exceptions", stage.excepted));
    }
    if stage.without_key > 0 {
        let missing = values(&stage.key_fields_missing);
        line.push_str(&format!("; {} without a join key: no {missing}", stage.without_key));
    }
    if stage.not_covered > 0 {
        line.push_str(&format!("; {} more in records that are not covered", stage.not_covered));
    }
    let mut lines = vec![line];
    if stage.hits == 0 && stage.events > 0 {
        lines.push("        held  only it failed  condition".to_owned());
        for part in &stage.conditions {
            lines.push(format!("    {:>8}  {:>14}  {}", part.held, part.alone, part.condition));
            if part.held < stage.events {
                lines.push(format!("{:30}not for {}", "", values(&part.not_held_for)));
            }
        }
    }
    lines
}

fn keys(report: &RuleReport) -> Vec<String> {
    let KeyCounts { seen, more, fired: with_alert, suppressed, reached, not_kept } = &report.keys;
    let of = reached.len().saturating_sub(1);
    let mut parts = vec![format!("{with_alert} fired")];
    if *suppressed > 0 {
        parts.push(format!("{suppressed} suppressed"));
    }
    for (stages, count) in reached.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
        let what = if report.kind == "sample" { "have" } else { "reached" };
        parts.push(format!("{count} {what} {stages} of {of} stages"));
    }
    let more = if *more { "more than " } else { "" };
    let mut lines = vec![fired(report)];
    if !report.key_fields.is_empty() {
        let fields = report.key_fields.join(", ");
        lines.push(format!("keys by {fields}: {more}{seen}: {}", parts.join(", ")));
    }
    if *not_kept > 0 {
        lines.push(format!("too many keys: nothing was kept of {not_kept}; choose with --key"));
    }
    lines.extend(report.notes.iter().map(|found| note(report, found)));
    let shown = report.by_key.len() as u64;
    if shown < *seen && !report.key_fields.is_empty() {
        lines.push(format!("shown: {shown} of {seen} keys"));
    }
    lines
}

fn fired(report: &RuleReport) -> String {
    let alerts =
        if report.alerts == 0 { "no alert".to_owned() } else { counted(report.alerts, "alert") };
    let suppressed = match report.suppressed {
        0 => String::new(),
        count => format!(", {count} more suppressed"),
    };
    format!("{alerts}{suppressed}")
}

fn note(report: &RuleReport, note: &Note) -> String {
    match note {
        Note::NoCommonKey => {
            let positive =
                report.stages.iter().filter(|s| s.stage.starts_with(|c: char| c.is_ascii_digit()));
            let stage = |s: &StageReport| {
                let more = if s.keys > s.example_keys.len() as u64 { ", …" } else { "" };
                let keys: Vec<String> = s.example_keys.iter().map(key_text).collect();
                format!("{} has {}{more}", stage_name(&s.stage), keys.join(" | "))
            };
            let stages: Vec<String> = positive.map(stage).collect();
            format!("no key has hits of all stages: {}", stages.join("; "))
        }
        Note::AlikeKeys { keys } => {
            let keys: Vec<String> = keys.iter().map(key_text).collect();
            format!("different keys, though they look alike: {}", keys.join(" | "))
        }
        Note::SplitKey { key, files } => format!(
            "{} is in several files, each a partition of its own ({}): --merge reads them as one",
            key_text(key),
            files.join(", ")
        ),
        Note::AbsencesAtBothEnds { meaning } => meaning.clone(),
    }
}

fn key(report: &RuleReport, key: &KeyReport, has_one_file: bool) -> Vec<String> {
    let file = key.file.as_deref().map_or_else(String::new, |file| format!(" in {file}"));
    let outcome = match key.outcome {
        Outcome::Fired => format!("fired, {}", counted(key.match_count, "match")),
        Outcome::Suppressed => "suppressed".to_owned(),
        Outcome::NotFired => "did not fire".to_owned(),
    };
    let name = match (report.kind, report.key_fields.is_empty()) {
        ("event", _) => "events".to_owned(),
        (_, true) => "all events".to_owned(),
        (_, false) => {
            let part = |(index, part): (usize, &Option<String>)| {
                let field = report.key_fields.get(index).map_or("key", String::as_str);
                format!("{field} = {}", part.as_deref().unwrap_or("null"))
            };
            key.key.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
        }
    };
    let mut lines = vec![format!("{name}{file}: {outcome}")];
    lines.extend(key.text.iter().map(|line| format!("  {line}")));
    let stage_width = key.timeline.iter().map(|hit| hit_stage(hit).chars().count()).max();
    for hit in &key.timeline {
        if hit.left_out_before > 0 {
            lines.push(format!("    … {} more", hit.left_out_before));
        }
        lines.push(format!("    {}", timeline(hit, stage_width.unwrap_or(0), has_one_file)));
    }
    let after = key.left_out - key.timeline.iter().map(|h| h.left_out_before).sum::<u64>();
    if after > 0 {
        lines.push(format!("    … {after} more"));
    }
    lines
}

fn hit_stage(hit: &HitReport) -> String {
    stage_name(&hit.event.stage)
}

fn timeline(hit: &HitReport, stage_width: usize, has_one_file: bool) -> String {
    let (event_time, at) = (&hit.event.event_time, at(&hit.event, has_one_file));
    let mut line = format!("{event_time}  {:<stage_width$}  {at}", hit_stage(hit));
    if let Some(why) = &hit.not_counted {
        line.push_str(&format!("  ({why})"));
    }
    if hit.behind_ms > 0 {
        line.push_str(&format!("  ({} behind)", span(hit.behind_ms)));
    }
    for (name, value) in &hit.fields {
        line.push_str(&format!("  {name}={value}"));
    }
    line
}

/// Returns the outcome of a key as sentences.
pub(super) fn verdict(report: &KeyReport, times: &Times) -> Vec<String> {
    let mut lines = Vec::new();
    for found in &report.matches {
        lines.push(match_text(found, times));
    }
    let more = report.match_count - report.matches.len() as u64;
    if more > 0 {
        lines.push(format!("… {more} more"));
    }
    let is_short = report.outcome == Outcome::NotFired && report.reached < report.of;
    if is_short && !times.kind_is_event {
        lines.push(format!("reached {} of {} stages", report.reached, report.of));
    }
    for miss in &report.misses {
        lines.extend(miss_text(miss, report, times));
    }
    lines
}

fn match_text(found: &MatchReport, times: &Times) -> String {
    let what = if found.suppressed { "suppressed" } else { "alert" };
    let at: Vec<String> = found.events.iter().map(|event| times.at(event)).collect();
    let mut line = format!("{what} {} by {}", found.severity, at.join(", "));
    if !times.kind_is_event {
        line.push_str(&format!(", within {}", span(found.span_ms)));
    }
    if found.order_adjusted {
        let tolerance = times.order_tolerance;
        line.push_str(&format!(", through the order tolerance of {tolerance}"));
    }
    if found.late {
        line.push_str(", with a late event");
    }
    if let Some(end) = found.rests_on {
        line.push_str(&format!(", {}", end.describe()));
    }
    line
}

fn miss_text(miss: &Miss, report: &KeyReport, times: &Times) -> Vec<String> {
    let of = miss.event.as_ref();
    let mut lines: Vec<String> =
        miss.reasons.iter().flat_map(|reason| reason_text(reason, of, times)).collect();
    if let Some(event) = of {
        let verb = if report.outcome == Outcome::NotFired { "" } else { " gave no match" };
        let reasons = lines.join("; and ");
        let name = stage_name(&event.stage);
        lines = vec![format!("{name} at {}{verb}: {reasons}", times.at(event))];
    }
    for change in &miss.would_match_with {
        lines.push(format!("  would match with {}", change_text(change)));
    }
    lines
}

fn reason_text(reason: &Reason, of: Option<&EventRef>, times: &Times) -> Vec<String> {
    let name = |event: &EventRef| match of.is_some_and(|of| of.place() == event.place()) {
        true => "it".to_owned(),
        false => times.at(event),
    };
    let line = match reason {
        Reason::NoHit { stage, without_key, near_misses, elsewhere } => {
            let mut line = format!("no hit of {} on this key", stage_name(stage));
            if *without_key > 0 {
                line.push_str(&format!("; {without_key} without a join key"));
            }
            let mut lines = vec![line];
            lines.extend(near_misses.iter().map(|miss| near_miss_text(miss, times)));
            lines.extend(elsewhere.iter().map(|hit| elsewhere_text(hit, times)));
            return lines;
        }
        Reason::TooFew { stage, needed, hits } => {
            format!("{} need {needed} events, and there are {hits}", stage_name(stage))
        }
        Reason::TooFewEvents { needed, events } => {
            format!("each of {needed} stages needs an event of its own, and {events} can have one")
        }
        Reason::OverMaxspan { span_ms, over_ms, first, last } => format!(
            "{} from {} to {}, {} over maxspan = {}",
            span(*span_ms),
            times.at(first),
            times.at(last),
            span(*over_ms),
            times.maxspan
        ),
        Reason::OutOfOrder { early_ms: 0, event, follows } => format!(
            "{} is of the same time as {} at {}, and before it in order",
            name(event),
            stage_name(&follows.stage),
            times.at(follows),
        ),
        Reason::OutOfOrder { early_ms, event, follows } => {
            let tolerance = match times.order_tolerance.nanos() {
                0 => "there is no order tolerance".to_owned(),
                _ => format!("the order tolerance is {}", times.order_tolerance),
            };
            format!(
                "{} came {} before {} at {}; {tolerance}",
                name(event),
                span(*early_ms),
                stage_name(&follows.stage),
                times.at(follows)
            )
        }
        Reason::Until { event } => {
            format!("the `until` event at {} ended what was pending", name(event))
        }
        Reason::Forbidden { event } => {
            format!("{} of the {} forbids it", name(event), stage_name(&event.stage))
        }
        Reason::Exception { event, number, condition } => {
            format!("{} is left out by exception {number}: {condition}", name(event))
        }
        Reason::NotCovered { event } => {
            format!("{} is not covered by the rule's index patterns", name(event))
        }
        Reason::Taken { by } => {
            format!("{} had taken what it could have completed", times.at(by))
        }
        Reason::SameEvent { event } => {
            format!("{} alone satisfies both stages, and cannot follow itself", name(event))
        }
        Reason::LetGo { event, before, apart_ms, held_ms } => format!(
            "a match by event time, but {} had been let go when {} came {} later; events are held \
             for {}",
            name(event),
            name(before),
            span(*apart_ms),
            span(*held_ms)
        ),
        Reason::TooLate { event, behind_ms } => format!(
            "a match by event time, but {} came {} late, and what must be absent may have been let go",
            name(event),
            span(*behind_ms)
        ),
        Reason::Limit => "a match by event time, but a limit was reached".to_owned(),
        Reason::NoFit => "the hits of its stages do not fit together".to_owned(),
    };
    vec![line]
}

fn near_miss_text(miss: &NearMiss, times: &Times) -> String {
    format!("  near miss at {}, but for `{}`: {}", times.at(&miss.event), miss.condition, miss.has)
}

fn elsewhere_text(elsewhere: &Elsewhere, times: &Times) -> String {
    let Elsewhere { key, event, apart_ms } = elsewhere;
    format!(
        "  there is one {} apart on another key, {}: {}",
        span(*apart_ms),
        key_text(key),
        times.at(event)
    )
}

fn change_text(change: &Change) -> String {
    let mut parts = Vec::new();
    let spans = [("maxspan", change.maxspan_ms), ("order_tolerance", change.order_tolerance_ms)];
    for (name, ms) in spans {
        parts.extend(ms.map(|ms| format!("{name} = {}", TimeSpan::from_millis(ms))));
    }
    for left_away in &change.without {
        parts.push(match *left_away {
            "until" => "no `until`".to_owned(),
            "absent" => "no absent stage".to_owned(),
            "index" => "an index pattern for it".to_owned(),
            _ => "no such exception".to_owned(),
        });
    }
    parts.join(" and ")
}

fn stage_name(label: &str) -> String {
    match label {
        "" => "event".to_owned(),
        "until" => "`until`".to_owned(),
        label if label.starts_with("absent") => format!("{label} stage"),
        label if label.contains(['-', ',']) => format!("stages {label}"),
        label => format!("stage {label}"),
    }
}

fn key_text(key: &Key) -> String {
    let parts: Vec<&str> = key.iter().map(|part| part.as_deref().unwrap_or("null")).collect();
    parts.join(", ")
}

fn values(values: &Values) -> String {
    let value = |v: &super::report::ValueCount| format!("{} ({})", v.value, v.count);
    let mut parts: Vec<String> = values.values.iter().map(value).collect();
    if values.others > 0 {
        parts.push(format!("others ({})", values.others));
    }
    if values.without > 0 {
        parts.push(format!("no value ({})", values.without));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn hits(count: u64) -> String {
    if count == 0 { "no hit".to_owned() } else { counted(count, "hit") }
}

fn events(stage: &StageReport) -> String {
    let events = if stage.events == 1 { "event" } else { "events" };
    match &stage.category {
        Some(category) => format!("{} {category} {events}", stage.events),
        None => format!("{} {events}", stage.events),
    }
}

fn counted(count: u64, thing: &str) -> String {
    let plural = match (count, thing) {
        (1, _) => "",
        (_, "match") => "es",
        _ => "s",
    };
    format!("{count} {thing}{plural}")
}

/// Returns a length of time for people.
fn span(millis: i64) -> String {
    let (seconds, rest) = (millis / 1_000, millis % 1_000);
    match seconds {
        0 => format!("{rest}ms"),
        1..120 if rest == 0 => format!("{seconds}s"),
        1..120 => format!("{seconds}.{rest:03}").trim_end_matches('0').to_owned() + "s",
        120..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Returns a text without what could command the terminal: an attacker has written some of it.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short_and_whole() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (3_000, "3s"),
            (3_400, "3.4s"),
            (3_045, "3.045s"),
            (125_000, "2m 5s"),
            (7_300_000, "2h 1m"),
            (180_000_000, "2d 2h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }

    #[test]
    fn text_of_an_attacker_cannot_command_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
