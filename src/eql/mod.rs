//! The language: text to checked queries.
