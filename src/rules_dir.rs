//! Rule files from disk: the only code that opens one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::text::Text;

/// Why rules could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read rules from `{}`", path.display())]
#[non_exhaustive]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the rule files at these paths, a directory with everything below it, in the order of
/// their names.
///
/// In a directory, files that do not end in `.toml` are no rules, nor are `*.cases.toml` and
/// anything whose name starts with a dot (Kubernetes keeps its bookkeeping there).
///
/// # Errors
/// If a path does not exist or cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Arc<Text>>, ReadError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).map_err(|source| ReadError { path: path.clone(), source })?;
    }
    files.into_iter().map(|path| read_file(&path)).collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let is_rule = name.ends_with(".toml") && !name.ends_with(".cases.toml");
        if !name.starts_with('.') && (entry.is_dir() || is_rule) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Arc<Text>, ReadError> {
    let bytes = fs::read(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
    // A byte that is no UTF-8 shows itself in a diagnostic of the rule, with its place.
    let contents = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Arc::new(Text { name: path.display().to_string(), contents }))
}
