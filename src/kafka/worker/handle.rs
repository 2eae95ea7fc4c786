//! The way to a worker.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{JoinHandle, Thread};

use super::command::Command;
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
    /// Starts a worker, which calls `nudge` when output should be committed soon. A `journal` is there if a
    /// rule needs it.
    pub(in crate::kafka) fn spawn(
        number: usize,
        shared: &Arc<Shared>,
        journal: Option<Reader>,
        nudge: Box<dyn Fn() + Send>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let thread_name = format!("worker-{number}");
        let heart = shared.health.heart(thread_name.as_str());
        let shared = Arc::clone(shared);
        let worker = Worker::new(number, inbox, shared, nudge, heart, journal);
        let join = std::thread::Builder::new().name(thread_name).spawn(move || worker.run())?;
        Ok((Self { commands, thread: join.thread().clone() }, join))
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
