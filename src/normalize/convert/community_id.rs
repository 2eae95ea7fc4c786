//! Community ID, version 1, with seed 0: one name for both directions of a connection.

use std::borrow::Cow;
use std::net::IpAddr;

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::event::ip::written_ip;

/// Returns the Community ID of source address and port, destination address and port, and
/// protocol (`tcp`, `udp`, `sctp` or their numbers); nothing if one of them cannot be read.
pub(in crate::normalize) fn of_texts(parts: [Option<Cow<'_, str>>; 5]) -> Option<String> {
    let [source, source_port, destination, destination_port, protocol] = &parts;
    let protocol = protocol.as_deref()?;
    let number = match protocol {
        "6" => 6,
        "17" => 17,
        "132" => 132,
        name if name.eq_ignore_ascii_case("tcp") => 6,
        name if name.eq_ignore_ascii_case("udp") => 17,
        name if name.eq_ignore_ascii_case("sctp") => 132,
        _ => return None,
    };
    let end = |address: &Option<Cow<'_, str>>, port: &Option<Cow<'_, str>>| -> Option<Vec<u8>> {
        let mut bytes = match written_ip(address.as_deref()?)? {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.extend(port.as_deref()?.parse::<u16>().ok()?.to_be_bytes());
        Some(bytes)
    };
    let mut ends = [end(source, source_port)?, end(destination, destination_port)?];
    if ends[0].len() != ends[1].len() {
        return None;
    }
    ends.sort_unstable();
    let address_len = ends[0].len() - 2;
    let mut message = vec![0, 0];
    ends.iter().for_each(|end| message.extend(&end[..address_len]));
    message.extend([number, 0]);
    ends.iter().for_each(|end| message.extend(&end[address_len..]));
    Some(format!("1:{}", BASE64.encode(&Sha1::digest(&message))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(parts: [&str; 5]) -> Option<String> {
        of_texts(parts.map(|part| Some(Cow::Borrowed(part))))
    }

    #[test]
    fn both_directions_have_one_id() {
        let forth = id(["128.232.110.120", "34855", "66.35.250.204", "80", "tcp"]);
        assert_eq!(forth.as_deref(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert_eq!(id(["66.35.250.204", "80", "128.232.110.120", "34855", "6"]), forth);
    }

    #[test]
    fn what_cannot_be_read_has_none() {
        assert_eq!(id(["10.0.0.1", "1", "::1", "2", "tcp"]), None);
        assert_eq!(id(["10.0.0.1", "70000", "10.0.0.2", "2", "tcp"]), None);
        assert_eq!(id(["10.0.0.1", "8", "10.0.0.2", "0", "1"]), None);
        assert_eq!(of_texts([None, None, None, None, None]), None);
    }
}
