//! `maxspan replay` as a user runs it, and the data beside the project.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A path in the folder beside the project that holds data too large or too foreign for it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    path.exists().then_some(path)
}

/// Says that a check was not run. `make test` prints these lines last.
pub fn not_run(what: &str, why: &str) {
    use std::io::Write;
    let line = format!("not run: {what}: {why}");
    println!("{line}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/not-run.txt");
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(file, "{line}");
    }
}

/// The program under test. Benchmarks have it only if it was built before.
fn binary() -> &'static str {
    match option_env!("CARGO_BIN_EXE_maxspan") {
        Some(path) => path,
        None => panic!("the program was not built"),
    }
}

/// One run of the command.
pub struct Replay {
    command: Command,
}

/// What it printed.
pub struct Run {
    pub alerts: Vec<serde_json::Value>,
    pub stderr: String,
    pub code: Option<i32>,
}

impl Replay {
    /// The shipped rules over `files`.
    pub fn new(flags: &[&str], files: &[&Path]) -> Self {
        let mut command = Command::new(binary());
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.arg("replay").args(flags).args(files);
        Self { command }
    }

    /// Runs it; fails the test if it fails.
    pub fn run(self) -> Run {
        let run = self.run_any();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run
    }

    /// Runs it, however it ends.
    pub fn run_any(mut self) -> Run {
        let output = self.command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let alerts = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Run { alerts, stderr, code: output.status.code() }
    }
}

/// The document of an alert's final event.
pub fn final_event(alert: &serde_json::Value) -> &serde_json::Value {
    alert["maxspan"]["sequence"]["events"].as_array().unwrap().last().unwrap()
}

/// The corpus's number of an alert's final event.
pub fn event_index(alert: &serde_json::Value) -> u64 {
    let last = final_event(alert);
    let by_id = last["event"]["id"].as_str().and_then(|id| id.parse().ok());
    let message = last["message"].as_str().unwrap_or_default();
    by_id.or_else(|| message.rsplit('#').next()?.parse().ok()).unwrap()
}

/// The last word of an alert's rule id: `v100`, `2023` or `20s`.
pub fn rule_suffix(alert: &serde_json::Value) -> String {
    alert["rule"]["id"].as_str().unwrap().rsplit('-').next().unwrap().to_owned()
}
