//! Reads single settings: lengths of time and lists.
//!
//! Never touches a file or the environment. The sections of the configuration stand beside the
//! code that they configure, and share this.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::event::TimeSpan;

/// Reads a length of time such as `"20s"`.
pub(crate) fn time_span<'de, D: Deserializer<'de>>(value: D) -> Result<TimeSpan, D::Error> {
    let text = String::deserialize(value)?;
    TimeSpan::parse(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "`{text}` is no length of time: write `500ms`, `20s`, `5m`, `1h`"
        ))
    })
}

/// Reads a length of time that is at least a second.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<TimeSpan, D::Error> {
    let span = time_span(value)?;
    match span >= TimeSpan::from_secs(1) {
        true => Ok(span),
        false => Err(de::Error::custom(format!("`{span}` is too short: write at least `1s`"))),
    }
}

/// Reads a length of time that is more than none.
pub(crate) fn some_time<'de, D: Deserializer<'de>>(value: D) -> Result<TimeSpan, D::Error> {
    let span = time_span(value)?;
    match span > TimeSpan::ZERO {
        true => Ok(span),
        false => Err(de::Error::custom(format!("`{span}` is too short: write at least `1ms`"))),
    }
}

/// Reads a limit below which nothing works.
pub(crate) fn at_least<'de, D: Deserializer<'de>, const LEAST: usize>(
    value: D,
) -> Result<usize, D::Error> {
    let limit = usize::deserialize(value)?;
    match limit >= LEAST {
        true => Ok(limit),
        false => Err(de::Error::custom(format!("{limit} is too little: write at least {LEAST}"))),
    }
}

/// Reads such a limit that may be left out.
pub(crate) fn optional_at_least<'de, D: Deserializer<'de>, const LEAST: usize>(
    value: D,
) -> Result<Option<usize>, D::Error> {
    at_least::<D, LEAST>(value).map(Some)
}

/// Reads a length of time that may be left out.
pub(crate) fn optional_time_span<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<TimeSpan>, D::Error> {
    time_span(value).map(Some)
}

/// Reads a length of time that is more than none.
pub(crate) fn duration<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    let span = time_span(value)?;
    match u64::try_from(span.nanos()) {
        Ok(nanos) if nanos > 0 => Ok(Duration::from_nanos(nanos)),
        _ => Err(de::Error::custom(format!("`{span}` is too short: write at least `1ms`"))),
    }
}

/// Reads a length of time that may be none.
pub(crate) fn duration_or_none<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    let span = time_span(value)?;
    u64::try_from(span.nanos())
        .map(Duration::from_nanos)
        .map_err(|_| de::Error::custom(format!("`{span}` is less than none: write `0s` or more")))
}

/// Reads a part of a whole, such as `0.25`, in hundredths.
pub(crate) fn percent<'de, D: Deserializer<'de>>(value: D) -> Result<u32, D::Error> {
    let share = f64::deserialize(value)?;
    let hundredths = (share * 100.0).round();
    let is_whole = (share * 100.0 - hundredths).abs() < 1e-9;
    match is_whole && (1.0..=100.0).contains(&hundredths) {
        true => Ok(hundredths as u32),
        false => Err(de::Error::custom(format!(
            "`{share}` is no part of a whole: write `0.25`, or another one from 0.01 to 1 in steps of \
             0.01"
        ))),
    }
}

/// Reads a list, or a text whose parts are separated by commas.
pub(crate) fn list<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of texts, or one text with commas")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let parts = match OneOrMany::deserialize(value)? {
        OneOrMany::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        OneOrMany::Many(parts) => parts,
    };
    match parts.iter().any(String::is_empty) || parts.is_empty() {
        true => Err(de::Error::custom("expected at least one name, and no empty one")),
        false => Ok(parts),
    }
}

/// What is wrong with a section as a whole: each value may be right, and together they are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key that it is about, part by part.
    pub path: &'static [&'static str],
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}
