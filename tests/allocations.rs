//! Once warm, a record that satisfies no stage costs no allocation: three rules, raw and ECS, with the escaped
//! backslashes that Windows' paths are full of.
//!
//! A counting allocator makes this test a program of its own, with one test, so that no other thread counts.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one hands on to the system's"
)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

#[path = "support/corpus/mod.rs"]
mod corpus;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use corpus::{Settings, Shape};
use maxspan::detect::{Detector, Options, Origin, Past, Record, Stamp};
use maxspan::rule::set::{Defaults, RuleSet};
use maxspan::text::Text;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A thread that is about to end has no counter any more.
fn count() {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// Seconds of event time whose clock and hosts are seen twice: the first time is for warming up.
const QUIET: Settings = Settings::MANY_ATTACKS.of(6_000, 100, 1);

fn shipped() -> Arc<RuleSet> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".toml") && !name.ends_with(".cases.toml")
    });
    paths.sort();
    let text = |path: &std::path::PathBuf| {
        let contents = std::fs::read_to_string(path).unwrap();
        Arc::new(Text::new(path.display().to_string(), contents))
    };
    let texts = paths.iter().map(text).collect();
    Arc::new(RuleSet::compile(texts, &Defaults::default()).0)
}

#[test]
fn a_record_that_satisfies_no_stage_allocates_nothing() {
    let rules = shipped();
    assert_eq!(rules.rules().len(), 3);
    for shape in Shape::ALL {
        let origin = Origin { topic: "t".into(), partition: 0 };
        let options = Options { past: Past::Nothing, ..Options::default() };
        let mut detector = Detector::new(Arc::clone(&rules), origin, options);
        let lines = corpus::lines(&QUIET, shape);
        // What satisfies no stage names neither process in any way: a look that knows nothing of the engine.
        let names_none = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).to_lowercase();
            !text.contains("svchost.exe") && !text.contains("wmiprvse.exe")
        };
        let lines: Vec<&Vec<u8>> = lines.iter().filter(|line| names_none(line)).collect();
        assert!(lines.len() > 2_000, "{} records are too few", lines.len());
        let (warm_up, measured) = lines.split_at(lines.len() / 2);
        let feed = |detector: &mut Detector, lines: &[&Vec<u8>], from: usize| {
            for (offset, line) in (from as i64..).zip(lines) {
                let payload = Some(&line[..]);
                detector.on_record(&Record { offset, stamp: Stamp::None, payload, source: None });
            }
        };
        feed(&mut detector, warm_up, 0);
        let before = ALLOCATIONS.get();
        feed(&mut detector, measured, warm_up.len());
        let made = ALLOCATIONS.get() - before;
        // The clock, the hosts and the places of a replay are kept by second and by host, not by record: their
        // tables may grow now and then.
        let allowed = measured.len() as u64 / 100;
        println!("{shape:?}: {made} allocations for {} records", measured.len());
        assert!(made <= allowed, "{shape:?}: {made} allocations for {} records", measured.len());
    }
}
