//! The thread of a worker: gives its partitions a turn each, and does what it is asked in between.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use super::command::{Accepted, Adoption, Command, Cuts, Keep};
use super::partition::Partition;
use super::summons::Summons;
use super::turn::Turn;
use crate::detect::{Detector, Origin};
use crate::kafka::client::{Attempt, Code, note_missing_right};
use crate::kafka::journal::Reader;
use crate::kafka::state::clock::since_start;
use crate::kafka::state::{Concern, Heart, Lease, Shared};

/// How long a worker sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(100);

/// The thread.
pub(in crate::kafka) struct Worker {
    number: usize,
    inbox: Receiver<Command>,
    shared: Arc<Shared>,
    summons: Box<dyn Summons>,
    heart: Arc<Heart>,
    /// There if a rule needs the journal.
    journal: Option<Reader>,
    partitions: Vec<Partition>,
    /// The index of the partition that had the last turn.
    next: usize,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        inbox: Receiver<Command>,
        shared: Arc<Shared>,
        summons: Box<dyn Summons>,
        heart: Arc<Heart>,
        journal: Option<Reader>,
    ) -> Self {
        Self { number, inbox, shared, summons, heart, journal, partitions: Vec::new(), next: 0 }
    }

    /// Works until it is told to stop. Between the turns of two partitions it does what it is asked,
    /// and gives a sign of life.
    pub(super) fn run(mut self) {
        let mut idle_in_a_row = 0;
        while self.obey() {
            self.heart.beat();
            match self.give_turn() {
                true => idle_in_a_row = 0,
                false => idle_in_a_row += 1,
            }
            if idle_in_a_row >= self.partitions.len() {
                std::thread::park_timeout(NAP);
                idle_in_a_row = 0;
            }
        }
        self.shared.health.forget(&self.heart);
    }

    /// Does what has been asked; false if that is to end.
    pub(in crate::kafka) fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.execute(command),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Adopt(adoption) => self.adopt(*adoption),
            Command::Restart(origin, lease, detector, poisoned) => {
                self.restart(&origin, lease, *detector, poisoned);
            }
            Command::Skip(origin, offset) => {
                if let Some(partition) = self.find(&origin) {
                    partition.skip_to(offset);
                }
            }
            Command::Freeze(origins) => {
                let all = self.partitions.iter_mut();
                all.filter(|p| origins.contains(p.origin())).for_each(Partition::freeze);
            }
            Command::Cut(reply) => {
                let (partitions, shared) = (self.partitions.iter_mut(), &self.shared);
                let bundles = partitions.filter_map(|partition| partition.cut(shared)).collect();
                // Only a process that ends has no committer any more.
                drop(reply.send(Cuts { worker: self.number, bundles, is_answer: true }));
            }
            Command::Accept(cuts) => self.accept(&cuts),
            Command::Release(origins, keep, done) => {
                self.release(&origins, keep);
                done.send(()).ok();
            }
            Command::Stop => {}
        }
    }

    fn adopt(&mut self, adoption: Adoption) {
        let mut partition = Partition::new(adoption, &self.shared);
        partition.read_journal(self.journal.as_ref());
        self.partitions.push(partition);
    }

    fn restart(&mut self, origin: &Origin, lease: Lease, detector: Detector, poisoned: Vec<i64>) {
        let found = self.partitions.iter_mut().find(|partition| partition.origin() == origin);
        if let Some(partition) = found {
            partition.restart(lease, detector, poisoned);
            partition.read_journal(self.journal.as_ref());
        }
    }

    fn accept(&mut self, cuts: &[Accepted]) {
        for Accepted { origin, lease, cut } in cuts {
            let journal_end = self.shared.journal_ends.of(origin.partition);
            if let Some(partition) = self.find(origin).filter(|found| found.has_lease(*lease)) {
                partition.accept(cut, journal_end);
            }
        }
        self.have_alerts_committed();
    }

    fn release(&mut self, origins: &[Origin], keep: Keep) {
        let all = std::mem::take(&mut self.partitions);
        let (given_up, left): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|partition| origins.contains(partition.origin()));
        self.partitions = left;
        for mut partition in given_up {
            partition.unpublish(&self.shared);
            if keep == Keep::Warm {
                partition.keep(&self.shared);
            }
        }
    }

    fn find(&mut self, origin: &Origin) -> Option<&mut Partition> {
        self.partitions.iter_mut().find(|partition| partition.origin() == origin)
    }

    /// Gives the next partition its turn; tells whether it had anything to do.
    pub(in crate::kafka) fn give_turn(&mut self) -> bool {
        self.next = (self.next + 1) % self.partitions.len().max(1);
        let Some(partition) = self.partitions.get_mut(self.next) else { return false };
        let turn = Turn::begin(&since_start);
        let restored = partition.restore(&turn, &self.shared);
        let taken = restored + partition.drain(&turn, &self.shared.renderer);
        match taken {
            0 => {
                partition.publish_due_counts(&self.shared);
                partition.idle(&self.shared);
            }
            _ => partition.publish(&self.shared),
        }
        partition.publish_held(&self.shared);
        for fault in partition.take_faults() {
            report(&self.shared, partition.origin(), fault);
        }
        if let Some(offset) = partition.take_failure() {
            self.shared.requests.ask_for_rebuild(partition.origin(), offset);
        }
        if partition.wants_commit() {
            self.have_alerts_committed();
        }
        taken > 0
    }

    /// Cuts the partitions in which alerts wait, if the cuts would be taken at once. Else they are asked for when
    /// the committer is through, and then hold what has come until then.
    fn have_alerts_committed(&mut self) {
        let Self { partitions, summons, shared, .. } = self;
        let mut urgent =
            partitions.iter_mut().filter(|partition| partition.wants_commit()).peekable();
        if urgent.peek().is_none() {
            return;
        }
        match summons.is_free() {
            true => {
                summons.hand_over(urgent.filter_map(|partition| partition.cut(shared)).collect())
            }
            false => summons.call(),
        }
    }
}

/// Passes a partition's fault on to whoever can do something about it.
fn report(shared: &Shared, origin: &Origin, fault: Code) {
    let reason = format!("{fault:?}");
    shared.metrics.kafka.partition_faults.with_label_values(&[&reason]).inc();
    match fault {
        _ if fault.is_record_gone() => shared.requests.ask_for_restart(origin),
        _ if fault.is_denied() => {
            if let Some(state) = shared.partitions.find(origin) {
                state.note_refusal();
            }
            let (health, attempt) = (&shared.health, Attempt::Read(&origin.topic));
            note_missing_right(health, &shared.settings, Concern::Fetch, fault, attempt);
        }
        _ => tracing::warn!(topic = %origin.topic, partition = origin.partition, %reason,
            "the client reports a fault of a partition"),
    }
}
