//! A relay between clients and a broker that can hold the ends of transactions back.
//!
//! Understands of Kafka's protocol that a message is four bytes of length and a body, and that a
//! request's body begins with its kind and, after the kind's version, with the number that the
//! answer begins with.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The kind of the request that commits or aborts a transaction.
const END_TXN: u16 = 26;

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hold {
    /// The broker does not get the requests: they are late.
    Requests,
    /// The client does not get the answers: what became of the requests is unknown to it.
    Answers,
}

/// A relay; it ends with the test program.
pub struct Proxy(Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    hold: Option<Hold>,
    /// How many messages have been held.
    held: usize,
}

impl Proxy {
    /// Relays whatever comes to `front` to the port `behind`.
    pub fn start(front: TcpListener, behind: u16) -> Self {
        let gate = Arc::new(Gate::default());
        let proxy = Self(Arc::clone(&gate));
        thread::spawn(move || {
            for client in front.incoming() {
                // Without a broker the client finds its connection closed.
                let Ok(broker) = TcpStream::connect(("127.0.0.1", behind)) else { continue };
                relay(&client.unwrap(), &broker, &gate);
            }
        });
        proxy
    }

    /// Holds back from now on what ends transactions, and all that follows it on its connection.
    pub fn hold(&self, hold: Hold) {
        self.0.state().hold = Some(hold);
    }

    /// Waits until something is held.
    pub fn wait_held(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.0.state().held == 0 {
            assert!(Instant::now() < deadline, "nothing has come to be held");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets everything go that is held, in its order.
    pub fn release(&self) {
        self.0.state().hold = None;
        self.0.changed.notify_all();
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|failed| failed.into_inner())
    }

    fn pass(&self, hold: Hold) {
        let mut state = self.state();
        if state.hold == Some(hold) {
            state.held += 1;
        }
        while state.hold == Some(hold) {
            state = self.changed.wait(state).unwrap_or_else(|failed| failed.into_inner());
        }
    }
}

/// Relays one connection in both directions.
fn relay(client: &TcpStream, broker: &TcpStream, gate: &Arc<Gate>) {
    for stream in [client, broker] {
        stream.set_nodelay(true).unwrap();
    }
    // Numbers of requests that end a transaction and have no answer yet.
    let ends: Arc<Mutex<BTreeSet<[u8; 4]>>> = Arc::default();
    let noted = Arc::clone(&ends);
    one_way(client, broker, gate, move |body| {
        let kind = u16::from_be_bytes([body[0], body[1]]);
        let is_end = kind == END_TXN;
        if is_end {
            noted.lock().unwrap().insert(body[4..8].try_into().unwrap());
        }
        is_end.then_some(Hold::Requests)
    });
    one_way(broker, client, gate, move |body| {
        let number: [u8; 4] = body[..4].try_into().unwrap();
        ends.lock().unwrap().remove(&number).then_some(Hold::Answers)
    });
}

/// Relays messages until either end is gone; then neither has a connection any more.
fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    gate: &Arc<Gate>,
    judge: impl Fn(&[u8]) -> Option<Hold> + Send + 'static,
) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        while let Ok((size, body)) = message(&mut from) {
            if let Some(hold) = judge(&body) {
                gate.pass(hold);
            }
            if to.write_all(&size).and_then(|()| to.write_all(&body)).is_err() {
                break;
            }
        }
        for stream in [&from, &to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
}

fn message(from: &mut TcpStream) -> io::Result<([u8; 4], Vec<u8>)> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let mut body = vec![0; u32::from_be_bytes(size) as usize];
    from.read_exact(&mut body)?;
    Ok((size, body))
}
