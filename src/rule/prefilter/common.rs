//! Which keys and texts are common in records, by guess: the rarest ones are worth looking for.
//!
//! A wrong guess costs time and never a match.

/// Returns how many of a hundred records have a segment of a path as a key.
pub(super) fn commonness(segment: &str) -> u32 {
    COMMON.iter().find(|(known, _)| *known == segment).map_or(OTHER, |(_, share)| *share)
}

/// Returns how many of a hundred records hold a text.
pub(super) fn share_of_text(text: &str) -> u32 {
    match text.len() {
        0..=4 => 30,
        5..=8 => 15,
        _ => 5,
    }
}

/// Keys that are not listed.
const OTHER: u32 = 4;

/// Keys of Beats, of ECS and of Windows' own event data.
const COMMON: &[(&str, u32)] = &[
    ("@timestamp", 100),
    ("CommandLine", 10),
    ("Image", 70),
    ("ProcessGuid", 60),
    ("ProcessId", 60),
    ("ProcessName", 20),
    ("RuleName", 70),
    ("SubjectUserName", 30),
    ("SubjectUserSid", 30),
    ("User", 60),
    ("UtcTime", 80),
    ("action", 100),
    ("agent", 100),
    ("args", 20),
    ("category", 60),
    ("channel", 100),
    ("code", 100),
    ("command_line", 20),
    ("computer_name", 100),
    ("created", 100),
    ("data_stream", 60),
    ("dataset", 60),
    ("destination", 20),
    ("domain", 50),
    ("entity_id", 60),
    ("event", 100),
    ("event_data", 100),
    ("event_id", 100),
    ("executable", 60),
    ("file", 30),
    ("hash", 15),
    ("host", 100),
    ("id", 100),
    ("ip", 40),
    ("kind", 100),
    ("level", 100),
    ("log", 100),
    ("message", 100),
    ("module", 60),
    ("name", 100),
    ("network", 20),
    ("outcome", 60),
    ("parent", 12),
    ("path", 40),
    ("pid", 100),
    ("port", 20),
    ("process", 100),
    ("provider", 100),
    ("provider_name", 100),
    ("registry", 25),
    ("source", 20),
    ("task", 100),
    ("type", 100),
    ("user", 70),
    ("version", 100),
    ("winlog", 100),
];
