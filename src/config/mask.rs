//! Hides secrets in the text of a configuration before any of it is shown.
//!
//! Never needs the text to be valid TOML: what is shown is most often a text with a fault.

use crate::text::Text;

/// Returns the text with the values of all keys that may hold a secret overwritten; every other byte
/// keeps its place, so that spans stay right.
pub fn masked(text: &Text) -> Text {
    let mut bytes = text.contents.clone().into_bytes();
    let mut scan = Scan { text: &text.contents, at: 0 };
    while let Some(value) = scan.next_secret() {
        for byte in &mut bytes[value] {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    // Whole values are overwritten, so no character is cut in two.
    let contents = String::from_utf8_lossy(&bytes).into_owned();
    Text { contents, ..text.clone() }
}

/// Parts of the names of keys whose values are not shown, misspelt ones included.
const WORDS: [&str; 10] =
    ["pass", "pasw", "pwd", "secret", "token", "credential", "jaas", ".pem", "private", "oauth"];
/// Ends of names whose values are places and no secrets.
const PLACES: [&str; 3] = ["_file", ".location", ".url"];

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let key = key.trim().trim_matches(['"', '\'']);
    WORDS.iter().any(|word| key.contains(word)) && !PLACES.iter().any(|end| key.ends_with(end))
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl Scan<'_> {
    /// Returns where the next value stands whose key may hold a secret.
    fn next_secret(&mut self) -> Option<std::ops::Range<usize>> {
        let mut key = self.at;
        while let Some(character) = self.rest().chars().next() {
            match character {
                '#' => self.at += self.line_len(),
                '"' | '\'' => self.at += self.quoted_len(),
                '=' => {
                    let is_secret = is_secret(&self.text[key..self.at]);
                    self.at += 1;
                    self.at +=
                        self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
                    key = self.at;
                    if is_secret {
                        let start = self.at;
                        self.at += self.value_len();
                        return Some(start..self.at);
                    }
                }
                '\n' | ',' | '{' | '[' | ']' | '}' => {
                    self.at += 1;
                    key = self.at;
                }
                other => self.at += other.len_utf8(),
            }
        }
        None
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn line_len(&self) -> usize {
        self.rest().find('\n').unwrap_or_else(|| self.rest().len())
    }

    /// Returns how long the value is: to its closing mark, or without one to the end of the line.
    fn value_len(&self) -> usize {
        match self.rest().starts_with(['"', '\'']) {
            // Behind a string that is closed too early the rest of the secret may stand.
            true => self.quoted_len().max(self.line_len_before_separator()),
            false => self.line_len(),
        }
    }

    fn line_len_before_separator(&self) -> usize {
        let quoted = self.quoted_len();
        let behind = &self.rest()[quoted..];
        quoted + behind.find(['\n', ',', '}', '#']).unwrap_or(behind.len())
    }

    /// Returns how long the string is that begins here; one that is not closed ends with its line, one of
    /// several lines with the text.
    fn quoted_len(&self) -> usize {
        let rest = self.rest();
        for mark in ["\"\"\"", "'''"] {
            if let Some(inner) = rest.strip_prefix(mark) {
                return inner.find(mark).map_or(rest.len(), |end| end + 2 * mark.len());
            }
        }
        let quote = rest.chars().next().unwrap_or('"');
        let mut is_escaped = false;
        for (at, character) in rest.char_indices().skip(1) {
            match character {
                '\n' => return at,
                _ if is_escaped => is_escaped = false,
                '\\' if quote == '"' => is_escaped = true,
                _ if character == quote => return at + 1,
                _ => {}
            }
        }
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_however_they_are_written() {
        for text in [
            "password = \"MARKER\"",
            "a = 1 # c\n\"sasl.password\" = 'MARKER' # why",
            "kafka.sasl.password=\"MARKER",
            "sasl = { mechanism = \"PLAIN\", password = \"MARKER\", x = 1 }",
            "password = MARKER",
            "password = \"a\\\"MARKER\"",
            "password = \"a\"MARKER\"",
            "\"ssl.key.pem\" = \"\"\"\n-----\nMARKER\n\"\"\"\na = 1",
            "'ssl.key.pem' = '''\nMARKER\nMARKER",
            "pasword = \"MARKER\"",
            "[kafka.properties]\n\"sasl.oauthbearer.client.secret\" = \"MARKER\"",
            "\"sasl.jaas.config\" = 'x required password=\"MARKER\";'",
            "password = \"ä MARKER\"\na = \"ö\"",
        ] {
            let hidden = masked(&Text::new("maxspan.toml", text));
            assert!(!hidden.contents.contains("MARKER"), "{}", hidden.contents);
            assert_eq!(hidden.contents.len(), text.len(), "{text}");
            assert_eq!(hidden.contents.lines().count(), text.lines().count(), "{text}");
        }
    }

    #[test]
    fn all_else_is_shown() {
        for text in [
            "[kafka]\ngroup = \"password = \"\n",
            "password_file = \"/etc/password\"\n# password = \"x\"\n",
            "\"ssl.key.location\" = 'k'\n[kafka.properties]\n\"linger.ms\" = 5\n",
        ] {
            assert_eq!(masked(&Text::new("maxspan.toml", text)).contents, text);
        }
    }
}
