//! The walls: which module may use which, and what pure modules must not touch.
//!
//! Reads the sources as text; the checker is tested on small made-up sources below.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxspan::rule::file::{Parsed, parse};
use maxspan::text::Text;

/// Every top module with the modules that it may use, in layer order: a line uses only what stands
/// in the lines above it.
const EDGES: &[(&str, &[&str])] = &[
    // Layer 0: text and blame.
    ("text", &[]),
    ("diag", &["text"]),
    // Layer 1: the event and the language.
    ("event", &[]),
    ("eql", &["diag", "event", "text"]),
    // Layer 2: evaluation.
    ("predicate", &["diag", "eql", "event", "text"]),
    ("sequence", &["event"]),
    // Layer 3: rules, shapes, alerts, and the detector of one partition.
    ("normalize", &["event"]),
    ("rule", &["diag", "eql", "event", "normalize", "predicate", "sequence", "text"]),
    ("recovery", &["event", "sequence", "text"]),
    (
        "detect",
        &["diag", "event", "normalize", "predicate", "recovery", "rule", "sequence", "text"],
    ),
    ("alert", &["detect", "event", "rule", "text"]),
    ("explain", &["detect", "eql", "event", "normalize", "predicate", "rule", "sequence"]),
    ("transaction", &["alert", "detect", "event"]),
    // Layer 4: the outside. Each of these may use everything above the I/O line, and:
    ("metrics", &[]),
    ("setting", &[]),
    ("memory", &["setting"]),
    ("shutdown", &["setting"]),
    ("telemetry", &[]),
    ("text_file", &[]),
    ("rules_dir", &["setting", "text_file"]),
    ("packing", &[]),
    ("source", &[]),
    ("kafka", &["memory", "metrics", "setting", "shutdown", "source"]),
    ("http", &["kafka", "metrics", "rules_dir", "shutdown"]),
    (
        "config",
        &[
            "http",
            "kafka",
            "memory",
            "rules_dir",
            "setting",
            "shutdown",
            "source",
            "telemetry",
            "text_file",
        ],
    ),
    ("setup", &["config", "packing"]),
    (
        "service",
        &[
            "config",
            "http",
            "kafka",
            "metrics",
            "rules_dir",
            "setup",
            "shutdown",
            "source",
            "telemetry",
        ],
    ),
    // Layer 5: the command line.
    (
        "cli",
        &[
            "config",
            "http",
            "kafka",
            "metrics",
            "rules_dir",
            "service",
            "setup",
            "shutdown",
            "source",
            "telemetry",
            "text_file",
        ],
    ),
    ("main", &["cli"]),
];

/// The last module above the I/O line.
const LAST_PURE: &str = "transaction";

/// Narrower than the table: what a module must not use of a module that it may use.
const NOT_OF: &[(&str, &[&str])] = &[
    // The language asks for types of fields and never reads a record.
    ("eql", &["event::decode"]),
    // What is committed knows offsets, paces and windows; never a rule's state.
    ("recovery", &["event::Fields", "event::decode", "sequence::Plan", "sequence::Sequences"]),
    // Machines see times, keys and identities; never a value, so that they are tested without any.
    (
        "sequence",
        &[
            "event::FieldId",
            "event::FieldTable",
            "event::Fields",
            "event::Value",
            "event::Values",
            "event::decode",
            "event::field",
            "event::value",
        ],
    ),
];

/// Every file of the rooms in which state lives, with the files of its room that it may use, in layer
/// order: a line uses only what stands in the lines above it. The file of a module itself (`mod.rs`)
/// is named like the module, and may use all files below it. `mod` is that file for those that are parts
/// of what it defines, as the methods of one type in several files are. A name that ends in `::*` stands
/// for a file and all files below it.
const INNER_EDGES: &[(&str, &[&str])] = &[
    // Time and plans; then what is remembered, and what may be decided; what matches; keys and quotas.
    ("sequence::pace", &[]),
    ("sequence::plan", &[]),
    ("sequence::candidate", &["plan"]),
    ("sequence::slab", &[]),
    ("sequence::entries", &["candidate", "pace", "slab"]),
    ("sequence::watermark", &["pace"]),
    ("sequence::matcher::partial", &["candidate", "plan"]),
    ("sequence::absences", &["candidate", "matcher::partial", "plan"]),
    ("sequence::matcher::tolerance", &["candidate", "matcher::partial", "plan"]),
    (
        "sequence::matcher::one_slot",
        &["candidate", "matcher::partial", "matcher::tolerance", "plan"],
    ),
    ("sequence::matcher::sample", &["candidate", "plan"]),
    (
        "sequence::matcher::held::block",
        &["candidate", "matcher::one_slot", "matcher::partial", "pace"],
    ),
    (
        "sequence::matcher::held::many",
        &[
            "absences",
            "candidate",
            "matcher::held::block",
            "matcher::partial",
            "pace",
            "plan",
            "watermark",
        ],
    ),
    (
        "sequence::matcher::held::refresh",
        &[
            "candidate",
            "matcher::held::block",
            "matcher::held::many",
            "matcher::one_slot",
            "matcher::partial",
            "mod",
            "plan",
        ],
    ),
    (
        "sequence::matcher::held::decide",
        &[
            "absences",
            "candidate",
            "matcher::held::block",
            "matcher::held::many",
            "matcher::partial",
            "plan",
        ],
    ),
    (
        "sequence::matcher::held::lone",
        &["candidate", "matcher::held::block", "matcher::held::many", "plan", "watermark"],
    ),
    (
        "sequence::matcher::held",
        &["absences", "candidate", "matcher::partial", "mod", "pace", "plan", "watermark"],
    ),
    ("sequence::matcher", &["candidate", "plan"]),
    ("sequence::footprint", &["candidate"]),
    (
        "sequence::store::deliver",
        &[
            "absences",
            "candidate",
            "entries",
            "matcher",
            "matcher::partial",
            "matcher::held",
            "matcher::held::block",
            "mod",
        ],
    ),
    (
        "sequence::store::decide",
        &["candidate", "entries", "matcher::partial", "mod", "pace", "plan"],
    ),
    ("sequence::store::leave", &["candidate", "entries", "matcher", "mod", "pace"]),
    ("sequence::store::limits", &["entries", "mod"]),
    (
        "sequence::store",
        &[
            "candidate",
            "entries",
            "footprint",
            "matcher",
            "matcher::sample",
            "matcher::held",
            "mod",
            "pace",
            "plan",
            "slab",
        ],
    ),
    ("sequence", &[]),
    // Where a replay begins; what is committed.
    ("recovery::windows", &[]),
    ("recovery::replay", &[]),
    ("recovery::journal", &["replay"]),
    ("recovery::checkpoint", &["replay", "windows"]),
    ("recovery::earlier", &["checkpoint", "replay"]),
    ("recovery", &[]),
    // What a detector has; what goes into it and comes out of it; what it does.
    ("detect::gate", &[]),
    ("detect::judge", &["gate"]),
    ("detect::machines", &[]),
    ("detect::room", &[]),
    ("detect::suppress", &[]),
    ("detect::boundary", &["gate"]),
    ("detect::channels", &[]),
    ("detect::finding", &["boundary", "mod", "suppress"]),
    ("detect::forward", &["boundary", "mod"]),
    ("detect::stats", &["finding"]),
    ("detect::lane", &["forward"]),
    ("detect::lanes", &["lane"]),
    ("detect::sources", &["boundary", "forward", "mod"]),
    ("detect::rekeyed", &["boundary", "forward", "sources"]),
    ("detect::restore", &["boundary", "lanes", "mod"]),
    ("detect::resume", &["lanes", "mod", "suppress"]),
    ("detect::phase", &["lanes", "restore", "resume"]),
    ("detect::admit", &["boundary", "forward", "judge", "lanes", "mod"]),
    ("detect::screen", &["judge", "mod", "stats"]),
    ("detect::prefilter", &["boundary", "gate", "judge", "mod"]),
    ("detect::engine", &["boundary", "forward", "judge", "mod", "prefilter", "screen"]),
    ("detect::case", &["boundary", "engine", "finding"]),
    ("detect", &[]),
    // Settings; what all threads know together.
    ("kafka::settings::secrets", &[]),
    ("kafka::settings::properties", &["settings::secrets"]),
    ("kafka::settings::security", &["mod", "settings::secrets"]),
    (
        "kafka::settings::client",
        &["mod", "settings::properties", "settings::secrets", "settings::security"],
    ),
    ("kafka::settings", &[]),
    ("kafka::state::clock", &[]),
    ("kafka::state::failpoint", &[]),
    ("kafka::state::lock", &[]),
    ("kafka::state::offsets", &[]),
    ("kafka::state::partitions", &["state::clock", "state::lock"]),
    ("kafka::state::health", &["state::clock", "state::lock", "state::partitions"]),
    ("kafka::state::journal_ends", &["state::lock"]),
    ("kafka::state::leases", &["state::lock"]),
    ("kafka::state::memory", &[]),
    ("kafka::state::poisoned", &["state::lock"]),
    ("kafka::state::requests", &["state::lock", "state::poisoned"]),
    ("kafka::state::hashes", &[]),
    ("kafka::state::alignment", &["state::hashes"]),
    ("kafka::state::placement", &["state::alignment", "state::clock", "state::lock"]),
    ("kafka::state::topics", &["state::lock", "state::placement"]),
    ("kafka::state::warm", &["state::offsets"]),
    (
        "kafka::state::shared",
        &[
            "settings::*",
            "state::clock",
            "state::health",
            "state::journal_ends",
            "state::leases",
            "state::lock",
            "state::memory",
            "state::offsets",
            "state::partitions",
            "state::requests",
            "state::topics",
            "state::warm",
        ],
    ),
    ("kafka::state", &[]),
    // The client, which knows no detector, worker or delivery.
    ("kafka::client::error", &["settings::*"]),
    ("kafka::client::log", &[]),
    ("kafka::client::statistics", &[]),
    ("kafka::client::positions", &[]),
    ("kafka::client::outcome", &["client::error", "settings::*"]),
    ("kafka::client::native::bell", &["state::lock"]),
    ("kafka::client::native::entries", &[]),
    ("kafka::client::native::generation", &[]),
    ("kafka::client::native::unpack::buffer", &[]),
    ("kafka::client::native::unpack::allowance", &[]),
    (
        "kafka::client::native::unpack::gzip",
        &["client::native::unpack::allowance", "client::native::unpack::buffer"],
    ),
    (
        "kafka::client::native::unpack::zstd",
        &["client::native::unpack::allowance", "client::native::unpack::buffer"],
    ),
    ("kafka::client::native::unpack", &[]),
    ("kafka::client::native::queue", &["client::error", "client::native::unpack::*"]),
    ("kafka::client::native::commit", &["client::error", "client::native::entries"]),
    ("kafka::client::native", &[]),
    ("kafka::client::questions", &["client::error", "client::native::*", "state::*"]),
    ("kafka::client::context::assignment", &["client::error", "client::native::*", "mod"]),
    (
        "kafka::client::context",
        &["client::log", "client::native::*", "client::questions", "client::statistics"],
    ),
    (
        "kafka::client::consumer",
        &[
            "client::context",
            "client::error",
            "client::native::*",
            "client::positions",
            "settings::*",
        ],
    ),
    ("kafka::client::rights", &["client::error", "settings::*", "state::*"]),
    ("kafka::client::admin", &["client::error", "settings::*"]),
    ("kafka::client::log_reader", &["client::error", "client::log", "settings::*", "state::*"]),
    (
        "kafka::client::writer",
        &[
            "client::consumer",
            "client::error",
            "client::log",
            "client::native::*",
            "client::positions",
            "client::rights",
            "settings::*",
            "state::*",
        ],
    ),
    ("kafka::client", &[]),
    // How a partition starts; the journal; the threads that own partitions.
    ("kafka::start::origination", &["settings::*", "state::*"]),
    ("kafka::start::revival", &["start::origination", "state::*"]),
    ("kafka::start", &[]),
    ("kafka::journal::request", &["state::*"]),
    ("kafka::journal::on_demand", &["state::*"]),
    ("kafka::journal::work", &["client::*", "journal::on_demand", "journal::request", "state::*"]),
    ("kafka::journal::reader", &["journal::request", "journal::work", "state::*"]),
    ("kafka::journal", &[]),
    ("kafka::worker::idle", &[]),
    ("kafka::worker::turn", &[]),
    ("kafka::worker::summons", &[]),
    ("kafka::worker::waiting", &["state::*"]),
    ("kafka::worker::command", &["client::*", "state::*"]),
    ("kafka::worker::partition::restoration", &["journal::*", "mod", "state::*", "worker::turn"]),
    ("kafka::worker::partition::publish", &["mod", "state::*"]),
    (
        "kafka::worker::partition",
        &[
            "client::*",
            "state::*",
            "worker::command",
            "worker::idle",
            "worker::turn",
            "worker::waiting",
        ],
    ),
    (
        "kafka::worker::thread",
        &[
            "client::*",
            "journal::*",
            "state::*",
            "worker::command",
            "worker::partition",
            "worker::summons",
            "worker::turn",
        ],
    ),
    (
        "kafka::worker::handle",
        &["journal::*", "state::*", "worker::command", "worker::summons", "worker::thread"],
    ),
    ("kafka::worker", &[]),
    // How cuts become durable; membership of the group; what is looked up beside the stream.
    ("kafka::delivery::outside", &["client::*", "state::*", "worker::*"]),
    ("kafka::delivery::cuts", &["worker::*"]),
    ("kafka::delivery::way", &["delivery::outside", "state::*"]),
    ("kafka::delivery::handle", &["delivery::cuts", "delivery::way", "worker::*"]),
    (
        "kafka::delivery::committer",
        &["delivery::handle", "delivery::outside", "delivery::way", "state::*", "worker::*"],
    ),
    (
        "kafka::delivery::plain",
        &["client::*", "delivery::outside", "delivery::way", "state::*", "worker::*"],
    ),
    (
        "kafka::delivery::transactional::steps",
        &["client::*", "delivery::outside", "mod", "state::*"],
    ),
    (
        "kafka::delivery::transactional",
        &["client::*", "delivery::outside", "delivery::way", "state::*", "worker::*"],
    ),
    ("kafka::delivery", &[]),
    ("kafka::group::refusal", &["client::*", "mod", "state::*"]),
    ("kafka::group::revocation", &["mod", "worker::*"]),
    ("kafka::group::rebuild", &["client::*", "mod", "start::*", "state::*", "worker::*"]),
    (
        "kafka::group::restart",
        &["client::*", "group::refusal", "mod", "start::*", "state::*", "worker::*"],
    ),
    (
        "kafka::group::assignment",
        &["client::*", "group::refusal", "mod", "start::*", "state::*", "worker::*"],
    ),
    ("kafka::group::events", &["client::*", "mod", "state::*"]),
    ("kafka::group", &["delivery::*", "state::*", "worker::*"]),
    ("kafka::watch::journal_retention", &["client::*", "state::*"]),
    ("kafka::watch::placement", &["state::*"]),
    ("kafka::watch::replays", &["state::*"]),
    ("kafka::watch::retention", &["client::*", "state::*", "watch::journal_retention"]),
    ("kafka::watch::advice", &["client::*", "settings::*"]),
    ("kafka::watch::topics", &["client::*", "settings::*", "state::*", "watch::advice"]),
    ("kafka::watch", &[]),
    ("kafka::error", &["client::*"]),
    // Workers and committer under schedules that a seed chooses: tests alone.
    ("kafka::simulation", &["client::*", "delivery::*", "settings::*", "state::*", "worker::*"]),
    (
        "kafka::polling",
        &[
            "client::*",
            "delivery::*",
            "error",
            "group::*",
            "journal::*",
            "settings::*",
            "state::*",
            "watch::*",
            "worker::*",
        ],
    ),
    ("kafka", &[]),
    // What tables say, and how a value is converted; then what a record says of itself; what is left of
    // the tables; the record as a whole.
    ("normalize::options", &[]),
    ("normalize::reads", &[]),
    ("normalize::scalars", &[]),
    ("normalize::engine_fields", &[]),
    ("normalize::names::dns_status", &[]),
    ("normalize::names::security", &[]),
    ("normalize::names", &[]),
    ("normalize::convert::account", &[]),
    ("normalize::convert::address", &[]),
    ("normalize::convert::args", &[]),
    ("normalize::convert::community_id", &[]),
    ("normalize::convert::context", &[]),
    ("normalize::convert::dns", &["convert::address", "names"]),
    ("normalize::convert::hashes", &[]),
    ("normalize::convert::invocation", &[]),
    ("normalize::convert::keywords", &[]),
    ("normalize::convert::number", &[]),
    ("normalize::convert::registry", &["convert::number", "names"]),
    ("normalize::convert::target", &[]),
    ("normalize::convert::xml", &[]),
    ("normalize::convert", &["names::*"]),
    ("normalize::table", &["convert", "options"]),
    ("normalize::channel::defender", &["convert", "table"]),
    ("normalize::channel::management", &["convert", "table"]),
    ("normalize::channel::powershell", &["convert::*", "table"]),
    ("normalize::channel::security", &["convert", "names::*", "table"]),
    ("normalize::channel::sysmon", &["convert::*", "names::*", "table"]),
    ("normalize::channel::system", &["convert", "names::*", "table"]),
    ("normalize::channel::task_scheduler", &["convert", "table"]),
    ("normalize::channel::terminal_services", &["convert", "table"]),
    ("normalize::channel::windows", &["table"]),
    ("normalize::channel", &["convert", "options", "table"]),
    ("normalize::program", &["channel::*", "convert::*", "options", "table"]),
    ("normalize::shape::nxlog", &["scalars"]),
    ("normalize::shape", &[]),
    ("normalize::origin", &["channel::*", "options", "shape::*", "table"]),
    ("normalize::host", &["engine_fields", "options"]),
    ("normalize::envelope", &["engine_fields", "host", "shape"]),
    ("normalize::dataset", &["engine_fields", "scalars"]),
    ("normalize::identity", &["engine_fields", "envelope"]),
    ("normalize::index", &["engine_fields"]),
    (
        "normalize::normalizer",
        &[
            "channel",
            "engine_fields",
            "envelope",
            "host",
            "identity",
            "index",
            "options",
            "program",
            "reads",
            "scalars",
            "shape::*",
        ],
    ),
    ("normalize::kind", &["normalizer", "program"]),
    ("normalize::document", &["convert::*", "envelope", "normalizer", "options", "shape::*"]),
    ("normalize", &[]),
];

/// Files that use each other, and what for. No others may.
const KNOTS: &[&[&str]] = &[
    // What comes out of a detector is one of these.
    &["detect::boundary", "detect::finding", "detect::forward"],
];

/// Who may name the Kafka client, and what for. All below a file belong to it.
const CLIENT_USERS: &[&str] = &[
    "kafka::client",
    // Says how the clients are configured.
    "kafka::settings",
    // The demonstration brings a broker of its own.
    "cli::demo::broker",
];

/// Structs of which everything hangs, and how many fields they may have: more of them are a sign that
/// they hold what has a room of its own.
const FEW_FIELDS: &[(&str, &str, usize)] =
    &[("Detector", "src/detect/mod.rs", 19), ("Shared", "src/kafka/state/shared.rs", 13)];

/// What a pure module must not name: paths, each standing for all that lies below it.
const BANNED_PATHS: &[&str] = &[
    "axum",
    "dashmap",
    "prometheus",
    "rand",
    "rdkafka",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "tokio",
    "tokio_util",
    "tracing",
];

/// Paths below a banned one that are plain data.
const ALLOWED_PATHS: &[&str] =
    &["std::net::AddrParseError", "std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

const BANNED_MACROS: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];

/// Files with `unsafe`: those that call the C functions of the Kafka client, and the one that calls
/// functions which need a processor with AVX2.
const UNSAFE: &[&str] = &["src/event/extract/structure/x86.rs", "src/kafka/client/native/"];

/// Words of the shipped rules: only rules, tests and documentation may know them.
const RULE_WORDS: &[&str] = &["svchost", "wmi", "wmiprvse"];

/// The table of a Windows channel that bears one of these words in its name.
const CHANNEL_OF_THAT_NAME: &str = "src/normalize/channel/management.rs";

#[test]
fn modules_use_only_what_stands_below_them() {
    let faults: Vec<String> = sources().iter().flat_map(Source::broken_edges).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_modules_touch_no_clock_file_network_thread_or_metric() {
    let faults: Vec<String> = sources().iter().flat_map(Source::banned_apis).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_stands_where_it_is_allowed() {
    let has_unsafe =
        |source: &&Source| tokens(&source.text).iter().any(|token| token.text == "unsafe");
    let is_allowed = |path: &str| UNSAFE.iter().any(|allowed| path.starts_with(allowed));
    let sources = sources();
    let faults = sources.iter().filter(has_unsafe).filter(|source| !is_allowed(&source.path));
    let faults: Vec<&str> = faults.map(|source| &*source.path).collect();
    assert!(faults.is_empty(), "`unsafe` in {faults:?}");
}

#[test]
fn the_engine_knows_nothing_of_the_shipped_rules() {
    let faults: Vec<String> = sources().iter().flat_map(Source::rule_words).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_source_file_says_first_what_it_is() {
    let sources = sources();
    let silent: Vec<&str> =
        sources.iter().filter(|s| !s.text.starts_with("//! ")).map(|s| &*s.path).collect();
    assert!(silent.is_empty(), "no `//!` line at the top: {silent:?}");
}

#[test]
fn the_table_points_downward_and_names_every_module() {
    for (line, (module, uses)) in EDGES.iter().enumerate() {
        for used in *uses {
            let is_above = EDGES[..line].iter().any(|(above, _)| above == used);
            assert!(is_above, "`{module}` uses `{used}`, which does not stand above it");
        }
    }
    for source in sources() {
        let module = source.module.first().map_or("lib", String::as_str);
        let is_known = module == "lib" || EDGES.iter().any(|(name, _)| *name == module);
        assert!(is_known, "{}: `{module}` has no line in the table", source.path);
    }
}

#[test]
fn files_of_a_room_use_only_what_stands_below_them() {
    let sources = sources();
    let rooms = Rooms::of(&sources);
    let faults: Vec<String> =
        sources.iter().flat_map(|source| source.broken_inner_edges(&rooms)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_inner_table_points_downward_and_names_every_file() {
    for (line, (file, uses)) in INNER_EDGES.iter().enumerate() {
        let room = room_of(file);
        for used in uses.iter().filter(|used| **used != "mod") {
            let is_used = |(line, _): &&(&str, &[&str])| covers(room, used, line);
            let named = INNER_EDGES.iter().filter(is_used).count();
            let above = INNER_EDGES[..line].iter().filter(is_used).count();
            assert!(named > 0, "`{file}` uses `{used}`, which has no line");
            assert!(named == above, "`{file}` uses `{used}`, which does not stand above it");
        }
    }
    let sources = sources();
    let files: Vec<String> = sources.iter().map(|source| source.module.join("::")).collect();
    let has_line = |file: &str| INNER_EDGES.iter().any(|(line, _)| *line == file);
    for file in files.iter().filter(|file| INNER_EDGES.iter().any(|l| l.0 == room_of(file))) {
        assert!(has_line(file), "`{file}` has no line in the inner table");
    }
    for (line, _) in INNER_EDGES {
        assert!(files.iter().any(|file| file == line), "there is no file `{line}`");
    }
}

#[test]
fn what_everything_hangs_on_has_few_fields() {
    for (name, file, most) in FEW_FIELDS {
        let source = std::fs::read_to_string(root().join(file)).unwrap();
        let fields = fields_of(name, &source);
        assert!(fields.len() > 5, "{name}: {fields:?}");
        assert!(fields.len() <= *most, "{name}: {} fields: {fields:?}", fields.len());
    }
}

#[test]
fn only_the_room_of_the_client_knows_the_kafka_client() {
    let sources = sources();
    let faults: Vec<String> = sources.iter().flat_map(Source::names_of_the_client).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for user in CLIENT_USERS {
        let all = sources.iter().filter(|source| is_or_below(&source.module.join("::"), user));
        let is_needed = all.clone().any(|source| source.text.contains("rdkafka::"));
        assert!(is_needed, "`{user}` does not name the client: take it out of the list");
    }
}

/// Returns the names of a struct's fields.
fn fields_of(name: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let start = tokens
        .windows(3)
        .position(|t| t[0].text == "struct" && t[1].text == name && t[2].text == "{");
    let (mut depth, mut fields) = (0, Vec::new());
    for pair in tokens[start.unwrap() + 2..].windows(2) {
        match &*pair[0].text {
            "{" | "<" | "(" => depth += 1,
            "}" | ">" | ")" => depth -= 1,
            name if depth == 1 && pair[1].text == ":" => fields.push(name.to_owned()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    fields
}

#[test]
fn every_code_of_a_diagnostic_stands_in_the_list() {
    let mut codes = 0;
    for source in sources() {
        let lines = source.text.lines().take(without_tests_from(&source.text));
        for text in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            let is_code = text.len() == 5
                && text.starts_with(['E', 'W', 'N'])
                && text[1..].bytes().all(|byte| byte.is_ascii_digit());
            let known = !is_code || maxspan::diag::codes::find(text).is_some();
            assert!(known, "{}: `{text}` is missing in src/diag/codes.rs", source.path);
            codes += usize::from(is_code);
        }
    }
    assert!(codes > 100, "{codes} codes found");
}

#[test]
fn every_shipped_rule_has_cases() {
    for entry in std::fs::read_dir(root().join("config/rules")).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        if let Some(stem) = path.strip_suffix(".toml").filter(|stem| !stem.ends_with(".cases")) {
            let cases = format!("{stem}.cases.toml");
            assert!(Path::new(&cases).exists(), "{path} has no cases: write {cases}");
        }
    }
}

#[test]
fn every_shipped_rule_loads() {
    let mut rules = 0;
    for entry in std::fs::read_dir(root().join("config/rules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".toml") || name.ends_with(".cases.toml") {
            continue;
        }
        let contents = std::fs::read_to_string(&path).unwrap();
        match parse(Arc::new(Text::new(name.clone(), contents))) {
            Parsed::Rule(..) => rules += 1,
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(rules >= 3, "only {rules} rules");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    read_sources(&root().join("src"), &mut Vec::new(), &mut sources);
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

fn read_sources(directory: &Path, module: &mut Vec<String>, sources: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            module.push(stem);
            read_sources(&path, module, sources);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut module = module.clone();
            if !["mod", "lib"].contains(&&*stem) {
                module.push(stem);
            }
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            sources.push(Source { path, module, text });
        }
    }
}

/// One source file.
struct Source {
    path: String,
    /// Its place in the module tree; empty for the crate's root.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn broken_edges(&self) -> Vec<String> {
        let Some(from) = self.module.first() else { return Vec::new() };
        let mut faults = Vec::new();
        for path in paths(&tokens(&self.text), &self.module) {
            let [root, to, rest @ ..] = path.names.as_slice() else { continue };
            let is_ours = root == "crate" || (from == "main" && root == "maxspan");
            if !is_ours || to == from {
                continue;
            }
            let below = rest.first().map(|name| format!("{to}::{name}")).unwrap_or_default();
            if !may_use(from, to) || must_not_use(from, &below) {
                let named = path.names.join("::");
                faults
                    .push(format!("{}:{}: `{from}` must not use `{named}`", self.path, path.line));
            }
        }
        faults
    }

    fn banned_apis(&self) -> Vec<String> {
        let Some(module) = self.module.first() else { return Vec::new() };
        let is_test = self.module.last().is_some_and(|name| name == "tests");
        if !is_pure(module) || is_test {
            return Vec::new();
        }
        let tokens = without_tests(tokens(&self.text));
        let named = paths(&tokens, &self.module);
        let banned = named.iter().filter(|path| is_banned(&path.names)).map(|path| {
            format!("{}:{}: a pure module names `{}`", self.path, path.line, path.names.join("::"))
        });
        let is_banned_macro =
            |pair: &&[Token]| BANNED_MACROS.contains(&&*pair[0].text) && pair[1].text == "!";
        let printing = tokens.windows(2).filter(is_banned_macro).map(|pair| {
            format!("{}:{}: a pure module prints: `{}!`", self.path, pair[0].line, pair[0].text)
        });
        banned.chain(printing).collect()
    }

    fn rule_words(&self) -> Vec<String> {
        if self.path == CHANNEL_OF_THAT_NAME {
            return Vec::new();
        }
        let tests_at = without_tests_from(&self.text);
        let mut faults = Vec::new();
        for (number, line) in self.text.lines().enumerate().take(tests_at) {
            // The demonstration may carry rules and captures within it.
            if line.contains("include_str!") || line.contains("include_bytes!") {
                continue;
            }
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase);
            for word in words.filter(|word| RULE_WORDS.contains(&&**word)) {
                faults.push(format!("{}:{}: knows `{word}`", self.path, number + 1));
            }
        }
        faults
    }
}

/// Tells whether a file is what a line of the inner table lists.
fn covers(room: &str, listed: &str, file: &str) -> bool {
    match listed.strip_suffix("::*") {
        Some(top) => is_or_below(file, &format!("{room}::{top}")),
        None => format!("{room}::{listed}") == file,
    }
}

fn is_or_below(file: &str, top: &str) -> bool {
    file.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn room_of(file: &str) -> &str {
    file.split("::").next().unwrap_or(file)
}

/// Which file of a room defines what is named by the room.
struct Rooms {
    /// By the path of a module with files below it: the names that it takes from them.
    taken: BTreeMap<String, BTreeMap<String, String>>,
    files: BTreeSet<String>,
}

impl Rooms {
    fn of(sources: &[Source]) -> Self {
        let files: BTreeSet<String> = sources.iter().map(|s| s.module.join("::")).collect();
        let mut taken: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for source in sources {
            let module = source.module.join("::");
            for path in paths(&tokens(&source.text), &source.module) {
                let (Some(last), Some(first)) = (path.names.last(), path.names.first()) else {
                    continue;
                };
                let below = format!("{module}::{first}");
                if files.contains(&below) {
                    let of = format!("{module}::{}", path.names.join("::"));
                    taken.entry(module.clone()).or_default().insert(last.clone(), of);
                }
            }
        }
        Self { taken, files }
    }

    /// Returns the file that defines what a path names, the crate's name left away.
    fn file_of(&self, names: &[String]) -> Option<String> {
        let whole = (1..=names.len()).rev().map(|end| (end, names[..end].join("::")));
        let (end, file) = whole.into_iter().find(|(_, file)| self.files.contains(file))?;
        let taken = names.get(end).and_then(|name| self.taken.get(&file)?.get(name));
        let Some(taken) = taken else { return Some(file) };
        let names: Vec<String> = taken.split("::").map(str::to_owned).collect();
        let ends = (1..=names.len()).rev().map(|end| names[..end].join("::"));
        ends.into_iter().find(|file| self.files.contains(file))
    }
}

impl Source {
    /// Returns where it names the Kafka client and must not.
    fn names_of_the_client(&self) -> Vec<String> {
        let file = self.module.join("::");
        if CLIENT_USERS.iter().any(|user| is_or_below(&file, user)) {
            return Vec::new();
        }
        let named = paths(&tokens(&self.text), &self.module);
        let named = named.iter().filter(|path| path.names[0] == "rdkafka" && path.names.len() > 1);
        named.map(|path| format!("{}:{}: names the client", self.path, path.line)).collect()
    }

    /// Returns which files of its room it uses and must not.
    fn broken_inner_edges(&self, rooms: &Rooms) -> Vec<String> {
        let file = self.module.join("::");
        let Some((_, uses)) = INNER_EDGES.iter().find(|(line, _)| *line == file) else {
            return Vec::new();
        };
        let room = room_of(&file);
        let mut faults = Vec::new();
        for path in paths(&without_tests(tokens(&self.text)), &self.module) {
            let Some(names) = path.names.strip_prefix(&["crate".to_owned()]) else { continue };
            let Some(used) = rooms.file_of(names).filter(|used| room_of(used) == room) else {
                continue;
            };
            let is_below = used == file || used.starts_with(&format!("{file}::"));
            let is_module = file.starts_with(&format!("{used}::"));
            if is_module && names.join("::") == used {
                // To whom something is visible.
                continue;
            }
            let is_listed = match is_module {
                true => uses.contains(&"mod"),
                false => uses.iter().any(|listed| covers(room, listed, &used)),
            };
            let is_in = |knot: &&[&str]| knot.contains(&&*file) && knot.contains(&&*used);
            if !is_below && !is_listed && !KNOTS.iter().any(is_in) {
                let named = path.names.join("::");
                faults
                    .push(format!("{}:{}: `{file}` must not use `{named}`", self.path, path.line));
            }
        }
        faults
    }
}

fn is_pure(module: &str) -> bool {
    let place = |name| EDGES.iter().position(|(line, _)| *line == name);
    place(module) <= place(LAST_PURE) && place(module).is_some()
}

fn may_use(from: &str, to: &str) -> bool {
    let Some((_, uses)) = EDGES.iter().find(|(name, _)| *name == from) else { return false };
    uses.contains(&to) || (!is_pure(from) && is_pure(to))
}

fn must_not_use(from: &str, below: &str) -> bool {
    NOT_OF.iter().any(|(name, forbidden)| *name == from && forbidden.contains(&below))
}

fn is_banned(names: &[String]) -> bool {
    let path = names.join("::");
    let is_below = |above: &&&str| {
        path.strip_prefix(**above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if ALLOWED_PATHS.iter().any(|allowed| is_below(&allowed)) {
        return false;
    }
    // A lone word may be a variable; `std::time` as a whole would let its clocks in unseen.
    let is_whole_module = ["std::time", "std::time::*", "std::time::self"].contains(&&*path);
    names.len() > 1 && (is_whole_module || BANNED_PATHS.iter().any(|banned| is_below(&banned)))
}

/// Returns the number of the first line of `#[cfg(test)]`, after which only tests stand.
fn without_tests_from(text: &str) -> usize {
    text.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX)
}

/// A word, a number or a single other character of a source; `::` counts as one.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Splits a source into tokens, without comments and the insides of strings.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let len = token_len(rest, first);
        let (piece, after) = rest.split_at(len);
        let is_silent = first.is_whitespace()
            || piece.starts_with("//")
            || piece.starts_with("/*")
            || (piece.len() > 1 && piece.ends_with(['"', '\'', '#']));
        if !is_silent {
            tokens.push(Token { text: piece.to_owned(), line });
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    tokens
}

fn token_len(rest: &str, first: char) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if let Some(len) = raw_string_len(rest) {
        return len;
    }
    if first == '"' || rest.starts_with("b\"") {
        return quoted_len(rest, '"');
    }
    if first == '\'' {
        return char_len(rest);
    }
    if first.is_alphanumeric() || first == '_' {
        return to(rest.find(|c: char| !c.is_alphanumeric() && c != '_'));
    }
    if rest.starts_with("::") { 2 } else { first.len_utf8() }
}

fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0;
    for (at, _) in rest.char_indices() {
        if rest[at..].starts_with("/*") {
            depth += 1;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

fn raw_string_len(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let close = inside.find(&end)?;
    Some(rest.len() - inside.len() + close + end.len())
}

/// Returns the length of a quoted text that may hold escaped quotes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let open = rest.find(quote).unwrap_or(0) + 1;
    let mut is_escaped = false;
    for (at, character) in rest[open..].char_indices() {
        if character == quote && !is_escaped {
            return open + at + 1;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    rest.len()
}

/// Returns the length of a character literal, or of the quote alone in front of a lifetime.
fn char_len(rest: &str) -> usize {
    let mut inside = rest[1..].chars();
    match inside.next() {
        Some('\\') => quoted_len(rest, '\''),
        Some(character) if inside.next() == Some('\'') => 2 + character.len_utf8(),
        _ => 1,
    }
}

/// Returns the tokens without modules that are compiled for tests only.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = tokens[at..].iter().zip(attribute).filter(|(t, a)| t.text == *a).count();
        if starts == attribute.len() {
            at = end_of_item(&tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the index behind the item that starts at `at`: behind its braces, or its semicolon.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match &*token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return index + 1,
            _ => continue,
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// A path that a source names, in full.
#[derive(Debug)]
struct NamedPath {
    names: Vec<String>,
    line: usize,
}

/// Returns all paths in the tokens, groups taken apart and `super` resolved to `crate`.
fn paths(tokens: &[Token], module: &[String]) -> Vec<NamedPath> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        let text = &*tokens[at].text;
        match text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, opened)| *opened < depth + 1);
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => {
                inline.push((tokens[at + 1].text.clone(), depth + 1));
            }
            _ => {}
        }
        if !is_name(text) {
            at += 1;
            continue;
        }
        let here: Vec<String> =
            module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect();
        let start = found.len();
        at = read_path(tokens, at, &mut Vec::new(), &mut found);
        for path in &mut found[start..] {
            resolve(&mut path.names, &here);
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads a path, or a group of them behind `prefix`, and returns the index behind it.
fn read_path(
    tokens: &[Token],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<NamedPath>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token: &Token| &token.text);
    let outer = prefix.len();
    while is_name(text(at)) || (text(at) == "*" && outer + prefix.len() > 0) {
        prefix.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if text(at) == "{" && text(at.wrapping_sub(1)) == "::" {
        at += 1;
        while at < tokens.len() && text(at) != "}" {
            at = if text(at) == "," {
                at + 1
            } else {
                read_path(tokens, at, prefix, found).max(at + 1)
            };
        }
        at += 1;
    } else {
        let line = tokens[at.saturating_sub(1)].line;
        found.push(NamedPath { names: prefix.clone(), line });
    }
    prefix.truncate(outer);
    at
}

/// Turns a path that starts with `super` into one that starts with `crate`.
fn resolve(names: &mut Vec<String>, here: &[String]) {
    let ups = names.iter().take_while(|name| *name == "super").count();
    if ups > 0 {
        let base = here.len().saturating_sub(ups);
        let prefix = std::iter::once("crate".to_owned()).chain(here[..base].iter().cloned());
        let resolved: Vec<String> = prefix.chain(names[ups..].iter().cloned()).collect();
        *names = resolved;
    }
}

fn made_up(module: &str, text: &str) -> Source {
    let module: Vec<String> = module.split("::").map(str::to_owned).collect();
    Source { path: format!("{}.rs", module.join("/")), module, text: text.to_owned() }
}

#[test]
fn a_broken_edge_is_found_however_it_is_written() {
    for (module, text) in [
        ("event", "use crate::rule::Rule;"),
        ("event", "use crate::{event::EventTime, rule::Rule};"),
        ("event", "use crate::{\n  event::{EventTime, JoinKey},\n  eql::{self},\n};"),
        ("event", "fn f() -> crate::rule::Rule { todo() }"),
        ("event", "use super::rule::Rule;"),
        ("event::key", "use super::super::rule::Rule;"),
        ("event::key", "mod inner { use super::super::super::rule::Rule; }"),
        ("event", "mod tests { use crate::rule::Rule; }"),
        ("event", "fn f<'a>(x: &'a str) -> char { let _ = crate::rule::f(x); '\\'' }"),
        ("event", "let quote = '\"'; crate::rule::f();"),
        ("event", "use crate::*;"),
        ("sequence", "use crate::eql::ast::Expr;"),
        ("sequence", "use crate::event::{EventTime, Value};"),
        ("eql", "use crate::event::decode::decode;"),
        ("rule", "use crate::detect::Detector;"),
        ("detect", "use crate::alert::AlertRecord;"),
        ("detect", "use crate::kafka::Worker;"),
        ("kafka", "use crate::service::run;"),
        ("http", "use crate::config::Config;"),
        ("main", "fn main() { maxspan::service::run() }"),
        ("no_such_module", "use crate::text::Span;"),
    ] {
        let faults = made_up(module, text).broken_edges();
        assert_eq!(faults.len(), 1, "{module}: {text}: {faults:?}");
    }
}

#[test]
fn an_allowed_edge_is_left_alone() {
    for (module, text) in [
        ("event", "use std::fmt; use super::event::key::JoinKey; // crate::rule\n"),
        ("event::key", "use super::time::EventTime; use crate::event::Value;"),
        ("event::key", "mod tests { use super::*; use super::super::value::Value; }"),
        ("event", "/* use crate::rule; /* nested */ */ let x = \"crate::rule\";"),
        ("event", "let x = r#\"use crate::\"rule\"\"#; let y = b\"crate::rule\";"),
        ("event", "pub(crate) struct A; pub(in crate::event) struct B;"),
        ("sequence", "use crate::event::{EventTime, JoinKey, TimeSpan};"),
        ("rule", "use crate::normalize::IndexPatterns; use crate::eql::parse;"),
        ("kafka::worker", "use crate::detect::Detector; use crate::metrics::Metrics;"),
        ("main", "fn main() { maxspan::cli::run() }"),
    ] {
        assert_eq!(made_up(module, text).broken_edges(), Vec::<String>::new(), "{module}: {text}");
    }
}

#[test]
fn a_broken_inner_edge_is_found_however_it_is_written() {
    let rooms = Rooms::of(&sources());
    for (file, text) in [
        ("sequence::pace", "use super::store::Store;"),
        ("sequence::watermark", "use super::Candidate;"),
        ("sequence::watermark", "fn f(_: &crate::sequence::candidate::Candidate) {}"),
        ("sequence::entries", "use super::Counts;"),
        ("sequence::matcher::sample", "use super::Run;"),
        ("sequence::matcher::sample", "use crate::sequence::matcher::held::Held;"),
        ("recovery::replay", "use super::{checkpoint::Checkpoint};"),
        ("detect::judge", "use super::Output;"),
        ("detect::lane", "impl super::Detector {}"),
        ("detect::phase", "use super::suppress::Windows;"),
        ("kafka::worker::thread", "use crate::kafka::delivery::Committer;"),
        ("kafka::worker::thread", "use crate::kafka::group::Group;"),
        ("kafka::state::placement", "use super::Shared;"),
        ("kafka::journal::work", "use crate::kafka::worker;"),
        ("kafka::client::context", "use crate::kafka::state::Shared;"),
        ("kafka::client::native::queue", "use super::super::consumer::Consumer;"),
        ("kafka::watch::topics", "use crate::kafka::start::originate;"),
    ] {
        let faults = made_up(file, text).broken_inner_edges(&rooms);
        assert_eq!(faults.len(), 1, "{file}: {text}: {faults:?}");
    }
    for (file, text) in [
        (
            "sequence::watermark",
            "use super::pace::Pace; use super::Pace; use crate::event::EventTime;",
        ),
        ("sequence::store", "use super::{Counts, Match};"),
        ("sequence::absences", "use super::matcher::partial::Partial;"),
        ("sequence", "use store::Store; use crate::sequence::matcher::Matcher;"),
        ("detect::admit", "impl super::Detector { fn f(_: super::Record<'_>) {} }"),
        ("detect::judge", "#[cfg(test)] mod tests { use crate::detect::Detector; }"),
        ("kafka::delivery::plain", "use crate::kafka::client::outcome::Commit;"),
        ("kafka::group::events", "use crate::kafka::client::GroupEvents; use super::Group;"),
        ("event::key", "use super::time::EventTime;"),
    ] {
        let faults = made_up(file, text).broken_inner_edges(&rooms);
        assert_eq!(faults, Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn a_name_of_the_client_is_found_however_it_is_written() {
    for text in [
        "use rdkafka::Offset;",
        "use rdkafka::{config::RDKafkaLogLevel};",
        "fn f(_: rdkafka::Offset) {}",
        "mod tests { use rdkafka::Offset; }",
    ] {
        assert_eq!(made_up("kafka::worker", text).names_of_the_client().len(), 1, "{text}");
        let client = made_up("kafka::client::questions", text).names_of_the_client();
        assert_eq!(client, Vec::<String>::new(), "{text}");
    }
    let harmless = "// rdkafka::Offset\nlet rdkafka = \"rdkafka::Offset\";";
    assert_eq!(made_up("kafka::worker", harmless).names_of_the_client(), Vec::<String>::new());
}

#[test]
fn fields_of_a_struct_are_counted() {
    let source = "struct Other { a: u8 }\npub struct Wanted {\n  /// x: y\n  a: Vec<(u8, u8)>,\n  \
                  pub b: BTreeMap<A, B>,\n  c: fn(d: u8) -> u8,\n}\nstruct More { e: u8 }";
    assert_eq!(fields_of("Wanted", source), ["a", "b", "c"]);
}

#[test]
fn a_banned_api_is_found_however_it_is_written() {
    for text in [
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "use std::{fmt, fs};",
        "use std::time;",
        "use std::time::*;",
        "use std::net::TcpStream;",
        "use std::net::{IpAddr, UdpSocket};",
        "let now = std::time::Instant::now();",
        "std::thread::spawn(f);",
        "let home = std::env::var(\"HOME\");",
        "tokio::spawn(f);",
        "use rdkafka::Message;",
        "tracing::warn!(\"x\");",
        "println!(\"x\");",
        "mod inner { fn f() { eprintln!(\"x\") } }",
        "mod tests { use std::fs; }",
    ] {
        let faults = made_up("sequence", text).banned_apis();
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert_eq!(made_up("kafka", text).banned_apis(), Vec::<String>::new());
    }
}

#[test]
fn harmless_names_and_tests_are_left_alone() {
    for text in [
        "use std::time::Duration;",
        "use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};",
        "let tracing = rand + tokio;",
        "// std::fs::read\n/// println!(\"x\")\nlet x = \"std::fs\";",
        "#[cfg(test)]\nmod tests { use std::fs; fn f() { println!(\"{}\", { 1 }) } }\nfn g() {}",
        "#[cfg(test)]\nmod tests;",
        "writeln!(f, \"x\")",
    ] {
        assert_eq!(made_up("sequence", text).banned_apis(), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn words_of_the_rules_are_found() {
    for text in ["// as WMI does", "const X: &str = \"WmiPrvSE.exe\";", "fn is_wmi() {}", "svchost"]
    {
        assert_eq!(made_up("normalize", text).rule_words().len(), 1, "{text}");
    }
    for text in [
        "let showMinimum = 1;",
        "include_str!(\"../config/rules/wmi_rule.toml\")",
        "fn f() {}\n#[cfg(test)]\nmod tests { const X: &str = \"svchost.exe\"; }",
    ] {
        assert_eq!(made_up("normalize", text).rule_words(), Vec::<String>::new(), "{text}");
    }
}
