//! Places where a test may end or stop the process, as a crash would.
//!
//! Never built into a release: without the feature `failpoints` this does nothing at all.
//!
//! `FAILPOINT=after_begin:3:KILL` sends the process the signal KILL when it reaches
//! `after_begin` for the third time.

/// Dies or stops here if the test wants it.
#[cfg(not(feature = "failpoints"))]
pub(super) fn reach(_place: &'static str) {}

/// Dies or stops within milliseconds, while something is under way, if the test wants it.
#[cfg(not(feature = "failpoints"))]
pub(super) fn reach_soon(_place: &'static str) {}

/// Dies or stops within milliseconds, while something is under way, if the test wants it.
#[cfg(feature = "failpoints")]
pub(super) fn reach_soon(place: &'static str) {
    let wanted = std::env::var("FAILPOINT").unwrap_or_default();
    if wanted.starts_with(place) {
        // Starting `kill` takes about as long as a commit.
        std::thread::spawn(move || reach(place));
    }
}

/// Dies or stops here if the test wants it.
#[cfg(feature = "failpoints")]
pub(super) fn reach(place: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64, String)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("FAILPOINT").ok()?;
        let parts: Vec<&str> = text.split(':').collect();
        let [place, count, signal] = parts[..] else { return None };
        Some((place.to_owned(), count.parse().ok()?, signal.to_owned()))
    });
    let Some((wanted, count, signal)) = wanted else { return };
    if wanted == place && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *count {
        tracing::warn!(place, signal, "failpoint");
        let process = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &process]).status();
        tracing::warn!(?sent, "failpoint: going on");
    }
}
