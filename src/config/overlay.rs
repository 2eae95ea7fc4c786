//! Values on top of the file: `MAXSPAN_KAFKA__BROKERS=…` and `--set kafka.brokers=…`.
//!
//! Never reads the environment itself: whoever runs the program hands it in.

use toml::{Table, Value};

use super::{Config, codes, read};
use crate::diag::Diagnostic;

/// One value that replaces what the file says, or adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What to call it in messages.
    pub name: String,
    /// The key, part by part.
    pub path: Vec<String>,
    /// The value as written.
    pub value: String,
}

const PREFIX: &str = "MAXSPAN_";
/// Variables with our prefix that are no keys of the configuration.
const NO_KEYS: [&str; 1] = ["MAXSPAN_CONFIG"];

impl Override {
    /// Returns the overrides among environment variables, in the order of their names.
    ///
    /// `__` separates the parts of a key. Below `kafka.properties` a single `_` stands for a dot.
    pub fn from_env(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Vec<Self>, Diagnostic> {
        let mut ours: Vec<(String, String)> = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .filter(|(name, _)| !NO_KEYS.contains(&name.as_str()) && !is_service_link(name))
            .collect();
        ours.sort();
        ours.into_iter().map(|(name, value)| Self::from_variable(&name, value)).collect()
    }

    /// Returns the override that `key=value` on the command line asks for.
    pub fn from_argument(argument: &str) -> Result<Self, Diagnostic> {
        // Without the value: it may be a secret.
        let key = argument.split_once('=').map_or("", |(key, _)| key.trim());
        let name = format!("`--set {key}`");
        let fault = || {
            Diagnostic::error(codes::OVERRIDE, format!("{name} is not of the form `key=value`"))
                .help("write `--set kafka.group=maxspan`")
        };
        let (_, value) = argument.split_once('=').ok_or_else(fault)?;
        let path = split_key(key).ok_or_else(fault)?;
        Ok(Self { name, path, value: value.trim().to_owned() })
    }

    fn from_variable(variable: &str, value: String) -> Result<Self, Diagnostic> {
        let name = format!("environment variable `{variable}`");
        let key = variable[PREFIX.len()..].to_lowercase();
        let mut path: Vec<String> = key.split("__").map(str::to_owned).collect();
        if path.len() < 2 || path.iter().any(String::is_empty) {
            return Err(Diagnostic::error(codes::OVERRIDE, format!("{name} names no key"))
                .help("write the section, two underscores and the key: `MAXSPAN_KAFKA__BROKERS`"));
        }
        if path.len() > 2 && path[..2] == ["kafka", "properties"] {
            path = vec![path[0].clone(), path[1].clone(), path[2..].join(".").replace('_', ".")];
        }
        Ok(Self { name, path, value })
    }

    /// Returns what the value may mean: a TOML value if it is one, else or otherwise a text.
    fn readings(&self) -> Vec<Value> {
        let document = format!("value = {}", self.value);
        let parsed = document.parse::<Table>().ok().and_then(|mut table| table.remove("value"));
        let text = Value::String(self.value.clone());
        parsed.into_iter().chain([text]).collect()
    }
}

/// Returns the configuration of a text that is known to be valid, with the overrides on top, and what
/// is wrong with those that do not fit.
pub(super) fn apply(source: &str, overrides: &[Override]) -> (Config, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut table: Table = source.parse().unwrap_or_default();
    for item in overrides {
        match with(&table, item) {
            Ok(more) => table = more,
            Err(fault) => found.push(fault),
        }
    }
    let config = config_of(&table).map_err(|error| found.push(read::diagnostic(&error)));
    (config.unwrap_or_default(), found)
}

/// Returns the table with one more override, in the first reading that makes a valid whole.
fn with(table: &Table, item: &Override) -> Result<Table, Diagnostic> {
    let mut first_fault = None;
    for value in item.readings() {
        let mut candidate = table.clone();
        if !put(&mut candidate, &item.path, value) {
            break;
        }
        match config_of(&candidate) {
            Ok(_) => return Ok(candidate),
            Err(error) => first_fault = first_fault.or(Some(error)),
        }
    }
    let fault = first_fault.map(|error| read::diagnostic(&error));
    let (why, help) = match fault {
        Some(fault) => (fault.message, fault.help),
        None => (format!("`{}` is no section", item.path.join(".")), None),
    };
    let found = Diagnostic::error(codes::OVERRIDE, format!("{}: {why}", item.name));
    Err(match help {
        Some(help) => found.help(help),
        None => found,
    })
}

fn config_of(table: &Table) -> Result<Config, toml::de::Error> {
    table.clone().try_into()
}

/// Puts a value at a path; false if something on the way is no table.
fn put(table: &mut Table, path: &[String], value: Value) -> bool {
    match path {
        [] => false,
        [key] => {
            table.insert(key.clone(), value);
            true
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            inner.as_table_mut().is_some_and(|inner| put(inner, rest, value))
        }
    }
}

/// Returns the parts of a dotted TOML key, quoted parts included.
fn split_key(key: &str) -> Option<Vec<String>> {
    let mut table: Table = format!("{key} = true").parse().ok()?;
    let mut path = Vec::new();
    loop {
        let (key, value) = std::mem::take(&mut table).into_iter().next()?;
        path.push(key);
        match value {
            Value::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

/// Tells whether Kubernetes sets such a variable for a service whose name starts with ours.
fn is_service_link(name: &str) -> bool {
    !name.contains("__")
        && (name.ends_with("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || name.ends_with("_PORT")
            || name.contains("_PORT_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variable_names_a_key_below_a_section() {
        let found = Override::from_env(variables(&[
            ("HOME", "/"),
            ("MAXSPAN_CONFIG", "x"),
            ("MAXSPAN_KAFKA__SASL__PASSWORD_FILE", "/run/secret"),
            ("MAXSPAN_KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS", "9"),
        ]))
        .unwrap();
        let paths: Vec<String> = found.iter().map(|item| item.path.join("/")).collect();
        assert_eq!(paths, ["kafka/properties/socket.timeout.ms", "kafka/sasl/password_file"]);
    }

    #[test]
    fn service_links_of_kubernetes_are_no_overrides() {
        let links = [("MAXSPAN_SERVICE_HOST", "1"), ("MAXSPAN_PORT_9600_TCP_ADDR", "2")];
        assert_eq!(Override::from_env(variables(&links)), Ok(vec![]));
        assert!(Override::from_env(variables(&[("MAXSPAN_BROKERS", "x")])).is_err());
    }

    #[test]
    fn argument_may_quote_a_part_of_the_key() {
        let item = Override::from_argument("rules.override.\"a.b\".emit = exact").unwrap();
        assert_eq!(item.path, ["rules", "override", "a.b", "emit"]);
        assert_eq!(item.value, "exact");
    }
}
