//! Logs: level, format, and where they go.
//!
//! Never writes to standard output: that belongs to alerts and results.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::text::edit_distance::nearest;

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,maxspan::kafka=debug`.
    #[serde(deserialize_with = "filter_text")]
    pub level: String,
    /// For people or for machines.
    pub format: Format,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Pretty }
    }
}

/// Sends the log of this process to standard error; does nothing the second time.
pub fn init(settings: &Settings) {
    // The text was checked when it was read.
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let outcome = match settings.format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Pretty => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // A second call finds the first one's subscriber in place, which is as good.
    drop(outcome);
}

fn filter_text<'de, D: serde::Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let text = String::deserialize(value)?;
    match text.split(',').find_map(fault_of) {
        None if EnvFilter::try_new(&text).is_ok() => Ok(text),
        None => Err(no_level(&text)),
        Some(fault) => Err(no_level(fault)),
    }
}

/// Returns what of a part of a filter is meant as a level and is none. The filter itself takes any
/// unknown word for the name of a module, and then nothing is logged.
fn fault_of(part: &str) -> Option<&str> {
    let word = match part.rsplit_once('=') {
        Some((_, level)) => level.trim(),
        None if part.contains("::") || TARGETS.contains(&part.trim()) => return None,
        None => part.trim(),
    };
    // What is in brackets or braces is a filter of spans, and may hold anything.
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    (!is_level && !part.contains(['[', '{', '}', ']'])).then_some(word)
}

fn no_level<E: serde::de::Error>(word: &str) -> E {
    let hint = match nearest(word, LEVELS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write `error`, `warn`, `info`, `debug`, `trace` or `off`".to_owned(),
    };
    E::custom(format!("`{word}` is no log level\nhelp: {hint}"))
}

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// Names that may stand without a level: all that they log is wanted.
const TARGETS: [&str; 3] = ["maxspan", "rdkafka", "librdkafka"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_found_in_every_part_of_a_filter() {
        for text in ["info", "WARN", "off", "info,maxspan::kafka=debug", "maxspan=trace,error"] {
            assert_eq!(text.split(',').find_map(fault_of), None, "{text}");
        }
        for (text, word) in [
            ("loud", "loud"),
            ("inof,maxspan=debug", "inof"),
            ("info,maxspan::kafka=loud", "loud"),
            ("", ""),
        ] {
            assert_eq!(text.split(',').find_map(fault_of), Some(word), "{text}");
        }
    }
}
