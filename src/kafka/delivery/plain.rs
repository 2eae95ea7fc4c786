//! At-least-once delivery: output is written and acknowledged, then its positions are committed.
//!
//! Never commits a position whose output is not acknowledged. Output comes twice only if the
//! process dies, or the partition is lost, between the two.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::outside::{Outside, may_write};
use super::way::{PATIENCE, Way};
use crate::detect::Origin;
use crate::kafka::client::outcome::{Commit, Delivered, on_commit, on_delivery};
use crate::kafka::client::{Code, Consumer, Positions, Writer};
use crate::kafka::state::{Concern, Leases};
use crate::kafka::worker::Accepted;
use crate::transaction::Bundle;

/// How often it is looked for answers that the client has not announced.
const LOOK: Duration = Duration::from_millis(10);

/// Bundles on their way, and the tickets of their records that the client holds.
pub(in crate::kafka) struct Plain {
    writer: Writer,
    consumer: Consumer,
    open: Vec<Parcel>,
    /// By ticket: the lease of the bundle, and the place in it.
    in_flight: HashMap<usize, (u64, usize)>,
    next_ticket: usize,
}

/// A bundle and how far each of its outputs has come.
struct Parcel {
    bundle: Bundle,
    progress: Vec<Progress>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    InFlight,
    Durable,
}

impl Parcel {
    fn is_durable(&self) -> bool {
        self.progress.iter().all(|progress| *progress == Progress::Durable)
    }
}

impl Way for Plain {
    fn takes_more(&self) -> bool {
        true
    }

    fn add(&mut self, bundles: Vec<Bundle>) {
        self.open.extend(bundles.into_iter().map(|bundle| {
            let progress = vec![Progress::Waiting; bundle.outputs.len()];
            Parcel { bundle, progress }
        }));
    }

    fn deliver(&mut self, outside: &Outside, deadline: Instant) -> bool {
        if self.open.is_empty() {
            // Serves the client's log and errors.
            self.take_answers(outside, Duration::ZERO);
            return true;
        }
        let is_written = self.write(outside, deadline);
        let is_committed = self.commit(outside);
        is_written && is_committed
    }

    fn drop_ended(&mut self, leases: &Leases) {
        leases.with_held(|held| {
            self.open.retain(|parcel| held.has(&parcel.bundle.origin, parcel.bundle.lease));
        });
        let open = &self.open;
        self.in_flight.retain(|_, (lease, _)| open.iter().any(|p| p.bundle.lease == *lease));
    }

    fn holds(&self, origins: &[Origin]) -> bool {
        self.open.iter().any(|parcel| origins.contains(&parcel.bundle.origin))
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

impl Plain {
    /// Returns a way without anything under way.
    pub(in crate::kafka) fn new(writer: Writer, consumer: Consumer) -> Self {
        Self { writer, consumer, open: Vec::new(), in_flight: HashMap::new(), next_ticket: 0 }
    }

    /// Writes what is not yet durable; tells whether all of it is now.
    fn write(&mut self, outside: &Outside, deadline: Instant) -> bool {
        let has_output = self.open.iter().any(|parcel| !parcel.is_durable());
        if !has_output {
            return true;
        }
        if !may_write(outside) {
            return false;
        }
        while (self.send_waiting(outside) || !self.in_flight.is_empty())
            && Instant::now() < deadline
        {
            self.take_answers(outside, LOOK);
        }
        let is_written = self.open.iter().all(Parcel::is_durable);
        match is_written {
            true => outside.relieve(Concern::Delivery, "alerts are being written again"),
            false if !self.in_flight.is_empty() => {
                outside.complain(Concern::Delivery, "alerts wait for the brokers' acknowledgement");
            }
            false => {}
        }
        is_written
    }

    /// Hands the client what it has not been given yet; tells whether it has no room for some of it.
    fn send_waiting(&mut self, outside: &Outside) -> bool {
        let Self { writer, open, in_flight, next_ticket, .. } = self;
        let mut refusal = None;
        for parcel in open {
            let outputs = parcel.bundle.outputs.iter().zip(&mut parcel.progress).enumerate();
            for (index, (pending, progress)) in outputs {
                if *progress != Progress::Waiting {
                    continue;
                }
                let origin = &parcel.bundle.origin;
                match writer.send(origin, &pending.message, *next_ticket) {
                    Ok(()) => {
                        in_flight.insert(*next_ticket, (parcel.bundle.lease, index));
                        *progress = Progress::InFlight;
                        *next_ticket += 1;
                    }
                    Err(code) if code.is_queue_full() => return true,
                    Err(code) => refusal = Some(code),
                }
            }
        }
        if let Some(code) = refusal {
            outside.note_failed_delivery(code);
        }
        false
    }

    fn take_answers(&mut self, outside: &Outside, wait: Duration) {
        for (ticket, code) in self.writer.answers(wait) {
            let Some((lease, index)) = self.in_flight.remove(&ticket) else { continue };
            let parcel = self.open.iter_mut().find(|p| p.bundle.lease == lease);
            let Some(parcel) = parcel else { continue };
            match on_delivery(code) {
                Delivered::Yes => {
                    parcel.progress[index] = Progress::Durable;
                    outside.count_delivered(&parcel.bundle.outputs[index]);
                }
                Delivered::Again(_) => {
                    parcel.progress[index] = Progress::Waiting;
                    outside.note_failed_delivery(code);
                }
            }
        }
    }

    /// Commits the parcels whose output is durable; tells whether that worked.
    fn commit(&mut self, outside: &Outside) -> bool {
        let started = outside.shared.leases.with_held(|held| {
            let mut positions = Positions::default();
            let is_ready = |parcel: &&Parcel| {
                parcel.is_durable() && held.has(&parcel.bundle.origin, parcel.bundle.lease)
            };
            for Parcel { bundle, .. } in self.open.iter().filter(is_ready) {
                positions.add(&bundle.origin, bundle.cut.position, &bundle.cut.metadata);
            }
            (!positions.is_empty()).then(|| self.consumer.commit(&positions))
        });
        let Some(started) = started else { return true };
        let answers = started.and_then(|pending| pending.wait(PATIENCE));
        match answers {
            Ok(answers) => self.settle(outside, answers),
            Err(code) => judge(outside, code),
        }
    }

    /// Accepts what is committed; tells whether that is all.
    fn settle(&mut self, outside: &Outside, answers: Vec<(Origin, Code)>) -> bool {
        let mut accepted = Vec::new();
        let mut is_all_done = true;
        for (origin, code) in answers {
            if on_commit(code) != Commit::Done {
                is_all_done &= judge(outside, code);
                continue;
            }
            if let Some(at) = self.open.iter().position(|parcel| parcel.bundle.origin == origin) {
                let Bundle { lease, cut, .. } = self.open.swap_remove(at).bundle;
                accepted.push(Accepted { origin, lease, cut });
            }
        }
        outside.accept(accepted);
        if is_all_done {
            outside.count_commit("ok");
            outside.relieve(Concern::Commit, "positions are being committed again");
        }
        is_all_done
    }
}

/// Notes a commit that failed; tells whether it is settled nevertheless.
fn judge(outside: &Outside, code: Code) -> bool {
    match on_commit(code) {
        Commit::Done => return true,
        Commit::Rebalancing => {
            outside.count_commit("rebalance");
            tracing::debug!(%code, "commit waits for the rebalance");
        }
        Commit::Again => {
            outside.count_commit("retry");
            outside.complain(Concern::Commit, &format!("positions cannot be committed: {code}"));
        }
        Commit::Fenced => {
            outside.count_commit("failed");
            outside.shared.requests.fail(format!("another instance has taken our place: {code}"));
        }
    }
    false
}
