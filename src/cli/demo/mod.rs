//! `maxspan demo`: the real service, an in-process broker, a recorded attack.
//!
//! Never takes a short cut: records go through Kafka's protocol into the service that `run` runs,
//! and alerts are read back from the alerts topic.

mod broker;
mod capture;
mod show;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::broker::{Broker, Reader};
use super::{Exit, output};
use crate::config::Config;
use crate::service::{self, View};
use crate::text::Text;
use crate::{shutdown, telemetry};

/// Arguments of `maxspan demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the alerts alone, one JSON document a line
    #[arg(long)]
    json: bool,
    /// Keep running until Ctrl-C, to look at the HTTP interface
    #[arg(long)]
    stay: bool,
    /// Where to serve HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    http: SocketAddr,
}

/// The shipped rules.
const RULES: [(&str, &str); 3] = [
    ("v100", include_str!("../../../config/rules/wmi_incoming_lateral_movement_v100.toml")),
    ("2023", include_str!("../../../config/rules/wmi_incoming_lateral_movement_2023.toml")),
    ("20s", include_str!("../../../config/rules/wmi_incoming_lateral_movement_20s.toml")),
];

const INPUT: &str = "winlogbeat";
const PARTITIONS: i32 = 3;
/// Longer than this the demo never takes, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
///
/// # Errors
/// If the broker or the service cannot start, or the service cannot go on.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(demo(args))
}

async fn demo(args: &Args) -> anyhow::Result<Exit> {
    let stop = shutdown::on_signals().context("cannot watch for signals")?;
    let records = capture::records().context("cannot unpack the recorded attack")?;
    let broker = Broker::start(INPUT, PARTITIONS)?;
    let config = config(&broker, args.http)?;
    telemetry::init(&config.log);
    broker.produce(&config.kafka.topics[0], &records)?;
    output::note(&format!(
        "in-process broker: {} records of a recorded attack in topic `{INPUT}`",
        records.len()
    ));
    let reader = Reader::new(&broker, &config.kafka.alerts_topic)?;

    let (show_view, view) = tokio::sync::oneshot::channel();
    let ended = stop.child_token();
    let service = service::run_with(config, texts(), ended.clone(), |view| {
        // The receiver waits below; if it is gone, so is the demo.
        drop(show_view.send(view));
    });
    let watch = watch(args, view, reader, records.len(), ended);
    let (served, exit) = tokio::join!(service, watch);
    served?;
    exit
}

/// Watches the service until it has read everything, then ends it.
async fn watch(
    args: &Args,
    view: tokio::sync::oneshot::Receiver<View>,
    reader: Reader,
    records: usize,
    stop: CancellationToken,
) -> anyhow::Result<Exit> {
    let _stop_whatever_happens = stop.clone().drop_guard();
    // Without a view the service has not started, and says why.
    let Ok(view) = view.await else { return Ok(Exit::Failed) };
    output::note(&format!("http://{}/api/v1/status and /metrics", view.address));
    let began = Instant::now();
    let mut alerts = 0;
    while !stop.is_cancelled() && began.elapsed() < PATIENCE {
        for alert in reader.next() {
            alerts += 1;
            show::alert(&alert, args.json);
        }
        let delivered = view.status.metrics.alert.delivered.get();
        if is_done(&view, records) && alerts >= delivered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let is_complete = is_done(&view, records);
    let took = began.elapsed().as_secs_f64();
    output::note(&format!("{alerts} alerts from {records} records in {took:.1} s"));
    if !is_complete && !stop.is_cancelled() {
        output::warning("not all records were processed in time");
    }
    if args.stay && !stop.is_cancelled() {
        output::note("stays until Ctrl-C");
        stop.cancelled().await;
    }
    Ok(if is_complete && alerts > 0 { Exit::Fine } else { Exit::Findings })
}

/// Tells whether all records are processed and what they led to is committed.
fn is_done(view: &View, records: usize) -> bool {
    let partitions = view.status.partitions.view();
    let committed: i64 = partitions.iter().filter_map(|partition| partition.committed).sum();
    usize::try_from(committed).is_ok_and(|committed| committed >= records)
        && partitions.iter().all(|partition| partition.outbox == 0)
}

fn config(broker: &Broker, http: SocketAddr) -> anyhow::Result<Config> {
    let mut config = Config::default();
    config.kafka.brokers = vec![broker.address()];
    config.kafka.group = "maxspan-demo".to_owned();
    config.kafka.topics = vec![INPUT.to_owned()];
    config.kafka.instance_id = Some("demo".to_owned());
    config.kafka.commit_interval = Duration::from_millis(200);
    config.http.listen = http;
    config.log.level = "warn".to_owned();
    broker.create(&config.kafka.alerts_topic)?;
    broker.create(&config.kafka.dead_letter_topic)?;
    Ok(config)
}

fn texts() -> Vec<Arc<Text>> {
    RULES.map(|(name, contents)| Arc::new(Text::new(name, contents))).into()
}
