//! The decoder against a naive one that flattens a whole document.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use maxspan::event::decode::{DecodeError, Decoder, Limits, Validation};
use maxspan::event::{Arena, FieldTable, Fields};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

#[path = "support/slow_decode.rs"]
mod slow_decode;

use slow_decode::{PATHS, assert_agrees};

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "é"]).prop_map(str::to_owned),
        3 => prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "é", ""]), 2..4)
            .prop_map(|segments| segments.join(".")),
        1 => "[a-c\\.\"\\\\]{0,3}",
    ]
}

fn document() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("JSON has no infinity", |n| n.is_finite()).prop_map(Json::from),
        ".{0,6}".prop_map(Json::from),
    ];
    let value = leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key(), inner, 0..5)
                .prop_map(|object| Json::Object(object.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(key(), value, 0..6)
        .prop_map(|object| Json::Object(object.into_iter().collect::<Map<_, _>>()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_the_naive_decoder_finds(document in document()) {
        assert_agrees(&document.to_string());
        assert_agrees(&serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn refuses_what_the_parser_refuses(
        document in document(),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut payload = document.to_string().into_bytes();
        let at = cut.index(payload.len());
        payload[at] = byte;
        let mut table = FieldTable::default();
        PATHS.iter().for_each(|path| { table.intern(path); });
        let decoder = Decoder::new(&table, Limits { max_nesting: 127 });
        let decoder = decoder.with_validation(Validation::All);
        let arena = Arena::new();
        let mut fields = Fields::new(table.len(), &arena);
        let decoded = decoder.decode(&payload, &mut fields);
        // Broken encoding and endless numbers are repaired.
        let is_strict = std::str::from_utf8(&payload).is_ok()
            && !payload.windows(2).any(|pair| pair.eq_ignore_ascii_case(b"\\u"))
            && !payload.iter().any(|byte| byte.eq_ignore_ascii_case(&b'e'));
        match serde_json::from_slice::<Json>(&payload) {
            Ok(Json::Object(_)) => prop_assert_eq!(decoded, Ok(())),
            Ok(_) => prop_assert_eq!(decoded, Err(DecodeError::NotAnObject)),
            Err(_) if is_strict => prop_assert!(decoded.is_err(), "{:?}", payload),
            Err(_) => {}
        }
    }
}

#[test]
fn wide_records_are_read_in_linear_time() {
    let wide: Vec<Json> = (0..100_000).map(|number| json!({"b": number, "x": {}})).collect();
    let document = json!({"a": wide, "c": vec![1; 100_000]});
    assert_agrees(&document.to_string());
}
