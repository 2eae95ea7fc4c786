//! The rules of time themselves, written a second time: one rule over one partition.
//!
//! It stands in for the product where a law is to be seen to hold, or to fail for a rejected rule.

pub mod bipartite;
mod deciding;
pub mod held;
pub mod matching;
pub mod partition;
pub mod policy;
pub mod quota;
mod room;
pub mod windows;
