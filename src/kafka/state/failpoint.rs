//! Places where a test may end, stop or hold the process, as a crash or a slow broker would.
//!
//! Never built into a release: without the feature `failpoints` this does nothing at all.
//!
//! `FAILPOINT=after_begin:3:KILL` sends the process the signal KILL when it reaches
//! `after_begin` for the third time. `FAILPOINT=after_begin:3:HOLD=/a/file` makes the file, and
//! holds the thread that is there until somebody takes the file away. `FAILPOINT=in_record:3:PANIC` panics.

/// Does here what the test wants.
#[cfg(not(feature = "failpoints"))]
pub(in crate::kafka) fn reach(_place: &'static str) {}

/// Does what the test wants within milliseconds, while something is under way.
#[cfg(not(feature = "failpoints"))]
pub(in crate::kafka) fn reach_soon(_place: &'static str) {}

/// Does what the test wants within milliseconds, while something is under way.
#[cfg(feature = "failpoints")]
pub(in crate::kafka) fn reach_soon(place: &'static str) {
    let wanted = std::env::var("FAILPOINT").unwrap_or_default();
    if wanted.starts_with(place) {
        // Starting `kill` takes about as long as a commit.
        std::thread::spawn(move || reach(place));
    }
}

/// Does here what the test wants.
#[cfg(feature = "failpoints")]
pub(in crate::kafka) fn reach(place: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64, String)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("FAILPOINT").ok()?;
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [place, count, action] = parts[..] else { return None };
        Some((place.to_owned(), count.parse().ok()?, action.to_owned()))
    });
    let Some((wanted, count, action)) = wanted else { return };
    if wanted == place && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *count {
        tracing::warn!(place, action, "failpoint");
        match action.strip_prefix("HOLD=") {
            Some(file) => hold(std::path::Path::new(file)),
            None if action == "PANIC" => panic!("as a fault of ours would"),
            None => signal(action),
        }
        tracing::warn!("failpoint: going on");
    }
}

/// Sends this process a signal.
#[cfg(feature = "failpoints")]
fn signal(name: &str) {
    let process = std::process::id().to_string();
    let sent = std::process::Command::new("kill").args(["-s", name, &process]).status();
    tracing::warn!(?sent, "failpoint: signal");
}

/// Waits here for as long as the file stands that it makes.
#[cfg(feature = "failpoints")]
fn hold(file: &std::path::Path) {
    if let Err(error) = std::fs::write(file, "held") {
        tracing::warn!(%error, "failpoint: cannot hold");
    }
    while file.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
