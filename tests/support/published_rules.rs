//! The sample of published rules, where it lies beside the checkout.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::path::Path;

/// Returns file name and query of every published EQL rule; nothing if the sample is not there.
pub(crate) fn queries() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/elastic-rules");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("not run: {} is not there", folder.display());
        return Vec::new();
    };
    let mut queries: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let file: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            let query = file["rule"]["query"].as_str().unwrap().to_owned();
            (path.file_name().unwrap().to_string_lossy().into_owned(), query)
        })
        .collect();
    queries.sort();
    queries
}
