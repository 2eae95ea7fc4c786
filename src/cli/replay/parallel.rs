//! One file, judged by several threads, and taken in by one detector in the order of its lines.
//!
//! Each thread takes the next block of lines, judges it for itself, and waits for its turn to hand it to
//! the detector. So the answer is that of one thread, and no more than one block a thread is held.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::cli::lines;
use crate::detect::Engine;
use crate::detect::screen::{Screen, Screened};
use crate::source::{self, Block, Blocks};

/// A line of a block: its number there, the first being 1, its text, and what the screen says of it.
pub(super) struct Line<'b> {
    pub(super) number: i64,
    pub(super) text: &'b [u8],
    pub(super) screened: Screened,
}

/// Calls `take` with the lines of a file, block by block, each time with the number of the lines before
/// the block. `jobs` threads judge them for the engine.
///
/// # Errors
/// If the file cannot be read, and those of `take`; nothing is taken behind an error.
pub(super) fn of_file(
    path: &Path,
    engine: &Engine,
    jobs: usize,
    take: impl FnMut(i64, &[Line<'_>]) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    let blocks = source::open_blocks(path).with_context(|| lines::unreadable(path))?;
    let queue = Queue {
        path,
        input: Mutex::new(Input { blocks, count: 0, has_ended: false }),
        turn: Mutex::new(Turn { next: 0, lines: 0, is_over: false, take }),
        moved_on: Condvar::new(),
    };
    std::thread::scope(|scope| {
        let work = || queue.work(engine.screen());
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // All are waited for, whatever the first ones say.
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

/// What the threads share.
struct Queue<'p, T> {
    path: &'p Path,
    input: Mutex<Input>,
    turn: Mutex<Turn<T>>,
    moved_on: Condvar,
}

struct Input {
    blocks: Blocks,
    /// How many blocks have been given out.
    count: u64,
    has_ended: bool,
}

/// Whose turn it is to be taken in.
struct Turn<T> {
    /// The number of the block.
    next: u64,
    /// How many lines there were before it.
    lines: i64,
    /// Whether nothing is taken in any more.
    is_over: bool,
    take: T,
}

impl<T: FnMut(i64, &[Line<'_>]) -> anyhow::Result<()>> Queue<'_, T> {
    fn work(&self, mut screen: Screen) -> anyhow::Result<()> {
        let _guard = EndOnPanic(self);
        let mut block = Block::default();
        while let Some((number, read)) = self.read(&mut block) {
            let lines: Vec<Line<'_>> = match read {
                Ok(()) => block.lines().map(|line| judge(&mut screen, line)).collect(),
                Err(_) => Vec::new(),
            };
            let Some(mut turn) = self.wait_for(number) else { break };
            let taken = read.with_context(|| lines::unreadable(self.path)).and_then(|()| {
                let before = turn.lines;
                turn.lines += block.line_count() as i64;
                (turn.take)(before, &lines)
            });
            turn.next += 1;
            turn.is_over = taken.is_err();
            drop(turn);
            self.moved_on.notify_all();
            taken?;
        }
        Ok(())
    }

    /// Reads the next block; returns its number, and whether it could be read.
    fn read(&self, block: &mut Block) -> Option<(u64, std::io::Result<()>)> {
        let mut input = lock(&self.input);
        if input.has_ended {
            return None;
        }
        let read = input.blocks.read_into(block);
        input.has_ended = !matches!(read, Ok(true));
        let number = input.count;
        input.count += 1;
        match read {
            Ok(false) => None,
            read => Some((number, read.map(drop))),
        }
    }

    /// Waits until it is a block's turn; nothing if it never will be.
    fn wait_for(&self, number: u64) -> Option<MutexGuard<'_, Turn<T>>> {
        let is_early = |turn: &mut Turn<T>| turn.next != number && !turn.is_over;
        let turn = self.moved_on.wait_while(lock(&self.turn), is_early);
        let turn = turn.unwrap_or_else(PoisonError::into_inner);
        (!turn.is_over).then_some(turn)
    }
}

fn judge<'b>(screen: &mut Screen, (before, text): (usize, &'b [u8])) -> Line<'b> {
    Line { number: before as i64 + 1, text, screened: screen.screen(text) }
}

/// A thread that panics is waited for by the others: none may wait for it.
struct EndOnPanic<'q, T>(&'q Queue<'q, T>);

impl<T> Drop for EndOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.input).has_ended = true;
            lock(&self.0.turn).is_over = true;
            self.0.moved_on.notify_all();
        }
    }
}

/// After a panic the command ends with it: what it left behind is not used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
