//! A relay between clients and a broker that can hold some messages back, or be as slow as a long line.
//!
//! Understands of Kafka's protocol that a message is four bytes of length and a body, and that a
//! request's body begins with its kind and, after the kind's version, with the number that the
//! answer begins with.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
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

/// How slow the relay is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// How long a message is under way, in either direction.
    pub latency: Duration,
    /// How much all connections together carry in one direction.
    pub bytes_per_second: u32,
}

/// How many messages of a connection are under way at most.
const UNDER_WAY: usize = 256;

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
    link: Option<Link>,
    /// From when on the link carries more, by direction.
    free_from: [Option<Instant>; 2],
}

/// A direction of the relay.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    ToBroker,
    ToClient,
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
        let mut state = self.0.state();
        (state.hold, state.held) = (Some(hold), 0);
    }

    /// Makes it slow from now on.
    pub fn slow(&self, link: Link) {
        self.0.state().link = Some(link);
    }

    /// Makes it as fast as it can be.
    pub fn fast(&self) {
        self.0.state().link = None;
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

    /// Waits for as long as a message is under way that came to the relay at `arrived`.
    fn carry(&self, direction: Direction, arrived: Instant, bytes: usize) {
        let mut state = self.state();
        let Some(link) = state.link else { return };
        let free_from = &mut state.free_from[direction as usize];
        let begins = free_from.map_or(arrived, |time| time.max(arrived));
        let took = Duration::from_secs_f64(bytes as f64 / f64::from(link.bytes_per_second));
        *free_from = Some(begins + took);
        drop(state);
        let there = begins + took + link.latency;
        thread::sleep(there.saturating_duration_since(Instant::now()));
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
    one_way(client, broker, gate, Direction::ToBroker, move |body| {
        match u16::from_be_bytes([body[0], body[1]]) {
            LIST_OFFSETS => Some(Hold::ListOffsets),
            END_TXN => {
                noted.lock().unwrap().insert(body[4..8].try_into().unwrap());
                Some(Hold::EndTxn)
            }
            _ => None,
        }
    });
    one_way(broker, client, gate, Direction::ToClient, move |body| {
        let number: [u8; 4] = body[..4].try_into().unwrap();
        ends.lock().unwrap().remove(&number).then_some(Hold::EndTxnAnswers)
    });
}

/// A message on its way: when it came, and whether it may be held.
struct UnderWay {
    arrived: Instant,
    hold: Option<Hold>,
    size: [u8; 4],
    body: Vec<u8>,
}

/// Relays messages until either end is gone; then neither has a connection any more.
fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    gate: &Arc<Gate>,
    direction: Direction,
    judge: impl Fn(&[u8]) -> Option<Hold> + Send + 'static,
) {
    let (mut from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (send, under_way) = sync_channel(UNDER_WAY);
    let ends = [from.try_clone().unwrap(), to.try_clone().unwrap()];
    thread::spawn(move || {
        while let Ok((size, body)) = message(&mut from) {
            let hold = judge(&body);
            if send.send(UnderWay { arrived: Instant::now(), hold, size, body }).is_err() {
                break;
            }
        }
    });
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        hand_over(&under_way, to, &gate, direction);
        for stream in ends {
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
}

fn hand_over(under_way: &Receiver<UnderWay>, mut to: TcpStream, gate: &Gate, direction: Direction) {
    for message in under_way {
        gate.carry(direction, message.arrived, message.body.len());
        if let Some(hold) = message.hold {
            gate.pass(hold);
        }
        if to.write_all(&message.size).and_then(|()| to.write_all(&message.body)).is_err() {
            return;
        }
    }
}

fn message(from: &mut TcpStream) -> io::Result<([u8; 4], Vec<u8>)> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let mut body = vec![0; u32::from_be_bytes(size) as usize];
    from.read_exact(&mut body)?;
    Ok((size, body))
}
