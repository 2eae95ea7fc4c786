//! Measures CPU time, and puts together what was measured.

use std::time::Duration;

/// Something to measure: it returns how many events it has gone through.
pub(crate) struct Case<'c> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> usize + 'c>,
}

impl<'c> Case<'c> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> usize + 'c) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// What was measured of a case.
pub(crate) struct Figure {
    pub(crate) group: String,
    pub(crate) name: String,
    /// Median over the rounds, in nanoseconds of CPU time for one event.
    pub(crate) nanos: f64,
    /// Median over the rounds of its speed, divided by that of the yardstick in the same round.
    pub(crate) of_yardstick: f64,
}

/// Runs all cases by turns, so that a busy minute hits all alike; the first one is the yardstick.
pub(crate) fn measure(group: &str, rounds: usize, mut cases: Vec<Case<'_>>) -> Vec<Figure> {
    let mut nanos: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    // The first round warms up: files and the allocator's memory.
    for round in 0..=rounds {
        for (case, nanos) in cases.iter_mut().zip(&mut nanos) {
            let before = cpu_time();
            let events = (case.run)();
            let took = (cpu_time() - before).as_nanos() as f64;
            if round > 0 {
                nanos.push(took / events as f64);
            }
        }
    }
    let yardstick = nanos[0].clone();
    let figure = |(case, nanos): (Case<'_>, Vec<f64>)| {
        let ratios = yardstick.iter().zip(&nanos).map(|(least, each)| least / each).collect();
        let (name, of_yardstick) = (case.name, median(ratios));
        Figure { group: group.to_owned(), name, nanos: median(nanos), of_yardstick }
    };
    cases.into_iter().zip(nanos).map(figure).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints figures as a table in Markdown.
pub(crate) fn print(figures: &[Figure]) {
    println!(
        "\n| {} | events per CPU second | ns an event | of the structural index |",
        figures[0].group
    );
    println!("|---|---|---|---|");
    for Figure { name, nanos, of_yardstick, .. } in figures {
        println!("| {name} | {:.0} | {nanos:.0} | {of_yardstick:.3} |", 1e9 / nanos);
    }
}

/// CPU time of this thread so far.
pub(crate) fn cpu_time() -> Duration {
    // The kernel brings its count up to date when it looks for somebody else to run, else at ticks only.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    // The first field: nanoseconds on a CPU.
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Memory of this process that is resident, in MiB.
pub(crate) fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    (pages * 4_096) >> 20
}
