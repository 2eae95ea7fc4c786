//! Command lines to arguments.

use std::borrow::Cow;

/// Splits as Windows programs do: at blanks outside quotes; `\"` is a quote, backslashes before a
/// quote count half, `""` within quotes is one quote.
pub(super) fn split_windows(line: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let (argument, behind) = next_windows(rest);
        rest = behind;
        Some(argument)
    })
}

/// Returns the first argument, and what follows it.
fn next_windows(line: &str) -> (Cow<'_, str>, &str) {
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    // Without quotes, backslashes mean themselves.
    if !line[..end].contains('"') {
        return (Cow::Borrowed(&line[..end]), &line[end..]);
    }
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
    fn plain_arguments_keep_their_quotes() {
        let split: Vec<_> = split_plain("\"C:\\Program Files\\a.exe\"  -x\r\n").collect();
        assert_eq!(split, ["\"C:\\Program", "Files\\a.exe\"", "-x"]);
    }
}
