//! Logs: level, format, and where they go.
//!
//! Never writes to standard output: that belongs to alerts and results.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

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
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(serde::de::Error::custom(format!(
            "`{text}` is no log level: write `error`, `warn`, `info`, `debug` or `trace`"
        ))),
    }
}
