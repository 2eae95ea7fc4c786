//! As much of XML as the definition of a scheduled task needs: the texts of named elements.
//!
//! Never builds a tree, never follows an entity that is not one of the five or a number.

use std::borrow::Cow;

/// Returns the texts of all elements of a name, whatever stands around them; empty ones are left
/// out, as are those that hold elements.
pub(super) fn texts<'t>(xml: &'t str, name: &str) -> impl Iterator<Item = Cow<'t, str>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            let (_, tail) = rest.split_once('<')?;
            rest = tail;
            let Some(behind) = tail.strip_prefix(name) else { continue };
            // `<Command>` or `<Command a="b">`, but not `<CommandLine>` or `<Command/>`.
            if !behind.starts_with(['>', ' ', '\t', '\r', '\n']) {
                continue;
            }
            // The next bracket of either kind, so that no text is looked at over and over.
            let end = behind.find(['<', '>'])?;
            let (attributes, content) = (&behind[..end], &behind[end + 1..]);
            if behind.as_bytes()[end] == b'<' || attributes.ends_with('/') {
                continue;
            }
            let Some((text, end)) = content.split_once('<') else { continue };
            rest = content;
            let text = text.trim();
            let is_end = end.strip_prefix('/').is_some_and(|end| end.starts_with(name));
            if is_end && !text.is_empty() {
                return Some(unescaped(text));
            }
        }
    })
}

/// Most bytes of an entity with its semicolon: `#x10ffff;`.
const MAX_ENTITY: usize = 10;

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let end = behind.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(&behind[..end])?, end))) {
            Some((letter, end)) => {
                plain.push(letter);
                rest = &behind[end + 1..];
            }
            None => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_elements() {
        let xml = "<?xml version=\"1.0\"?><Task><Exec><Command>cmd.exe</Command>\
            <Arguments a=\"b\"> /c &quot;a &amp;&#38; b&#x21;&quot; &nope; & </Arguments></Exec>\
            <Exec><Command>b.exe</Command><Command/><Command></Command></Exec>\
            <CommandLine>no</CommandLine><Command><x>no</x></Command></Task>";
        let all = |name| texts(xml, name).collect::<Vec<_>>();
        assert_eq!(all("Command"), ["cmd.exe", "b.exe"]);
        assert_eq!(all("Arguments"), ["/c \"a && b!\" &nope; &"]);
        assert_eq!(all("Author"), Vec::<&str>::new());
    }

    #[test]
    fn broken_xml_ends() {
        for xml in ["", "<", "<Command", "<Command>", "<Command>x", "<Command>x<", "<<Command>x</"]
        {
            assert_eq!(texts(xml, "Command").count(), 0, "{xml}");
        }
    }
}
