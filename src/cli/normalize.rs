//! `maxspan normalize`: records as rules see them, as whole ECS documents.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value as Json};

use super::{Exit, output};
use crate::normalize::{Documents, Envelope, Options, Shape};
use crate::source;

/// How many unreadable lines are named on stderr; all are counted.
const NAMED_LINES: u64 = 5;
/// Most layouts that `--unknown` tells apart, and most paths that it shows of each.
const MAX_LAYOUTS: usize = 1_000;
const MAX_PATHS: usize = 64;

/// Arguments of `maxspan normalize`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of records, one JSON document a line: plain, .gz or .zst; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The service's configuration, for its `[input]`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Instead of documents, list how records of unknown shape are laid out
    #[arg(long)]
    unknown: bool,
    /// Print no summary
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// If the configuration or a file cannot be read, or a document cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let options = match &args.config {
        Some(path) => crate::config::Config::load(Some(path), &[])?.rule_defaults().normalize,
        None => Options::default(),
    };
    let mut reader = Reader::new(options, args.unknown);
    match reader.files(&args.files) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => return Ok(Exit::Fine),
        result => result?,
    }
    if !args.quiet {
        reader.summarize();
    }
    let found = reader.unreadable > 0 || args.unknown && !reader.layouts.is_empty();
    Ok(if found { Exit::Findings } else { Exit::Fine })
}

struct Reader {
    documents: Documents,
    lists_unknown: bool,
    shapes: [u64; Shape::ALL.len()],
    forwarded: u64,
    unreadable: u64,
    /// By the paths of a record: how many have these, and where the first stands.
    layouts: BTreeMap<BTreeSet<String>, (u64, String)>,
    layouts_left_out: u64,
}

impl Reader {
    fn new(options: Options, lists_unknown: bool) -> Self {
        Self {
            documents: Documents::new(options),
            lists_unknown,
            shapes: Default::default(),
            forwarded: 0,
            unreadable: 0,
            layouts: BTreeMap::new(),
            layouts_left_out: 0,
        }
    }

    fn files(&mut self, paths: &[PathBuf]) -> anyhow::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        for path in paths {
            self.file(path, &mut out)?;
        }
        self.write_layouts(&mut out)?;
        out.flush().context("cannot write")
    }

    fn file(&mut self, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let context = || format!("cannot read `{}`", path.display());
        let mut lines = source::open(path).with_context(context)?;
        while lines.advance().with_context(context)? {
            let place = || format!("{}:{}", path.display(), lines.number());
            match self.documents.read(lines.line()) {
                Some((document, envelope)) => self.record(document, &envelope, &place, out)?,
                None => {
                    self.unreadable += 1;
                    if self.unreadable <= NAMED_LINES {
                        output::warning(&format!("{}: unreadable record", place()));
                    }
                }
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        document: Map<String, Json>,
        envelope: &Envelope,
        place: &dyn Fn() -> String,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        self.shapes[envelope.shape.index()] += 1;
        self.forwarded += u64::from(envelope.is_forwarded);
        if self.lists_unknown {
            if envelope.shape == Shape::Unknown {
                self.note_layout(&document, place);
            }
            return Ok(());
        }
        let text = serde_json::to_vec(&document).context("cannot write a document")?;
        out.write_all(&text).context("cannot write a document")?;
        out.write_all(b"\n").context("cannot write a document")
    }

    fn note_layout(&mut self, document: &Map<String, Json>, place: &dyn Fn() -> String) {
        let paths = paths(document);
        if let Some((count, _)) = self.layouts.get_mut(&paths) {
            *count += 1;
        } else if self.layouts.len() < MAX_LAYOUTS {
            self.layouts.insert(paths, (1, place()));
        } else {
            self.layouts_left_out += 1;
        }
    }

    /// Writes the layouts, the most frequent first.
    fn write_layouts(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut layouts: Vec<_> = self.layouts.iter().collect();
        layouts.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (paths, (count, place)) in layouts {
            let line = serde_json::json!({"count": count, "first": place, "fields": paths});
            writeln!(out, "{line}").context("cannot write a layout")?;
        }
        Ok(())
    }

    fn summarize(&self) {
        for (shape, count) in Shape::ALL.into_iter().zip(self.shapes) {
            if count > 0 {
                output::note(&format!("{count} {}", shape.name()));
            }
        }
        for (count, what) in [
            (self.forwarded, "of these forwarded"),
            (self.unreadable, "unreadable"),
            (self.layouts_left_out, "of more layouts than are told apart"),
        ] {
            if count > 0 {
                output::note(&format!("{count} {what}"));
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns the paths of a record down to its second level: enough to tell layouts apart.
fn paths(document: &Map<String, Json>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (key, value) in document {
        match value {
            Json::Object(inner) if !inner.is_empty() => {
                paths.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
            }
            _ => drop(paths.insert(key.clone())),
        }
        if paths.len() >= MAX_PATHS {
            break;
        }
    }
    paths.into_iter().take(MAX_PATHS).collect()
}
