//! Forms in which an index holds a field besides its own: Elasticsearch's multi-fields.
//!
//! A mapping gives them names below the field, `process.name.caseless`, and no record has them.

use std::borrow::Cow;

/// A form of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Without regard to letter case.
    Caseless,
    /// As one term.
    Keyword,
    /// Taken apart into words; here the whole value.
    Text,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Caseless, Self::Keyword, Self::Text];

    /// Returns the last part of the names of such fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caseless => "caseless",
            Self::Keyword => "keyword",
            Self::Text => "text",
        }
    }

    /// Returns the path of the field, and the form of it that a written path means, if any.
    pub fn split(written: &str) -> (&str, Option<Self>) {
        let Some((path, last)) = written.rsplit_once('.') else { return (written, None) };
        match Self::ALL.into_iter().find(|form| form.as_str() == last) {
            Some(form) if !path.is_empty() => (path, Some(form)),
            _ => (written, None),
        }
    }

    /// Returns the written path of a form of a field.
    pub fn join(path: &str, form: Option<Self>) -> Cow<'_, str> {
        match form {
            Some(form) => Cow::Owned(format!("{path}.{}", form.as_str())),
            None => Cow::Borrowed(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_part_is_a_form() {
        assert_eq!(Form::split("process.name.caseless"), ("process.name", Some(Form::Caseless)));
        assert_eq!(Form::split("message.text"), ("message", Some(Form::Text)));
        for plain in ["text", "keyword", "process.name", "a.text.b", "a.context", ".text"] {
            assert_eq!(Form::split(plain), (plain, None));
        }
    }

    #[test]
    fn joining_undoes_splitting() {
        for written in ["process.name.caseless", "a.keyword", "a"] {
            let (path, form) = Form::split(written);
            assert_eq!(Form::join(path, form), written);
        }
    }
}
