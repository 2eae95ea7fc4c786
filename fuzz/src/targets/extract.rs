//! The walk over a record finds what the parser finds; what the parser refuses and it does not, is refused for a
//! mistake where nobody reads.

use crate::twin_decode::Twins;

/// Takes a record.
pub fn run(data: &[u8]) {
    for (paths, early) in [
        (&["a", "a.b", "b.c", "c", "\u{e9}.b"][..], &[][..]),
        (&["a.b.c", "b.a", "b.c.a", "c.c.c", "a.\u{e9}"], &["b.a", "c.c.c"]),
    ] {
        Twins::new(paths, early).check(data).ok();
    }
}
