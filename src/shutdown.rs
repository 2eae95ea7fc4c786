//! The end: signals and how long it may take; SIGHUP is none.
//!
//! Never ends anything itself, except the process upon a second signal.

use std::time::Duration;

use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// `[shutdown]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long the last cut and the leaving of the group may take.
    #[serde(deserialize_with = "crate::setting::duration")]
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30) }
    }
}

/// Returns a token that the first SIGTERM or SIGINT cancels; the second one ends the process.
///
/// Ending at once is safe: what has not been committed is done again by the next owner.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(ignore(signal(SignalKind::hangup())?));
    let token = CancellationToken::new();
    tokio::spawn(watch(terminate, interrupt, token.clone()));
    Ok(token)
}

async fn watch(mut terminate: Signal, mut interrupt: Signal, token: CancellationToken) {
    next(&mut terminate, &mut interrupt).await;
    tracing::info!("stopping; a second signal stops at once");
    token.cancel();
    next(&mut terminate, &mut interrupt).await;
    tracing::warn!("stopped at once by a second signal");
    std::process::exit(STOPPED_AT_ONCE);
}

/// A terminal that is closed, or a habit from other services, must not end this one.
async fn ignore(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::warn!(
            "SIGHUP is ignored: configuration, rules and secrets are read at the start alone; restart to \
             take changes over"
        );
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Exit code after a second signal, as shells know it for SIGINT.
const STOPPED_AT_ONCE: i32 = 130;
