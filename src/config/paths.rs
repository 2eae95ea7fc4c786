//! Relative paths of a configuration file are relative to its directory.
//!
//! Never touches a path that an override gives, or that nobody gives: it is relative to the working
//! directory, as paths on a command line are.

use std::path::{Path, PathBuf};

use super::{Config, Override};

impl Config {
    /// Makes the paths that the file in this directory names independent of the working directory.
    /// `names_rules`: whether it names those of rules.
    pub(super) fn resolve(&mut self, directory: &Path, overrides: &[Override], names_rules: bool) {
        let is_elsewhere = |key: &str| overrides.iter().any(|item| item.path.join(".") == key);
        if names_rules && !is_elsewhere("rules.paths") {
            self.rules.paths.iter_mut().for_each(|path| join(directory, path));
        }
        let (security, sasl) = (&mut self.kafka.security, &mut self.kafka.sasl);
        for (key, path) in [
            ("kafka.security.ca_file", &mut security.ca_file),
            ("kafka.security.certificate_file", &mut security.certificate_file),
            ("kafka.security.key_file", &mut security.key_file),
            ("kafka.security.key_password_file", &mut security.key_password_file),
            ("kafka.sasl.password_file", &mut sasl.password_file),
        ] {
            if let (Some(path), false) = (path, is_elsewhere(key)) {
                join(directory, path);
            }
        }
    }
}

/// Tells whether a configuration names `rules.paths`.
pub(super) fn names_rules(source: &str) -> bool {
    let table: Result<toml::Table, _> = source.parse();
    table.is_ok_and(|table| table.get("rules").is_some_and(|rules| rules.get("paths").is_some()))
}

fn join(directory: &Path, path: &mut PathBuf) {
    *path = directory.join(&*path);
}
