//! The `maxspan` program.

fn main() -> std::process::ExitCode {
    maxspan::cli::main()
}
