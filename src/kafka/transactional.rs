//! Exactly-once delivery: alerts, dead letters and positions become visible in one transaction.
//!
//! Decides nothing: [`crate::transaction`] says what to do next, this carries it out.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::assignment::committed_of;
use super::committer::{Delivery, Outside, add};
use super::failpoint;
use super::health::{Concern, lock};
use super::outcome::{Delivered, is_rebalance, on_delivery, on_transaction};
use super::queue::generation_of;
use super::shared::Shared;
use super::writer::Writer;
use crate::detect::{Cut, Origin};
use crate::event::TimeSpan;
use crate::transaction::{Answer, Bundle, Outcome, Step, Transactions};

/// How long one call may take; one that takes longer is made again, and goes on where it was.
const CALL: Duration = Duration::from_secs(1);

/// Transactions of one producer after the other.
pub(super) struct Transactional {
    transactions: Transactions,
    writer: Option<Writer>,
    /// How many outputs of the open transaction the client has been given.
    written: usize,
    /// Where the protocol's clock starts.
    epoch: Instant,
    /// Why the transaction that is being aborted was given up.
    reason: Option<KafkaError>,
    is_fenced: bool,
}

impl Delivery for Transactional {
    fn takes_more(&self) -> bool {
        self.transactions.takes_more()
    }

    fn add(&mut self, bundles: Vec<Bundle>) {
        self.transactions.add(bundles);
    }

    fn deliver(&mut self, outside: &Outside, deadline: Instant) -> bool {
        loop {
            outside.heart.beat();
            let step = self.transactions.next();
            if step == Step::Rest || self.is_fenced {
                self.serve();
                // Whatever was complained about, nothing waits any more.
                if !self.is_fenced {
                    outside.relieve(Concern::Delivery, "alerts are being written again");
                    outside.relieve(Concern::Commit, "positions are being committed again");
                }
                return step == Step::Rest;
            }
            if step == Step::Begin && !may_write(outside, self.transactions.bundles()) {
                return false;
            }
            let outcome = match step {
                Step::Ask => self.ask(outside),
                step => {
                    let went = self.carry_out(step, outside);
                    let answer = self.judge(step, went, outside);
                    let outcome = self.transactions.answer(answer, self.now());
                    reach_after(step);
                    // A call that waited has waited long enough; others would spin.
                    if answer != Answer::Done {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    outcome
                }
            };
            match outcome {
                None if Instant::now() < deadline => {}
                None => return false,
                Some(outcome) => {
                    if !self.conclude(outcome, outside) {
                        return false;
                    }
                }
            }
        }
    }

    fn discard(&mut self, origins: &[Origin]) {
        let now = self.now();
        self.transactions.lose(origins, now);
    }

    fn holds(&self, origins: &[Origin]) -> bool {
        self.transactions.bundles().iter().any(|bundle| origins.contains(&bundle.origin))
    }

    fn is_idle(&self) -> bool {
        self.transactions.next() == Step::Rest
    }
}

impl Transactional {
    /// Returns a way that has not met a broker yet.
    pub(super) fn new(shared: &Shared, writer: Writer) -> Self {
        let timeout = i64::from(shared.settings.transaction_timeout());
        Self {
            transactions: Transactions::new(TimeSpan::from_millis(timeout)),
            writer: Some(writer),
            written: 0,
            epoch: Instant::now(),
            reason: None,
            is_fenced: false,
        }
    }

    fn now(&self) -> TimeSpan {
        let millis = self.epoch.elapsed().as_millis();
        TimeSpan::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Serves the client's log and errors.
    fn serve(&self) {
        if let Some(writer) = &self.writer {
            writer.answers(Duration::ZERO);
        }
    }

    fn carry_out(&mut self, step: Step, outside: &Outside) -> Result<Answer, KafkaError> {
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

    fn open(&mut self, outside: &Outside) -> Result<Answer, KafkaError> {
        let writer = match self.writer.take() {
            // One that is still being initialised goes on where it was.
            Some(writer) if !writer.is_used() => writer,
            // A used one is closed first: two with one id would fence each other.
            used => {
                drop(used);
                match Writer::new(&outside.shared) {
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
                Err(RDKafkaErrorCode::QueueFull) => {
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
    fn offsets(&self, outside: &Outside) -> Result<Answer, KafkaError> {
        let Some(writer) = &self.writer else { return Ok(Answer::Broken) };
        let mut list = TopicPartitionList::new();
        let membership = {
            // INVARIANT: whoever takes a partition away takes it out of `owned` first. A
            // generation that is read while all of them stand there is one in which they are ours;
            // the broker refuses it as soon as there is a newer one.
            let owned = lock(&outside.shared.owned);
            let bundles = self.transactions.bundles();
            if !bundles.iter().all(|bundle| owned.contains(&bundle.origin)) {
                return Ok(Answer::Abort);
            }
            for bundle in bundles {
                add(&mut list, &bundle.origin, &bundle.cut);
            }
            // Who is in no generation is not fenced at all: brokers take his offsets.
            let before = generation_of(&outside.consumer);
            let membership = outside.consumer.group_metadata();
            let after = generation_of(&outside.consumer);
            membership.filter(|_| before.is_some() && before == after)
        };
        match membership {
            Some(membership) => writer.offsets(&list, &membership, CALL).map(|()| Answer::Done),
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
            let failed = writer.answers(Duration::from_millis(u64::from(writer.in_flight() > 0)));
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
    fn ask(&mut self, outside: &Outside) -> Option<Outcome> {
        let mut list = TopicPartitionList::new();
        for bundle in self.transactions.bundles() {
            list.add_partition(&bundle.origin.topic, bundle.origin.partition);
        }
        match committed_of(&outside.consumer, &list, CALL) {
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

    fn judge(&mut self, step: Step, went: Result<Answer, KafkaError>, outside: &Outside) -> Answer {
        let error = match went {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let answer = on_transaction(&error);
        let code = error.rdkafka_error_code();
        tracing::debug!(?step, ?answer, %error, "transaction");
        if code.is_some_and(is_rebalance) {
            outside.count_commit("rebalance");
        } else if answer != Answer::Again || step == Step::Open {
            let what = format!("alerts and positions cannot be committed: {error}");
            outside.complain(Concern::Commit, &what);
        }
        self.reason = Some(error);
        answer
    }

    /// Acts on the end of a transaction; tells whether to go on at once.
    fn conclude(&mut self, outcome: Outcome, outside: &Outside) -> bool {
        match outcome {
            Outcome::Committed(bundles) => {
                for pending in bundles.iter().flat_map(|bundle| &bundle.outputs) {
                    outside.count_delivered(pending);
                }
                let cuts: Vec<(Origin, Cut)> =
                    bundles.into_iter().map(|bundle| (bundle.origin, bundle.cut)).collect();
                outside.accept(cuts);
                outside.count_commit("ok");
                true
            }
            Outcome::Aborted => {
                outside.count_commit("retry");
                tracing::info!(reason = ?self.reason.take(), "transaction was aborted");
                false
            }
            Outcome::Fenced => {
                outside.count_commit("failed");
                self.is_fenced = true;
                let settings = &outside.shared.settings;
                let id = settings.instance();
                // A static member may hear of it here first, and not from the group.
                let code = self.reason.as_ref().and_then(KafkaError::rdkafka_error_code);
                outside.shared.fail(match code {
                    Some(code @ RDKafkaErrorCode::FencedInstanceId) => {
                        super::failed_for_good(code, settings)
                    }
                    _ => format!(
                        "another instance of the group has the same `kafka.instance_id`, `{id}`, and \
                         has taken over: give each instance a name of its own"
                    ),
                });
                false
            }
        }
    }
}

/// Writing to a topic that is missing would make some brokers create it.
fn may_write(outside: &Outside, bundles: &[Bundle]) -> bool {
    let has_output = bundles.iter().any(|bundle| !bundle.outputs.is_empty());
    match outside.shared.missing_topics() {
        Some(missing) if has_output => {
            outside.shared.metrics.alert.errors.with_label_values(&["no_topic"]).inc();
            outside.complain(Concern::Delivery, &missing);
            false
        }
        _ => true,
    }
}

fn reach_after(step: Step) {
    match step {
        Step::Begin => failpoint::reach("after_begin"),
        Step::Write => failpoint::reach("after_produce"),
        Step::Offsets => failpoint::reach("after_offsets"),
        Step::Drain => failpoint::reach("before_commit"),
        Step::Commit => failpoint::reach("after_commit"),
        _ => {}
    }
}
