//! The `maxspan` program.
fn main() {}
