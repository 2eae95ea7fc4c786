//! Exactly-once delivery: alerts, dead letters and positions become visible in one transaction.
//!
//! Decides nothing: [`crate::transaction`] says what to do next, this carries it out.

mod steps;

use std::time::{Duration, Instant};

use super::outside::{Outside, may_write};
use super::way::Way;
use crate::detect::Origin;
use crate::event::TimeSpan;
use crate::kafka::client::outcome::{failed_for_good, is_rebalance, on_transaction};
use crate::kafka::client::{ClientError, Consumer, Writer};
use crate::kafka::state::{Concern, Leases, Shared, failpoint};
use crate::kafka::worker::Accepted;
use crate::transaction::{Answer, Bundle, Outcome, Step, Transactions};

/// How long one call may take; one that takes longer is made again, and goes on where it was.
const CALL: Duration = Duration::from_secs(1);

/// Transactions of one producer after the other.
pub(in crate::kafka) struct Transactional {
    transactions: Transactions,
    writer: Option<Writer>,
    consumer: Consumer,
    /// How many outputs of the open transaction the client has been given.
    written: usize,
    /// Where the protocol's clock starts.
    epoch: Instant,
    /// Why the transaction that is being aborted was given up.
    reason: Option<ClientError>,
    is_fenced: bool,
}

impl Way for Transactional {
    fn takes_more(&self) -> bool {
        self.transactions.takes_more()
    }

    fn add(&mut self, bundles: Vec<Bundle>) {
        self.transactions.add(bundles);
    }

    fn deliver(&mut self, outside: &Outside, deadline: Instant) -> bool {
        loop {
            outside.heart.beat();
            self.drop_ended(&outside.shared.leases);
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
            if step == Step::Begin && self.has_output() && !may_write(outside) {
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

    fn drop_ended(&mut self, leases: &Leases) {
        let now = self.now();
        leases.with_held(|held| {
            self.transactions.lose(|bundle| !held.has(&bundle.origin, bundle.lease), now);
        });
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
    pub(in crate::kafka) fn new(shared: &Shared, writer: Writer, consumer: Consumer) -> Self {
        let timeout = i64::from(shared.settings.transaction_timeout());
        Self {
            transactions: Transactions::new(TimeSpan::from_millis(timeout)),
            writer: Some(writer),
            consumer,
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

    fn has_output(&self) -> bool {
        self.transactions.bundles().iter().any(|bundle| !bundle.outputs.is_empty())
    }

    /// Serves the client's log and errors.
    fn serve(&self) {
        if let Some(writer) = &self.writer {
            writer.answers(Duration::ZERO);
        }
    }

    fn judge(
        &mut self,
        step: Step,
        went: Result<Answer, ClientError>,
        outside: &Outside,
    ) -> Answer {
        let error = match went {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let answer = on_transaction(&error);
        let code = error.code();
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
                let accepted = |bundle| {
                    let Bundle { origin, lease, cut, .. } = bundle;
                    Accepted { origin, lease, cut }
                };
                outside.accept(bundles.into_iter().map(accepted).collect());
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
                let code = self.reason.as_ref().and_then(ClientError::code);
                outside.shared.requests.fail(match code {
                    Some(code) if code.is_fenced_instance() => failed_for_good(code, settings),
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
