//! Shows an alert to a person: rule, severity, reason, stages with their times.

use serde_json::Value;

use crate::cli::output::{self, Stream, Style};

/// Prints an alert.
pub(super) fn alert(json: &[u8], as_json: bool) {
    let text = String::from_utf8_lossy(json);
    match serde_json::from_slice::<Value>(json) {
        Ok(alert) if !as_json => output::line(&readable(&alert)),
        _ => output::line(&text),
    }
}

fn readable(alert: &Value) -> String {
    let text = |pointer: &str| text_at(alert, pointer).unwrap_or_default();
    let severity = text("/maxspan/severity");
    let style = match severity.as_str() {
        "high" | "critical" => Style::Red,
        _ => Style::Yellow,
    };
    let label = Stream::Out.paint(&severity.to_uppercase(), style);
    let name = Stream::Out.paint(&text("/rule/name"), Style::Bold);
    let id = Stream::Out.paint(&text("/rule/id"), Style::Dim);
    let mut lines = vec![format!("\n{label}  {name}  {id}"), format!("  {}", reason(alert))];
    let events = alert.pointer("/maxspan/sequence/events").and_then(Value::as_array);
    for (index, event) in events.into_iter().flatten().enumerate() {
        lines.push(format!("  {}. {}", index + 1, stage(event)));
    }
    let span = alert.pointer("/maxspan/sequence/span_ms").and_then(Value::as_i64);
    let adjusted = alert.pointer("/maxspan/sequence/order_adjusted").and_then(Value::as_bool);
    if let Some(millis) = span {
        let order = if adjusted == Some(true) { ", logged in the other order" } else { "" };
        lines.push(format!("  span {millis} ms{order}"));
    }
    lines.join("\n")
}

/// Returns the sentence that says what happened.
fn reason(alert: &Value) -> String {
    let reason = alert.pointer("/event/reason").and_then(Value::as_str).unwrap_or_default();
    reason.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Returns one line about an event: when, what, on which host, by which process, from where.
/// Most characters of a command line that are shown: encoded scripts fill screens.
const MAX_COMMAND_LINE: usize = 120;

fn shorten(command_line: &str) -> String {
    match command_line.char_indices().nth(MAX_COMMAND_LINE) {
        Some((end, _)) => format!("{}…", &command_line[..end]),
        None => command_line.to_owned(),
    }
}

fn stage(event: &Value) -> String {
    let text = |pointer: &str| text_at(event, pointer);
    let [topic, partition, offset] = ["topic", "partition", "offset"]
        .map(|name| text(&format!("/maxspan/{name}")).unwrap_or_default());
    let parts = [
        text("/@timestamp"),
        text("/event/category").map(|category| format!("[{category}]")),
        text("/host/name"),
        text("/process/name"),
        text("/process/command_line").map(|line| shorten(&line)),
        text("/source/ip").zip(text("/destination/port")).map(|(ip, port)| {
            let from = text("/source/port").map(|port| format!(":{port}")).unwrap_or_default();
            format!("from {ip}{from} to port {port}")
        }),
        text("/user/name").map(|user| format!("as {user}")),
        Some(Stream::Out.paint(&format!("{topic}/{partition}@{offset}"), Style::Dim)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// Returns what stands at a place, lists joined, if anything does; fit for a terminal.
fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(tame(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(tame(&items.join(",")))
        }
        _ => None,
    }
}

/// Returns a text cut to a readable length, without what could command the terminal: an attacker
/// has written some of it.
fn tame(text: &str) -> String {
    let mut kept: String = text
        .chars()
        .take(READABLE)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(READABLE).is_some() {
        kept.push('…');
    }
    kept
}

const READABLE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_attacker_cannot_command_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(tame(&"x".repeat(500)).chars().count(), READABLE + 1);
    }
}
