//! `cidrMatch`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::super::ast::Case;
use super::super::types::Type;
use super::{Function, Param, Scalar, example, required};
use crate::event::ip::parse_ip;

const BLOCK: Param = Param { constant: true, ..required("block", Type::String) };

pub(super) const CIDR_MATCH: Function = Function {
    name: "cidrMatch",
    params: &[required("address", Type::String), BLOCK],
    rest: Some(BLOCK),
    returns: Type::Boolean,
    has_tilde: false,
    doc: "Tells whether an IP address lies in one of the blocks; a block may be a single address.",
    examples: &[
        example(r#"cidrMatch(a, "10.0.0.0/8", "::1")"#, r#"{"a":"10.1.2.3"}"#, true),
        example(r#"cidrMatch(a, "10.0.0.0/8", "::1")"#, r#"{"a":"0:0:0:0:0:0:0:1"}"#, true),
        example(r#"cidrMatch(a, "10.6.48.157/8")"#, r#"{"a":"::ffff:10.1.2.3"}"#, true),
        example(r#"cidrMatch(a, "10.0.0.0/8")"#, r#"{"a":"11.1.2.3"}"#, false),
        example(r#"not cidrMatch(a, "10.0.0.0/8")"#, "{}", true),
    ],
    eval,
};

/// Returns the addresses that a block holds; bits behind the mask do not count.
///
/// Blocks of v4-mapped addresses are v4 blocks, as the addresses are v4 addresses.
pub fn parse_block(text: &str) -> Option<IpNet> {
    if !text.contains('/') {
        return parse_ip(text).map(IpNet::from);
    }
    let block: IpNet = text.parse().ok()?;
    let mapped = match block {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .network()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok().map(IpNet::V4)),
        _ => None,
    };
    Some(mapped.unwrap_or(block).trunc())
}

fn eval<'a>(args: &[Scalar<'a>], _: Case) -> Scalar<'a> {
    let (address, blocks) = args.split_first()?;
    let address: Option<IpAddr> = parse_ip(&address.as_ref()?.text()?);
    let inside = |block: &Scalar<'_>| -> Option<bool> {
        Some(parse_block(&block.as_ref()?.text()?)?.contains(&address?))
    };
    Some(blocks.iter().any(|block| inside(block).unwrap_or(false)).into())
}
