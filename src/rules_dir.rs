//! rules_dir
