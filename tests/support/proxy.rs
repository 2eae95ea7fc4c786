//! A relay between clients and a broker that can hold some messages back.
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

/// The kind of the request that asks where a partition begins and ends.
const LIST_OFFSETS: u16 = 2;
/// The kind of the request that commits or aborts a transaction.
const END_TXN: u16 = 26;

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hold {
    /// Requests for the first and last offsets of partitions.
    ListOffsets,
    /// Requests that end transactions: they are late.
    EndTxn,
    /// The answers to these: what became of the requests is unknown.
    EndTxnAnswers,
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

    /// Holds these back from now on, and all that follows them on their connections.
    pub fn hold(&self, hold: Hold) {
        *self.0.state() = State { hold: Some(hold), held: 0 };
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
    one_way(client, broker, gate, move |body| match u16::from_be_bytes([body[0], body[1]]) {
        LIST_OFFSETS => Some(Hold::ListOffsets),
        END_TXN => {
            noted.lock().unwrap().insert(body[4..8].try_into().unwrap());
            Some(Hold::EndTxn)
        }
        _ => None,
    });
    one_way(broker, client, gate, move |body| {
        let number: [u8; 4] = body[..4].try_into().unwrap();
        ends.lock().unwrap().remove(&number).then_some(Hold::EndTxnAnswers)
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
