//! A steady load of generated events in the shape that a collector sends.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use maxspan::event::EventTime;
use rdkafka::producer::Producer;

use crate::live::{DEADLINE, Setup, host_id, send};
use crate::support::corpus::{Corpus, Settings, Shape};

/// Events that are sent over and over, each time as if they happened now.
pub struct Load {
    /// Each with its host.
    events: Vec<(String, String)>,
    pub sent: AtomicU64,
    pub is_over: AtomicBool,
}

impl Load {
    pub fn make() -> Self {
        let corpus = Corpus::make(Settings::MANY_ATTACKS.of(200_000, 2_000, 100));
        let lines = std::fs::read_to_string(corpus.file(Shape::Ecs)).unwrap();
        let events = lines.lines().map(|line| (line.to_owned(), host_id(line))).collect();
        Self { events, sent: AtomicU64::new(0), is_over: AtomicBool::new(false) }
    }

    /// Sends so many a second, in portions of 10 ms.
    pub fn send(&self, setup: &Setup<'_>, rate: u64) {
        let producer = setup.producer();
        let topic = format!("{}-in", setup.name);
        let began = Instant::now();
        let mut event = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let due = began.elapsed().as_millis() as u64 * rate / 1_000;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let time = EventTime::from_millis(now as i64).to_string();
            for number in self.sent.load(Ordering::Relaxed)..due {
                let (line, host) = &self.events[number as usize % self.events.len()];
                event.clear();
                event.extend_from_slice(line.as_bytes());
                // Each begins with its time, to the millisecond.
                let at = b"{\"@timestamp\":\"".len();
                event[at..at + 23].copy_from_slice(&time.as_bytes()[..23]);
                send(&producer, &topic, Some(host.as_bytes()), Some(&event));
            }
            self.sent.store(due, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(10));
        }
        producer.flush(DEADLINE).unwrap();
    }
}

/// Returns a number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
