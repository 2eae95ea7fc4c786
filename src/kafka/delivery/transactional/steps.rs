//! The steps of a transaction, as calls of the client.

use std::time::{Duration, Instant};

use super::{CALL, Transactional};
use crate::detect::Origin;
use crate::kafka::client::outcome::{Delivered, on_delivery};
use crate::kafka::client::{ClientError, Positions, Writer};
use crate::kafka::delivery::outside::Outside;
use crate::kafka::state::{Concern, failpoint};
use crate::transaction::{Answer, Bundle, Outcome, Step};

/// How often it is looked for answers that the client has not announced.
const LOOK: Duration = Duration::from_millis(10);

impl Transactional {
    pub(super) fn carry_out(
        &mut self,
        step: Step,
        outside: &Outside,
    ) -> Result<Answer, ClientError> {
        if step == Step::Open {
            return self.open(outside);
        }
        let Some(writer) = &self.writer else { return Ok(Answer::Broken) };
        match step {
            Step::Begin => {
                failpoint::reach("before_begin");
                self.written = 0;
                writer.begin()?;
            }
            Step::Write => return Ok(self.write(outside)),
            Step::Offsets => return self.offsets(outside),
            Step::Drain => return Ok(self.drain(outside)),
            Step::Commit => {
                failpoint::reach_soon("in_commit");
                writer.commit(CALL)?;
            }
            Step::Abort => writer.abort(CALL)?,
            Step::Rest | Step::Open | Step::Ask => {}
        }
        Ok(Answer::Done)
    }

    fn open(&mut self, outside: &Outside) -> Result<Answer, ClientError> {
        let writer = match self.writer.take() {
            // One that is still being initialised goes on where it was.
            Some(writer) if !writer.is_used() => writer,
            // A used one is closed first: two with one id would fence each other.
            used => {
                drop(used);
                match Writer::new(&outside.shared.settings, &outside.shared.journal_ends) {
                    Ok(writer) => writer,
                    Err(error) => {
                        outside.complain(Concern::Commit, &error.to_string());
                        return Ok(Answer::Again);
                    }
                }
            }
        };
        let opened = writer.open(CALL);
        self.writer = Some(writer);
        opened.map(|()| Answer::Done)
    }

    /// Hands the client what it has not been given yet.
    fn write(&mut self, outside: &Outside) -> Answer {
        let Some(writer) = &self.writer else { return Answer::Broken };
        let messages = self.transactions.bundles().iter().flat_map(|bundle| {
            bundle.outputs.iter().map(|pending| (&bundle.origin, &pending.message))
        });
        for (origin, message) in messages.skip(self.written) {
            match writer.send(origin, message, self.written) {
                Ok(()) => self.written += 1,
                Err(code) if code.is_queue_full() => {
                    writer.answers(Duration::from_millis(1));
                    return Answer::Again;
                }
                Err(code) => {
                    outside.note_failed_delivery(code);
                    return Answer::Abort;
                }
            }
        }
        Answer::Done
    }

    /// Adds the cuts to the transaction, in the name of the group's present generation.
    fn offsets(&self, outside: &Outside) -> Result<Answer, ClientError> {
        let Some(writer) = &self.writer else { return Ok(Answer::Broken) };
        let bundles = self.transactions.bundles();
        // INVARIANT: whoever takes a partition away ends its lease first. A generation that is read
        // while all leases are held is one in which the partitions are ours; the broker refuses it
        // as soon as there is a newer one.
        let membership = outside.shared.leases.with_held(|held| {
            let is_held = |bundle: &Bundle| held.has(&bundle.origin, bundle.lease);
            bundles.iter().all(is_held).then(|| self.consumer.membership())
        });
        let Some(membership) = membership else { return Ok(Answer::Abort) };
        let mut positions = Positions::default();
        for bundle in bundles {
            positions.add(&bundle.origin, bundle.cut.position, &bundle.cut.metadata);
        }
        match membership {
            Some(membership) => {
                writer.offsets(&positions, &membership, CALL).map(|()| Answer::Done)
            }
            None => {
                outside.count_commit("rebalance");
                Ok(Answer::Abort)
            }
        }
    }

    /// Waits until the output has arrived: the client's own waiting takes 100 ms at least.
    fn drain(&self, outside: &Outside) -> Answer {
        let Some(writer) = &self.writer else { return Answer::Broken };
        let ends = Instant::now() + CALL;
        loop {
            let wait = if writer.in_flight() > 0 { LOOK } else { Duration::ZERO };
            let failed = writer.answers(wait);
            let failed = failed.into_iter().find(|(_, code)| on_delivery(*code) != Delivered::Yes);
            if let Some((_, code)) = failed {
                outside.note_failed_delivery(code);
                return Answer::Abort;
            }
            if writer.in_flight() == 0 {
                return Answer::Done;
            }
            if Instant::now() >= ends {
                outside.complain(Concern::Delivery, "alerts wait for the brokers' acknowledgement");
                return Answer::Again;
            }
        }
    }

    /// Asks whether the last commit came through; no answer means to ask again.
    pub(super) fn ask(&mut self, outside: &Outside) -> Option<Outcome> {
        let bundles = self.transactions.bundles();
        let origins: Vec<Origin> = bundles.iter().map(|bundle| bundle.origin.clone()).collect();
        match self.consumer.questions().committed(&origins, CALL) {
            Ok(found) => {
                let found: Vec<(Origin, i64, String)> = found
                    .into_iter()
                    .filter_map(|(origin, committed)| {
                        committed.map(|found| (origin, found.position, found.metadata))
                    })
                    .collect();
                Some(self.transactions.committed(&found, self.now()))
            }
            Err(error) => {
                let what = format!("whether positions are committed cannot be asked: {error}");
                outside.complain(Concern::Commit, &what);
                std::thread::sleep(Duration::from_millis(100));
                None
            }
        }
    }
}
