//! The wanted fields of a record by its structural index, without parsing the rest.

mod structure;
