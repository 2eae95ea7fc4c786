//! Names of accounts.

/// Splits `domain\user`; anything but two parts is neither.
pub(super) fn domain_and_user(text: &str) -> Option<(&str, &str)> {
    text.split_once('\\').filter(|(_, user)| !user.contains('\\'))
}

/// Returns the common name of a directory name: `CN=Jane Doe,OU=…`.
pub(super) fn common_name(text: &str) -> Option<&str> {
    let start = text.get(..3).filter(|start| start.eq_ignore_ascii_case("CN="))?;
    text[start.len()..].split(',').next()
}
