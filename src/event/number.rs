//! Numbers as the source writes them: what a field that is indexed as text would hold.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A number whose text says more than its value: `1e3`, `1.50`, or more digits than a double has.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<'a> {
    /// The number, rounded to a double.
    pub number: f64,
    /// The text that stands in the record.
    pub text: Cow<'a, str>,
}

impl Written<'_> {
    /// Returns a copy that borrows nothing.
    pub fn to_static(&self) -> Written<'static> {
        Written { number: self.number, text: Cow::Owned((*self.text).to_owned()) }
    }
}

/// Writes a double as Elasticsearch does: `2.0`, `0.5`, `1.0E7`.
///
/// # Errors
/// If `out` does not take it.
pub fn write_double(out: &mut impl Write, number: f64) -> fmt::Result {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) || !number.is_finite() {
        return write!(out, "{number:?}");
    }
    let scientific = format!("{number:E}");
    match scientific.split_once('E') {
        Some((digits, power)) if !digits.contains('.') => write!(out, "{digits}.0E{power}"),
        _ => out.write_str(&scientific),
    }
}

/// Returns the text of a double.
pub fn text_of_double(number: f64) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = write_double(&mut text, number);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_in_elasticsearch() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (135.0, "135.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.00025, "2.5E-4"),
            (9_999_999.5, "9999999.5"),
            (1e7, "1.0E7"),
            (-12_345_678.9, "-1.23456789E7"),
            (1e300, "1.0E300"),
            (18_446_744_073_709_551_616.0, "1.8446744073709552E19"),
        ] {
            assert_eq!(text_of_double(number), text);
        }
    }
}
