//! The decoder finds what flattening the whole document finds, and refuses what the parser refuses.

use maxspan::event::decode::{DecodeError, Decoder, Limits, Validation};
use maxspan::event::{Arena, FieldTable, Fields};

use crate::slow_decode::{Json, PATHS, assert_agrees};

/// Takes a record.
pub fn run(data: &[u8]) {
    let mut table = FieldTable::default();
    PATHS.iter().for_each(|path| {
        table.intern(path);
    });
    let decoded = Decoder::new(&table, Limits { max_nesting: 127 })
        .with_validation(Validation::All)
        .decode(data, &mut Fields::new(table.len(), &Arena::new()));
    match (std::str::from_utf8(data), serde_json::from_slice::<Json>(data)) {
        (Ok(payload), Ok(Json::Object(_))) => assert_agrees(payload),
        (_, Ok(_)) => assert_eq!(decoded, Err(DecodeError::NotAnObject)),
        (Ok(_), Err(_)) if !may_be_repaired(data) => assert!(decoded.is_err(), "{decoded:?}"),
        _ => {}
    }
    // A smaller limit refuses more, and never less.
    let shallow = Decoder::new(&table, Limits { max_nesting: 3 }).with_validation(Validation::All);
    if decoded.is_err() {
        assert!(shallow.decode(data, &mut Fields::new(table.len(), &Arena::new())).is_err());
    }
}

/// Unpaired surrogates and numbers beyond the range of a double refuse nothing.
fn may_be_repaired(data: &[u8]) -> bool {
    let surrogate = data.windows(2).any(|pair| pair.eq_ignore_ascii_case(b"\\u"));
    let exponent = data.windows(2).any(|pair| {
        (pair[0].is_ascii_digit() || pair[0] == b'.') && pair[1].eq_ignore_ascii_case(&b'e')
    });
    surrogate
        || exponent
        || data.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).any(|run| run.len() > 300)
}
