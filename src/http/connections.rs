//! Connections: how many there may be, and how long each may take.
//!
//! Never lets those who send nothing keep probes from being answered: at the limit the oldest
//! connection makes room for the newest.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Most connections at a time. A request takes milliseconds: more are only held open.
const MOST: usize = 64;
/// How long the head of a request may take to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may live: one request, its answer, and a slow reader.
const WHOLE: Duration = Duration::from_secs(15);
/// How long to wait when no connection can be taken, as when the process has too many files open.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers connections for as long as it is polled; those that are open end with the runtime.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let mut open = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                make_room(&mut open);
                open.push_back(tokio::spawn(one(stream, router.clone())).abort_handle());
            }
            Err(error) => {
                tracing::debug!(%error, "a connection cannot be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn make_room(open: &mut VecDeque<AbortHandle>) {
    open.retain(|connection| !connection.is_finished());
    while open.len() >= MOST {
        let Some(oldest) = open.pop_front() else { break };
        oldest.abort();
    }
}

/// Answers one request.
async fn one(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(WHOLE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection has failed"),
        Err(_) => tracing::debug!("a connection has taken too long"),
    }
}
