//! What several test programs share. Each uses a part of it.
#![allow(dead_code)]

pub mod random;
pub mod reference;
pub mod replay;
