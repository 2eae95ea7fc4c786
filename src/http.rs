//! HTTP: probes, metrics, the API. Own thread, own runtime: answers even when workers are busy.
//!
//! Never asks a broker: it tells what others have found out.

mod connections;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::kafka::health::Health;
use crate::kafka::partitions::{PartitionView, Partitions};
use crate::metrics::Metrics;

/// `[http]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 9600)) }
    }
}

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} (`http.listen`): {source}")]
pub struct ListenError {
    listen: SocketAddr,
    source: std::io::Error,
}

/// What the answers are made of.
#[derive(Clone)]
pub struct Status {
    /// Health of the consumer.
    pub health: Arc<Health>,
    /// Assigned partitions.
    pub partitions: Arc<Partitions>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The rules that run.
    pub rules: Arc<Vec<RuleView>>,
}

/// A rule as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `runs`, `caveat` or `refused`.
    pub status: crate::rule::set::Status,
}

/// The server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// A bound address that nobody serves yet.
pub struct Listener {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Takes the address, so that one in use is found before anything else has begun.
pub fn bind(settings: &Settings) -> Result<Listener, ListenError> {
    let listen = settings.listen;
    let fault = |source| ListenError { listen, source };
    let listener = TcpListener::bind(listen).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok(Listener { listener, address })
}

impl Listener {
    /// Starts to answer.
    pub fn serve(self, status: Status) -> Result<Server, ListenError> {
        let Self { listener, address } = self;
        let fault = |source| ListenError { listen: address, source };
        let stop = CancellationToken::new();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
        let stopped = stop.clone().cancelled_owned();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(answer(listener, status, stopped)) {
                    tracing::error!(%error, "http has ended");
                }
            })
            .map_err(fault)?;
        Ok(Server { address, stop, thread })
    }
}

impl Server {
    /// Stops to answer.
    pub fn stop(self) {
        self.stop.cancel();
        // A panic has been reported by the thread itself.
        drop(self.thread.join());
    }
}

async fn answer(
    listener: TcpListener,
    status: Status,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // Without waiting for connections that stay open: a probe's or a browser's.
    tokio::select! {
        () = connections::serve(listener, router(status)) => Ok(()),
        () = stopped => Ok(()),
    }
}

fn router(status: Status) -> Router {
    Router::new()
        // Whoever can answer has read its configuration and rules. What brokers say is no part of
        // that: a probe that never passes would end in a restart, which mends no broker.
        .route("/startupz", get(|| async { verdict(&[]) }))
        .route(
            "/livez",
            get(|State(s): State<Status>| async move { verdict(&s.health.liveness()) }),
        )
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(api_status))
        .with_state(status)
}

async fn readyz(State(status): State<Status>) -> Response {
    match &*status.health.readiness(&status.partitions) {
        [] => {
            let degraded = status.health.degraded();
            let lines = degraded.iter().map(|what| format!("degraded: {what}\n"));
            format!("ok\n{}", lines.collect::<String>()).into_response()
        }
        reasons => verdict(reasons),
    }
}

async fn metrics(State(status): State<Status>) -> Response {
    match status.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The answer of `/api/v1/status`.
#[derive(Serialize)]
struct StatusView<'a> {
    version: &'static str,
    ready: bool,
    reasons: Vec<String>,
    degraded: Vec<String>,
    partitions: Vec<PartitionView>,
    rules: &'a [RuleView],
}

async fn api_status(State(status): State<Status>) -> Response {
    let reasons = status.health.readiness(&status.partitions);
    Json(StatusView {
        version: env!("CARGO_PKG_VERSION"),
        ready: reasons.is_empty(),
        reasons,
        degraded: status.health.degraded(),
        partitions: status.partitions.view(),
        rules: &status.rules,
    })
    .into_response()
}

/// Answers a probe: all is well if there is no reason that it is not.
fn verdict(reasons: &[String]) -> Response {
    match reasons {
        [] => (StatusCode::OK, "ok\n".to_owned()).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response(),
    }
}
