//! One file, judged by several threads, and taken in by one detector in the order of its lines.
//!
//! Each thread reads the next block of lines, judges it for itself, and puts it down. Whoever puts down
//! the block that is next hands it to the detector, with those behind it that are there already. So the
//! answer is that of one thread. Threads may be a few blocks ahead, and no more.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::cli::lines;
use crate::detect::screen::{Screen, Screened};
use crate::detect::{Engine, Stats};
use crate::source::{self, Block, Blocks};

/// By how many blocks for each thread the judging may be ahead of the detector.
const AHEAD: u64 = 8;

/// Some lines that have been judged.
#[derive(Default)]
pub(super) struct Judged {
    block: Block,
    lines: Vec<(Range<usize>, i64, Screened)>,
}

impl Judged {
    /// Returns each line: its number in the block, the first being 1, its text, and what the screen says
    /// of it.
    pub(super) fn lines(&self) -> impl Iterator<Item = (i64, &[u8], &Screened)> {
        let lines = self.lines.iter();
        lines.map(|(place, number, screened)| (*number, self.block.text(place), screened))
    }

    fn judge(&mut self, screen: &mut Screen) {
        let Self { block, lines } = self;
        lines.clear();
        lines.extend(block.lines().map(|(before, place)| {
            let screened = screen.screen(block.text(&place));
            (place, before as i64 + 1, screened)
        }));
    }
}

/// Calls `take` with the lines of a file, block by block, each time with the number of the lines before
/// the block. `jobs` threads judge them for the engine.
///
/// Returns what judging has cost by rule, and nothing else of what is counted.
///
/// # Errors
/// If the file cannot be read, and those of `take`; nothing is taken behind an error.
pub(super) fn of_file(
    path: &Path,
    engine: &Engine,
    jobs: usize,
    take: impl FnMut(i64, &Judged) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Stats> {
    let blocks = source::open_blocks(path).with_context(|| lines::unreadable(path))?;
    let queue = Queue {
        path,
        ahead: AHEAD * jobs as u64,
        input: Mutex::new(Input { blocks, count: 0, has_ended: false }),
        order: Mutex::default(),
        moved_on: Condvar::new(),
        taker: Mutex::new(Taker { lines: 0, take }),
        costs: Mutex::default(),
    };
    let done: anyhow::Result<()> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..jobs).map(|_| scope.spawn(|| queue.work(engine.screen()))).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // All are waited for, whatever the first ones say.
        results.collect::<Vec<_>>().into_iter().collect()
    });
    done?;
    Ok(queue.costs.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What the threads share.
struct Queue<'p, T> {
    path: &'p Path,
    ahead: u64,
    input: Mutex<Input>,
    order: Mutex<Order>,
    moved_on: Condvar,
    /// Locked by the thread alone that [`Order::is_taking`] stands for.
    taker: Mutex<Taker<T>>,
    costs: Mutex<Stats>,
}

struct Input {
    blocks: Blocks,
    /// How many blocks have been given out.
    count: u64,
    has_ended: bool,
}

/// What is taken in next.
#[derive(Default)]
struct Order {
    /// The number of the block.
    next: u64,
    /// By number: what waits for those before it.
    waiting: BTreeMap<u64, io::Result<Judged>>,
    /// Whether a thread is handing blocks to the detector.
    is_taking: bool,
    /// Whether nothing is taken in any more.
    is_over: bool,
    /// Memory for the next blocks.
    spare: Vec<Judged>,
}

struct Taker<T> {
    /// How many lines have been taken in.
    lines: i64,
    take: T,
}

impl<T: FnMut(i64, &Judged) -> anyhow::Result<()>> Queue<'_, T> {
    fn work(&self, mut screen: Screen) -> anyhow::Result<()> {
        let _guard = EndOnPanic(self);
        let worked = self.work_with(&mut screen);
        screen.take_costs(&mut lock(&self.costs));
        worked
    }

    fn work_with(&self, screen: &mut Screen) -> anyhow::Result<()> {
        loop {
            let mut judged = lock(&self.order).spare.pop().unwrap_or_default();
            let Some((number, read)) = self.read(&mut judged.block) else { return Ok(()) };
            let judged = read.map(|()| {
                judged.judge(screen);
                judged
            });
            self.put_down(number, judged)?;
            if lock(&self.order).is_over {
                return Ok(());
            }
        }
    }

    /// Reads the next block; returns its number, and whether it could be read.
    fn read(&self, block: &mut Block) -> Option<(u64, io::Result<()>)> {
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

    /// Puts a block down in its place, and hands on what is next.
    fn put_down(&self, number: u64, judged: io::Result<Judged>) -> anyhow::Result<()> {
        let is_early = |order: &mut Order| !order.is_over && number >= order.next + self.ahead;
        let order = self.moved_on.wait_while(lock(&self.order), is_early);
        let mut order = order.unwrap_or_else(PoisonError::into_inner);
        order.waiting.insert(number, judged);
        if order.is_taking || order.is_over {
            return Ok(());
        }
        order.is_taking = true;
        loop {
            let next = order.next;
            let Some(judged) = order.waiting.remove(&next) else { break };
            drop(order);
            let taken = judged
                .with_context(|| lines::unreadable(self.path))
                .and_then(|judged| self.hand_on(&judged).map(|()| judged));
            order = lock(&self.order);
            order.next += 1;
            order.is_over |= taken.is_err();
            self.moved_on.notify_all();
            order.spare.push(taken?);
        }
        order.is_taking = false;
        Ok(())
    }

    fn hand_on(&self, judged: &Judged) -> anyhow::Result<()> {
        let mut taker = lock(&self.taker);
        let before = taker.lines;
        taker.lines += judged.block.line_count() as i64;
        (taker.take)(before, judged)
    }
}

/// A thread that panics takes nothing in any more, and the others must not wait for it.
struct EndOnPanic<'q, T>(&'q Queue<'q, T>);

impl<T> Drop for EndOnPanic<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.input).has_ended = true;
            lock(&self.0.order).is_over = true;
            self.0.moved_on.notify_all();
        }
    }
}

/// After a panic the command ends with it: what it left behind is not used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
