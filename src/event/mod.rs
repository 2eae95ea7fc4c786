//! The event: its fields, their values, its time, its place in the order, its join keys.
//!
//! Knows nothing of rules or of any particular event source.

pub mod admitted;
mod arena;
mod date;
pub mod decode;
mod extract;
pub mod field;
mod fields;
mod instant;
pub mod ip;
pub mod key;
pub mod number;
mod stamp;
pub mod time;
mod trie;
pub mod value;

pub use admitted::{Admitted, Identity, NullsLast, Ordinal, OrdinalValue, Place};
pub use arena::Arena;
pub use field::{FieldId, FieldTable};
pub use fields::{Fields, Memory};
pub use key::{JoinKey, KeyPart};
pub use stamp::Stamp;
pub use time::{EventTime, TimeSpan};
pub use value::{Value, Values};
