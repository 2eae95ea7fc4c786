//! HTTP under those who open connections and send nothing.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxspan::http::{Settings, Status, bind};
use maxspan::metrics::Metrics;

fn server() -> maxspan::http::Server {
    let settings = Settings { listen: "127.0.0.1:0".parse().unwrap() };
    let status = Status {
        health: Arc::default(),
        partitions: Arc::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        rules: Arc::default(),
    };
    bind(&settings).unwrap().serve(status).unwrap()
}

/// Opens a connection and sends the beginning of a request.
fn half_open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /livez HT").unwrap();
    stream
}

/// Asks as a probe does, and returns the status.
fn probe(address: SocketAddr) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Tells whether the server has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    // An answer that the head took too long, or none: the end comes in both cases.
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn probes_are_answered_beside_two_hundred_half_open_connections() {
    let server = server();
    let mut open: Vec<TcpStream> = Vec::new();
    for number in 0..200 {
        open.push(half_open(server.address));
        if number % 20 == 0 {
            assert_eq!(probe(server.address), 200, "beside {number}");
        }
    }
    assert_eq!(probe(server.address), 200);
    let held = open.iter_mut().map(is_closed).filter(|is_closed| !is_closed).count();
    assert!((1..=64).contains(&held), "{held} are held");
    // The head of a request may take five seconds; then the others are gone too.
    let began = Instant::now();
    while open.iter_mut().map(is_closed).any(|is_closed| !is_closed) {
        assert!(began.elapsed() < Duration::from_secs(10), "some are still held");
        assert_eq!(probe(server.address), 200);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(probe(server.address), 200);
    server.stop();
}

#[test]
fn who_sends_a_byte_now_and_then_is_let_go() {
    let server = server();
    let mut slow = TcpStream::connect(server.address).unwrap();
    // One byte a second never completes a head, and each of them is a sign of life.
    let began = Instant::now();
    let end = loop {
        if slow.write_all(b"G").is_err() || is_closed(&mut slow) {
            break began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(12), "held for ever");
        std::thread::sleep(Duration::from_millis(500));
    };
    assert!(end >= Duration::from_secs(4), "{end:?}");
    assert_eq!(probe(server.address), 200);
    server.stop();
}
