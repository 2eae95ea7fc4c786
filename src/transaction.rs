//! The protocol of exactly-once delivery: what to ask of the brokers next, and what follows from
//! their answer.
//!
//! Pure: never asks a broker itself and never reads a clock. Whoever does, carries out
//! [`Transactions::next`], and tells the answer with [`Transactions::answer`]. Between any two
//! steps the process may die, partitions may be lost, and the outcome of a commit may stay
//! unknown; output is given back as committed exactly when it is.

use crate::alert::{Message, Renderer};
use crate::detect::{Cut, Origin, Output};
use crate::event::TimeSpan;

/// A cut with its output, on its way to the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The partition.
    pub origin: Origin,
    /// Under which lease it was cut: a partition that is lost and comes back has another one.
    pub lease: u64,
    /// What to commit.
    pub cut: Cut,
    /// What has to become visible together with it.
    pub outputs: Vec<Pending>,
}

impl Bundle {
    /// Returns the bundle of a cut: its output, each item with what triggered it, is rendered.
    pub fn new<'o>(
        origin: Origin,
        lease: u64,
        cut: Cut,
        output: impl Iterator<Item = (&'o Output, Option<i64>)>,
        renderer: &Renderer,
    ) -> Self {
        let pending = |(output, triggered_at)| {
            let messages = renderer.messages(&origin, output).into_iter();
            messages.map(move |message| Pending { message, triggered_at })
        };
        let outputs = output.take(cut.outputs).flat_map(pending).collect();
        Self { origin, lease, cut, outputs }
    }
}

/// A record that is not durable yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The record to write.
    pub message: Message,
    /// The Kafka timestamp, in milliseconds, of the record that triggered it.
    pub triggered_at: Option<i64>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until there is a bundle.
    Rest,
    /// Make a new producer, which ends whatever an earlier one with its id has left behind.
    Open,
    /// Begin a transaction.
    Begin,
    /// Write the output of all bundles.
    Write,
    /// Add all cuts, if every partition is still ours; else the answer is [`Answer::Abort`].
    Offsets,
    /// Wait until the output has arrived.
    Drain,
    /// Commit.
    Commit,
    /// Abort.
    Abort,
    /// Read what is committed for the partitions of the bundles: [`Transactions::committed`].
    Ask,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Well.
    Done,
    /// It did not end, or may be tried again: the same step once more.
    Again,
    /// The transaction can only be aborted.
    Abort,
    /// The producer is of no use any more.
    Broken,
    /// A newer producer with our id exists.
    Fenced,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These bundles are durable and visible.
    Committed(Vec<Bundle>),
    /// Nothing of it is visible: all of it is tried again with the next one.
    Aborted,
    /// Another instance has our id: this one must end.
    Fenced,
}

/// The transactions of one instance, one after the other.
#[derive(Debug)]
pub struct Transactions {
    bundles: Vec<Bundle>,
    phase: Phase,
    /// Whether a commit was asked for whose outcome is unknown.
    doubt: bool,
    /// Whether a request may still be on its way that would meddle with the next transaction.
    ///
    /// Brokers tell two transactions of one producer apart by nothing; a new producer shuts out
    /// everything that an older one has sent.
    is_tainted: bool,
    /// When the transaction began; a broker aborts one that is older than the timeout.
    began: TimeSpan,
    /// When the present phase was entered.
    entered: TimeSpan,
    timeout: TimeSpan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Without a producer.
    Closed,
    /// Between two transactions.
    Ready,
    Writing,
    Offsets,
    Draining,
    Committing,
    Aborting,
    /// The outcome of the last commit is unknown, and nothing of it is open any more.
    Asking,
    Ended,
}

impl Transactions {
    /// Returns the protocol before its first step; `timeout` is after which time a broker aborts.
    pub fn new(timeout: TimeSpan) -> Self {
        Self {
            bundles: Vec::new(),
            phase: Phase::Closed,
            doubt: false,
            is_tainted: false,
            began: TimeSpan::ZERO,
            entered: TimeSpan::ZERO,
            timeout,
        }
    }

    /// Adds bundles, at most one of a partition. Only while [`takes_more`](Self::takes_more).
    pub fn add(&mut self, bundles: impl IntoIterator<Item = Bundle>) {
        debug_assert!(self.takes_more(), "a transaction is open");
        self.bundles.extend(bundles);
    }

    /// Takes the answer to the present step. `now` is a clock that never goes back.
    pub fn answer(&mut self, answer: Answer, now: TimeSpan) -> Option<Outcome> {
        if self.phase == Phase::Ready {
            self.began = now;
        }
        match answer {
            Answer::Done => self.advance(now),
            Answer::Again => self.repeat(now),
            Answer::Abort => match self.phase {
                Phase::Closed | Phase::Asking | Phase::Ended => None,
                // What has become of the commit is to be asked when nothing of it can move.
                Phase::Aborting | Phase::Committing => self.enter(Phase::Closed, now),
                _ => self.enter(Phase::Aborting, now),
            },
            Answer::Broken => self.enter(Phase::Closed, now),
            Answer::Fenced => self.fenced(now),
        }
    }

    /// Takes what was found to be committed, as the answer to [`Step::Ask`].
    ///
    /// A transaction is committed as a whole, and the metadata of a cut is never written twice:
    /// one partition whose metadata is ours tells it of all.
    pub fn committed(&mut self, found: &[(Origin, i64, String)], now: TimeSpan) -> Outcome {
        let is_ours = |bundle: &Bundle| {
            found.iter().any(|(origin, position, metadata)| {
                *origin == bundle.origin
                    && *position == bundle.cut.position
                    && *metadata == bundle.cut.metadata
            })
        };
        let is_committed = self.bundles.iter().any(is_ours);
        self.doubt = false;
        self.enter(Phase::Ready, now);
        // INVARIANT: it was asked after a new producer had been made.
        debug_assert!(!self.is_tainted, "the last producer may still be heard");
        if is_committed {
            Outcome::Committed(std::mem::take(&mut self.bundles))
        } else {
            Outcome::Aborted
        }
    }

    /// Forgets the bundles whose lease has ended: their output must not become visible any more,
    /// unless a commit has been asked for already.
    pub fn lose(&mut self, is_lost: impl Fn(&Bundle) -> bool, now: TimeSpan) {
        let before = self.bundles.len();
        self.bundles.retain(|bundle| !is_lost(bundle));
        let is_open = matches!(self.phase, Phase::Writing | Phase::Offsets | Phase::Draining);
        if is_open && self.bundles.len() < before {
            self.enter(Phase::Aborting, now);
        }
    }

    /// Returns what to do next.
    pub fn next(&self) -> Step {
        match self.phase {
            Phase::Closed => Step::Open,
            Phase::Ready if self.bundles.is_empty() => Step::Rest,
            Phase::Ready => Step::Begin,
            Phase::Writing => Step::Write,
            Phase::Offsets => Step::Offsets,
            Phase::Draining => Step::Drain,
            Phase::Committing => Step::Commit,
            Phase::Aborting => Step::Abort,
            Phase::Asking => Step::Ask,
            Phase::Ended => Step::Rest,
        }
    }

    /// Tells whether no transaction is open, so that bundles may be added.
    pub fn takes_more(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Closed) && !self.doubt
    }

    /// Returns what is not committed yet.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    fn advance(&mut self, now: TimeSpan) -> Option<Outcome> {
        let next = if self.is_tainted { Phase::Closed } else { Phase::Ready };
        match self.phase {
            Phase::Closed => {
                self.is_tainted = false;
                self.enter(if self.doubt { Phase::Asking } else { Phase::Ready }, now)
            }
            Phase::Ready => self.enter(Phase::Writing, now),
            Phase::Writing => self.enter(Phase::Offsets, now),
            Phase::Offsets => self.enter(Phase::Draining, now),
            Phase::Draining => {
                self.doubt = true;
                self.enter(Phase::Committing, now)
            }
            Phase::Committing => {
                self.doubt = false;
                self.enter(next, now);
                Some(Outcome::Committed(std::mem::take(&mut self.bundles)))
            }
            Phase::Aborting => {
                self.enter(next, now);
                Some(Outcome::Aborted)
            }
            Phase::Asking | Phase::Ended => None,
        }
    }

    /// A step that never ends must not be repeated for ever: after the timeout the brokers have
    /// given the transaction up, or will when a new producer comes.
    fn repeat(&mut self, now: TimeSpan) -> Option<Outcome> {
        self.is_tainted |=
            matches!(self.phase, Phase::Offsets | Phase::Committing | Phase::Aborting);
        let is_over = now - self.entered >= self.timeout || now - self.began >= self.timeout;
        match self.phase {
            Phase::Writing | Phase::Offsets | Phase::Draining if is_over => {
                self.enter(Phase::Aborting, now)
            }
            Phase::Committing if is_over => self.enter(Phase::Closed, now),
            Phase::Aborting if now - self.entered >= self.timeout => self.enter(Phase::Closed, now),
            _ => None,
        }
    }

    /// A broker fences a producer also when it gives up a transaction that has become too old; a
    /// young one can only have been fenced by another instance.
    fn fenced(&mut self, now: TimeSpan) -> Option<Outcome> {
        let in_transaction = !matches!(self.phase, Phase::Closed | Phase::Ready | Phase::Asking);
        if in_transaction && now - self.began >= self.timeout {
            return self.enter(Phase::Closed, now);
        }
        self.phase = Phase::Ended;
        Some(Outcome::Fenced)
    }

    fn enter(&mut self, phase: Phase, now: TimeSpan) -> Option<Outcome> {
        self.phase = phase;
        self.entered = now;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: TimeSpan = TimeSpan::from_secs(10);

    fn at(seconds: i64) -> TimeSpan {
        TimeSpan::from_secs(seconds)
    }

    fn bundle(partition: i32) -> Bundle {
        Bundle {
            origin: Origin { topic: "in".into(), partition },
            lease: 1,
            cut: Cut { position: 7, metadata: format!("m{partition}"), outputs: 0 },
            outputs: Vec::new(),
        }
    }

    /// With two bundles, before `step`.
    fn before(step: Step) -> Transactions {
        let mut transactions = Transactions::new(TIMEOUT);
        transactions.add([bundle(0), bundle(1)]);
        while transactions.next() != step {
            assert_eq!(transactions.answer(Answer::Done, at(0)), None);
        }
        transactions
    }

    #[test]
    fn steps_follow_one_another_until_all_is_committed() {
        let mut transactions = Transactions::new(TIMEOUT);
        transactions.add([bundle(0)]);
        for step in [Step::Open, Step::Begin, Step::Write, Step::Offsets, Step::Drain] {
            assert_eq!(transactions.next(), step);
            assert_eq!(transactions.answer(Answer::Done, at(0)), None);
        }
        assert!(!transactions.takes_more());
        let outcome = transactions.answer(Answer::Done, at(0));
        assert_eq!(outcome, Some(Outcome::Committed(vec![bundle(0)])));
        assert_eq!(transactions.next(), Step::Rest);
        assert!(transactions.takes_more());
    }

    #[test]
    fn abort_keeps_the_bundles_for_the_next_transaction() {
        let mut transactions = before(Step::Offsets);
        assert_eq!(transactions.answer(Answer::Abort, at(0)), None);
        assert_eq!(transactions.next(), Step::Abort);
        assert_eq!(transactions.answer(Answer::Done, at(0)), Some(Outcome::Aborted));
        assert_eq!((transactions.next(), transactions.bundles().len()), (Step::Begin, 2));
    }

    #[test]
    fn commit_without_an_answer_is_repeated_and_then_asked_for() {
        let mut transactions = before(Step::Commit);
        assert_eq!(transactions.answer(Answer::Again, at(9)), None);
        assert_eq!(transactions.next(), Step::Commit);
        assert_eq!(transactions.answer(Answer::Again, at(10)), None);
        assert_eq!(transactions.next(), Step::Open);
        assert!(!transactions.takes_more(), "what was asked for is not decided yet");
        assert_eq!(transactions.answer(Answer::Done, at(11)), None);
        assert_eq!(transactions.next(), Step::Ask);
        let origin = bundle(1).origin;
        let mut other = before(Step::Commit);
        other.answer(Answer::Broken, at(1));
        other.answer(Answer::Done, at(1));
        let ours = [(origin.clone(), 7, "m1".to_owned())];
        let committed = Outcome::Committed(vec![bundle(0), bundle(1)]);
        assert_eq!(transactions.committed(&ours, at(11)), committed);
        // The same position under another metadata is somebody else's.
        let foreign = [(origin, 7, "m2".to_owned())];
        assert_eq!(other.committed(&foreign, at(11)), Outcome::Aborted);
        assert_eq!(other.bundles().len(), 2);
    }

    #[test]
    fn request_that_may_still_arrive_is_shut_out_by_a_new_producer() {
        for step in [Step::Offsets, Step::Commit] {
            let mut transactions = before(step);
            transactions.answer(Answer::Again, at(1));
            while transactions.next() == step || transactions.next() != Step::Open {
                transactions.answer(Answer::Done, at(1));
                assert_ne!(transactions.next(), Step::Rest, "{step:?}");
            }
        }
    }

    #[test]
    fn lost_partition_aborts_only_what_is_not_being_committed() {
        for (step, then) in [
            (Step::Begin, Step::Begin),
            (Step::Write, Step::Abort),
            (Step::Offsets, Step::Abort),
            (Step::Drain, Step::Abort),
            (Step::Commit, Step::Commit),
        ] {
            let mut transactions = before(step);
            transactions.lose(|lost| lost.origin == bundle(0).origin, at(0));
            assert_eq!(transactions.next(), then, "{step:?}");
            assert_eq!(transactions.bundles(), [bundle(1)]);
        }
    }

    #[test]
    fn only_a_young_transaction_proves_another_instance() {
        let mut transactions = before(Step::Offsets);
        assert_eq!(transactions.answer(Answer::Fenced, at(10)), None);
        assert_eq!(transactions.next(), Step::Open);
        for step in [Step::Begin, Step::Write, Step::Offsets, Step::Commit] {
            let mut transactions = before(step);
            assert_eq!(transactions.answer(Answer::Fenced, at(1)), Some(Outcome::Fenced));
            assert_eq!(transactions.next(), Step::Rest);
        }
    }
}
