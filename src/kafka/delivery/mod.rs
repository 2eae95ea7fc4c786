//! How cuts become durable.
//!
//! [`inbox`] makes both ends of the way to the [`Committer`], the only thread that writes. It collects
//! the workers' cuts and has them delivered by a [`Way`]: [`Plain`] (output, then positions) or
//! [`Transactional`] (both at once). Whoever gives partitions up calls [`Handle::flush`] first.

mod committer;
mod cuts;
mod handle;
mod outside;
mod plain;
mod transactional;
mod way;

pub(super) use committer::Committer;
pub(super) use handle::{Handle, inbox};
pub(super) use outside::Outside;
pub(super) use plain::Plain;
pub(super) use transactional::Transactional;
pub(super) use way::Way;
