//! Secrets: read from files, handed to the client, and never shown.
//!
//! Never prints a secret: the type has no `Debug` and no `Display`.

use std::path::{Path, PathBuf};

/// A password. What holds it can be neither printed nor logged.
pub struct Secret(String);

/// A secret that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret `{}` (`{key}`): {reason}", path.display())]
pub struct SecretError {
    key: &'static str,
    path: PathBuf,
    reason: String,
}

impl Secret {
    /// Reads the secret that the setting `key` names.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, or holds what no password can hold.
    pub fn read(key: &'static str, path: &Path) -> Result<Self, SecretError> {
        let fault = |reason: String| SecretError { key, path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        // Editors and `kubectl create secret --from-file` leave a line end behind.
        let text = text.trim_end_matches(['\r', '\n']);
        match text {
            "" => Err(fault("the file is empty".to_owned())),
            text if text.contains('\0') => Err(fault("it holds a zero byte".to_owned())),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// Returns the secret, for the client alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contents: &[u8]) -> Result<Secret, SecretError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        Secret::read("kafka.sasl.password_file", file.path())
    }

    #[test]
    fn a_line_end_is_no_part_of_a_password() {
        assert_eq!(read(b"pass word\r\n").ok().unwrap().expose(), "pass word");
        assert_eq!(read("pässword".as_bytes()).ok().unwrap().expose(), "pässword");
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_without_being_shown() {
        for (contents, reason) in [
            (&b"\n"[..], "the file is empty"),
            (b"MARKER\0", "it holds a zero byte"),
            (b"MARKER\xff", "valid UTF-8"),
        ] {
            let error = read(contents).err().unwrap();
            assert!(error.to_string().contains(reason), "{error}");
            assert!(!format!("{error} {error:?}").contains("MARKER"));
        }
    }
}
