//! JSON bytes to wanted fields.
