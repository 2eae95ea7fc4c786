//! Command lines to arguments.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

/// Splits as Windows programs do: at blanks outside quotes; `\"` is a quote, backslashes before a
/// quote count half, `""` within quotes is one quote.
pub(super) fn split_windows(line: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.bytes().position(|byte| !is_blank(byte))?;
        let (argument, behind) = next_windows(&rest[start..]);
        rest = behind;
        Some(argument)
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns the first argument, and what follows it.
fn next_windows(line: &str) -> (Cow<'_, str>, &str) {
    match as_it_stands(line) {
        Some((argument, behind)) => (Cow::Borrowed(argument), behind),
        None => next_with_quotes(line),
    }
}

/// Returns the first argument if it stands in the line as it is: without any quote, or within two.
fn as_it_stands(line: &str) -> Option<(&str, &str)> {
    let bytes = line.as_bytes();
    // Without quotes, backslashes mean themselves.
    let end = memchr3(b' ', b'\t', b'"', bytes).unwrap_or(bytes.len());
    if bytes.get(end) != Some(&b'"') {
        return Some(line.split_at(end));
    }
    let within = line.strip_prefix('"')?;
    let (argument, behind) = within.split_at(memchr(b'"', within.as_bytes())?);
    let behind = &behind[1..];
    let is_whole = behind.is_empty() || behind.starts_with([' ', '\t']);
    (is_whole && !argument.ends_with('\\')).then_some((argument, behind))
}

/// Returns the first argument of any form, and what follows it.
fn next_with_quotes(line: &str) -> (Cow<'_, str>, &str) {
    let mut argument = String::new();
    let (mut is_quoted, mut at) = (false, 0);
    let bytes = line.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' if !is_quoted => break,
            b'\\' => {
                let count = bytes[at..].iter().take_while(|byte| **byte == b'\\').count();
                at += count;
                if bytes.get(at) != Some(&b'"') {
                    argument.extend(std::iter::repeat_n('\\', count));
                } else {
                    argument.extend(std::iter::repeat_n('\\', count / 2));
                    if count % 2 == 1 {
                        argument.push('"');
                        at += 1;
                    }
                }
            }
            b'"' if is_quoted && bytes.get(at + 1) == Some(&b'"') => {
                argument.push('"');
                at += 2;
            }
            b'"' => {
                is_quoted = !is_quoted;
                at += 1;
            }
            _ => {
                let next = bytes[at..].iter().position(|byte| b" \t\\\"".contains(byte));
                // A blank within quotes stands for itself.
                let len = next.map_or(bytes.len() - at, |len| len.max(1));
                argument.push_str(&line[at..at + len]);
                at += len;
            }
        }
    }
    (Cow::Owned(argument), &line[at..])
}

/// Splits at white space and keeps quotes, as Elastic does for process creations of the Security
/// channel.
pub(super) fn split_plain(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_arguments() {
        for (line, arguments) in [
            (r"cmd.exe /Q /c whoami", &["cmd.exe", "/Q", "/c", "whoami"][..]),
            (r#""C:\Program Files\a.exe"  -x "#, &[r"C:\Program Files\a.exe", "-x"]),
            (r#"a "b c"d e"#, &["a", "b cd", "e"]),
            (r#"a \"b\" c"#, &["a", "\"b\"", "c"]),
            (r#"a "b\\" c\\d "e\\\"f""#, &["a", r"b\", r"c\\d", "e\\\"f"]),
            (r#"a "b""c" d"#, &["a", "b\"c", "d"]),
            (r#"a "" b"#, &["a", "", "b"]),
            ("a \"b c", &["a", "b c"]),
            ("\t ", &[]),
            ("ä \"ö ü\\\\\"", &["ä", "ö ü\\"]),
        ] {
            let split: Vec<_> = split_windows(line).collect();
            assert_eq!(split, arguments, "{line}");
        }
    }

    #[test]
    fn what_stands_as_it_is_is_read_like_any_other() {
        let mut lines = vec![String::new()];
        for _ in 0..6 {
            let longer = |line: &String| [' ', '"', '\\', 'a', 'ä'].map(|c| format!("{line}{c}"));
            let starts = lines.iter().flat_map(longer);
            lines.extend(starts.collect::<Vec<_>>());
            lines.sort_unstable();
            lines.dedup();
        }
        let is_argument = |line: &&String| line.bytes().next().is_some_and(|byte| !is_blank(byte));
        let mut count = 0;
        for line in lines.iter().filter(is_argument) {
            if let Some((argument, behind)) = as_it_stands(line) {
                assert_eq!(next_with_quotes(line), (Cow::Borrowed(argument), behind), "{line}");
                count += 1;
            }
        }
        assert!(count > 1_000, "only {count} lines");
    }

    #[test]
    fn plain_arguments_keep_their_quotes() {
        let split: Vec<_> = split_plain("\"C:\\Program Files\\a.exe\"  -x\r\n").collect();
        assert_eq!(split, ["\"C:\\Program", "Files\\a.exe\"", "-x"]);
    }
}
