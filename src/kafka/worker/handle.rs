//! The way to a worker.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, Thread};

use super::command::Command;
use super::summons::Summons;
use super::thread::Worker;
use crate::kafka::journal::Reader;
use crate::kafka::state::Shared;

/// Most commands that wait for a worker.
const COMMANDS: usize = 64;

/// The way to a worker.
#[derive(Clone)]
pub(in crate::kafka) struct Handle {
    commands: SyncSender<Command>,
    thread: Thread,
}

impl Handle {
    /// Starts a worker; by `summons` it has output committed soon. A `journal` is there if a rule needs it.
    pub(in crate::kafka) fn spawn(
        number: usize,
        shared: &Arc<Shared>,
        journal: Option<Reader>,
        summons: Box<dyn Summons>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, worker) = apart(number, shared, summons, journal);
        let name = thread_name(number);
        let join = std::thread::Builder::new().name(name).spawn(move || worker.run())?;
        Ok((Self { commands, thread: join.thread().clone() }, join))
    }

    /// Returns the way to a worker that has no thread: somebody else gives it its turns.
    #[cfg(test)]
    pub(in crate::kafka) fn without_thread(
        number: usize,
        shared: &Arc<Shared>,
        summons: Box<dyn Summons>,
    ) -> (Self, Worker) {
        let (commands, worker) = apart(number, shared, summons, None);
        (Self { commands, thread: std::thread::current() }, worker)
    }

    /// Sends a command; false if the worker has ended.
    pub(in crate::kafka) fn send(&self, command: Command) -> bool {
        let is_sent = self.commands.send(command).is_ok();
        self.thread.unpark();
        is_sent
    }

    /// Returns what a queue wakes.
    pub(in crate::kafka) fn thread(&self) -> Thread {
        self.thread.clone()
    }
}

fn thread_name(number: usize) -> String {
    format!("worker-{number}")
}

fn apart(
    number: usize,
    shared: &Arc<Shared>,
    summons: Box<dyn Summons>,
    journal: Option<Reader>,
) -> (SyncSender<Command>, Worker) {
    let (commands, inbox) = sync_channel(COMMANDS);
    let heart = shared.health.heart(thread_name(number));
    (commands, Worker::new(number, inbox, Arc::clone(shared), summons, heart, journal))
}
