//! The workers' cuts, on their way to the committer.
//!
//! [`Cuts::ask`] asks every worker that owes no answer, [`Cuts::gather`] waits a little for the answers.
//! A worker that is slow still owes its answer: it comes with a later call, and nothing of it is lost. Cuts that a
//! worker hands over without being asked come the same way.

use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use crate::kafka::worker::{self, Command, Cuts as Answer};
use crate::transaction::Bundle;

/// The committer's end of the way of cuts.
pub(super) struct Cuts {
    /// Given to a worker with each question. It is held here too, so that the way never ends.
    reply: Sender<Answer>,
    answers: Receiver<Answer>,
    /// By worker: whether it owes an answer.
    owing: Vec<bool>,
}

impl Cuts {
    /// Returns the end of a way by which nothing has come.
    pub(super) fn new(workers: usize, reply: Sender<Answer>, answers: Receiver<Answer>) -> Self {
        Self { reply, answers, owing: vec![false; workers] }
    }

    /// Asks those of the workers that owe no answer.
    pub(super) fn ask(&mut self, workers: &[worker::Handle], which: impl Fn(usize) -> bool) {
        for (number, (owes, worker)) in self.owing.iter_mut().zip(workers).enumerate() {
            if !*owes && which(number) {
                *owes = worker.send(Command::Cut(self.reply.clone()));
            }
        }
    }

    /// Returns what has been answered, and what is answered within `patience`.
    ///
    /// Of those that were late before it waits for nobody: one slow worker must not hold up the rest.
    pub(super) fn gather(&mut self, late_before: &[bool], patience: Duration) -> Vec<Bundle> {
        let ends = Instant::now() + patience;
        let mut found = Vec::new();
        loop {
            let mut awaited = self.owing.iter().zip(late_before);
            let is_awaited = awaited.any(|(owes, was_late)| *owes && !was_late);
            let left = match is_awaited {
                true => ends.saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            let Ok(answer) = self.answers.recv_timeout(left) else { return found };
            if answer.is_answer {
                self.owing[answer.worker] = false;
            }
            found.extend(answer.bundles);
        }
    }

    /// Returns which workers owe an answer.
    pub(super) fn owing(&self) -> &[bool] {
        &self.owing
    }
}
