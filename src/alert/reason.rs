//! `event.reason`: one sentence that says what happened, from ECS fields alone.
//!
//! Knows categories of events, never a rule.

use serde_json::{Map, Value};

use super::document::{cut, strings, text};
use super::{Alert, AlertEvent};

/// Longest piece of an event that the sentence quotes, in characters.
const MAX_QUOTE: usize = 200;
/// Most events that the sentence tells of; of more, the first and the last ones.
const MAX_PHRASES: usize = 6;

/// Returns the sentence.
pub(super) fn reason(alert: &Alert<'_>) -> String {
    let phrases = phrases(&alert.events);
    let what = match phrases.len() {
        0 => format!("{} matched", alert.rule.name),
        _ => phrases.join(", then "),
    };
    let host = alert.events.iter().rev().find_map(|event| host(&event.document));
    match host {
        Some(host) => format!("On {host}, {what}."),
        None => format!("{what}."),
    }
}

fn phrases(events: &[AlertEvent]) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for phrase in events.iter().map(|event| phrase(&event.document)) {
        match counted.last_mut() {
            Some((last, count)) if *last == phrase => *count += 1,
            _ => counted.push((phrase, 1)),
        }
    }
    let say = |(phrase, count): (String, usize)| match count {
        1 => phrase,
        _ => format!("{phrase} ({count} times)"),
    };
    let mut phrases: Vec<String> = counted.into_iter().map(say).collect();
    // One more than the limit is told as it is: to say "and one more" would be no shorter.
    if phrases.len() > MAX_PHRASES + 1 {
        let left_out = MAX_PHRASES / 2..phrases.len() - MAX_PHRASES / 2;
        let summary = format!("{} more things happened", left_out.len());
        phrases.splice(left_out, [summary]);
    }
    phrases
}

fn phrase(event: &Map<String, Value>) -> String {
    let category = strings(event, "event.category").next().unwrap_or_default();
    match category {
        "process" => process(event),
        "network" => network(event),
        "authentication" | "session" => logon(event),
        "file" => {
            let verb = verb(event, "handled");
            format!("{} {verb} {}", actor(event), object(event, &["file.path", "file.name"]))
        }
        "registry" => {
            let verb = verb(event, "set");
            let paths = ["registry.path", "registry.key", "registry.value"];
            format!("{} {verb} {}", actor(event), object(event, &paths))
        }
        "library" | "driver" => {
            let names = ["dll.path", "dll.name", "file.path", "file.name"];
            format!("{} loaded {}", actor(event), object(event, &names))
        }
        _ => other(event, category),
    }
}

fn process(event: &Map<String, Value>) -> String {
    let child = process_name(event, "process").unwrap_or_else(|| "a process".to_owned());
    let types: Vec<&str> = strings(event, "event.type").collect();
    if types.contains(&"end") {
        return format!("{child} ended");
    }
    if !types.iter().any(|kind| ["start", "process_started"].contains(kind)) {
        return other(event, "process");
    }
    let mut phrase = match process_name(event, "process.parent") {
        Some(parent) => format!("{parent} started {child}"),
        None => format!("{child} was started"),
    };
    if let Some(user) = user(event) {
        phrase.push_str(&format!(" as {user}"));
    }
    if let Some(command_line) = quote(event, "process.command_line") {
        phrase.push_str(&format!(" ({command_line})"));
    }
    phrase
}

fn network(event: &Map<String, Value>) -> String {
    let actor = actor(event);
    let port = text(event, "destination.port").map(|port| format!(" {port}"));
    let port = |words: &str| port.map(|port| format!(" {words}{port}")).unwrap_or_default();
    let source = quote(event, "source.ip").or_else(|| quote(event, "source.address"));
    let destination = ["destination.domain", "destination.ip", "destination.address"]
        .iter()
        .find_map(|path| quote(event, path));
    let direction = text(event, "network.direction").unwrap_or_default();
    match (&*direction, source, destination) {
        ("ingress" | "incoming" | "inbound", Some(source), _) => {
            format!("{actor} accepted a connection from {source}{}", port("to port"))
        }
        ("egress" | "outgoing" | "outbound", _, Some(destination)) => {
            format!("{actor} connected to {destination}{}", port("on port"))
        }
        (_, Some(source), Some(destination)) => {
            let port = port("on port");
            format!("{actor} had a connection from {source} to {destination}{port}")
        }
        _ => match quote(event, "dns.question.name") {
            Some(name) => format!("{actor} looked up {name}"),
            None => other(event, "network"),
        },
    }
}

fn logon(event: &Map<String, Value>) -> String {
    let user = user(event).unwrap_or_else(|| "a user".to_owned());
    let has_ended = strings(event, "event.type").any(|kind| kind == "end");
    let what = match text(event, "event.outcome").as_deref() {
        Some("failure") => "failed to log on",
        _ if has_ended => "logged off",
        _ => "logged on",
    };
    match quote(event, "source.ip") {
        Some(source) => format!("{user} {what} from {source}"),
        None => format!("{user} {what}"),
    }
}

fn other(event: &Map<String, Value>, category: &str) -> String {
    let mut phrase = "there was an event".to_owned();
    if let Some(what) = ["event.action", "event.code"].iter().find_map(|path| quote(event, path)) {
        phrase.push_str(&format!(" `{what}`"));
    }
    if !category.is_empty() {
        phrase.push_str(&format!(" of category {category}"));
    }
    if let Some(process) = process_name(event, "process") {
        phrase.push_str(&format!(" by {process}"));
    }
    phrase
}

/// Returns what was done to a file or a registry value, as a verb.
fn verb(event: &Map<String, Value>, otherwise: &'static str) -> &'static str {
    let verbs = [
        ("creation", "created"),
        ("deletion", "deleted"),
        ("change", "changed"),
        ("access", "read"),
    ];
    let of_kind = |kind| verbs.iter().find(|(name, _)| *name == kind).map(|(_, verb)| *verb);
    strings(event, "event.type").find_map(of_kind).unwrap_or(otherwise)
}

fn actor(event: &Map<String, Value>) -> String {
    process_name(event, "process").or_else(|| user(event)).unwrap_or_else(|| "something".to_owned())
}

fn object(event: &Map<String, Value>, paths: &[&str]) -> String {
    let named = paths.iter().find_map(|path| quote(event, path));
    named.unwrap_or_else(|| "something".to_owned())
}

fn process_name(event: &Map<String, Value>, process: &str) -> Option<String> {
    quote(event, &format!("{process}.name")).or_else(|| {
        let path = quote(event, &format!("{process}.executable"))?;
        path.rsplit(['\\', '/']).next().map(str::to_owned)
    })
}

fn user(event: &Map<String, Value>) -> Option<String> {
    let name = quote(event, "user.name").or_else(|| quote(event, "user.id"))?;
    Some(match quote(event, "user.domain") {
        Some(domain) if !name.contains('\\') => format!("{domain}\\{name}"),
        _ => name,
    })
}

fn host(event: &Map<String, Value>) -> Option<String> {
    ["host.name", "host.hostname", "host.id"].iter().find_map(|path| quote(event, path))
}

/// Returns the text of a field on one line, cut to a length that can be read.
fn quote(event: &Map<String, Value>, path: &str) -> Option<String> {
    let text = text(event, path)?;
    let one_line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(cut(&one_line, MAX_QUOTE))
}
