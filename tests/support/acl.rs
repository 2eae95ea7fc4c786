//! Rights in a cluster, as an operator gives them: Kafka's request `CreateAcls`, version 1, by hand.
//!
//! The client library cannot send it. <https://kafka.apache.org/protocol#The_Messages_CreateAcls>
//! has the layout.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;

/// What a right is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resource<'n> {
    Topic(&'n str),
    Group(&'n str),
    /// All transactional ids that begin so.
    TransactionalIds(&'n str),
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operation {
    Read = 3,
    Write = 4,
    Describe = 8,
}

const CREATE_ACLS: u16 = 30;
const VERSION: u16 = 1;
const LITERAL: u8 = 3;
const PREFIXED: u8 = 4;
const ALLOW: u8 = 3;

/// Lets a user do this from any host; `broker` is where operators come in.
///
/// # Panics
/// When the broker refuses.
pub(crate) fn allow(broker: &str, user: &str, what: Resource<'_>, operation: Operation) {
    let answer = ask(broker, &request(user, what, operation));
    // Correlation, throttle time, one result: its error comes first.
    let results = u32::from_be_bytes(answer[8..12].try_into().unwrap());
    let error = i16::from_be_bytes(answer[12..14].try_into().unwrap());
    assert_eq!((results, error), (1, 0), "{what:?} {operation:?} for {user}");
}

fn request(user: &str, what: Resource<'_>, operation: Operation) -> Vec<u8> {
    let (kind, name, pattern) = match what {
        Resource::Topic(name) => (2, name, LITERAL),
        Resource::Group(name) => (3, name, LITERAL),
        Resource::TransactionalIds(name) => (5, name, PREFIXED),
    };
    let mut body = Vec::new();
    for number in [CREATE_ACLS, VERSION] {
        body.extend(number.to_be_bytes());
    }
    let correlation = 1_u32;
    body.extend(correlation.to_be_bytes());
    put_text(&mut body, "operator");
    let creations = 1_u32;
    body.extend(creations.to_be_bytes());
    body.push(kind);
    put_text(&mut body, name);
    body.push(pattern);
    put_text(&mut body, &format!("User:{user}"));
    put_text(&mut body, "*");
    body.extend([operation as u8, ALLOW]);
    body
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

fn ask(broker: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer
}
