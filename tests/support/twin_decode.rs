//! The walk over a record against the parser, its slow twin.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use maxspan::event::decode::{DecodeError, Decoder, Limits, Scratch, Validation};
use maxspan::event::{Arena, FieldTable, Fields, Memory};

use crate::lenient::without_unread;

/// Decoders of the same fields that read in different ways.
pub(crate) struct Twins<'p> {
    table: FieldTable,
    paths: Vec<&'p str>,
    decoder: Decoder,
    whole: Decoder,
    scratch: Scratch,
    memory: Memory,
}

/// What a decoder makes of a record: the values of each field, or why there are none.
pub(crate) type Outcome = Result<Vec<String>, String>;

impl<'p> Twins<'p> {
    pub(crate) fn new(paths: &[&'p str], early: &[&str]) -> Self {
        let mut table = FieldTable::default();
        paths.iter().for_each(|path| {
            table.intern(path);
        });
        let early: Vec<_> = early.iter().filter_map(|path| table.get(path)).collect();
        let decoder = Decoder::new(&table, Limits { max_nesting: 64 }).with_early(&early);
        Self {
            paths: paths.to_vec(),
            whole: decoder.clone().with_validation(Validation::All),
            decoder,
            table,
            scratch: Scratch::default(),
            memory: Memory::default(),
        }
    }

    /// Reads a record in all ways, and compares. Returns what was found.
    pub(crate) fn check(&mut self, payload: &[u8]) -> Outcome {
        let expected = self.parse(payload);
        let validated = self.decoder.validate(payload).map_err(|error| error.to_string());
        assert_eq!(validated.err(), expected.as_ref().err().cloned());
        let text = || String::from_utf8_lossy(payload);
        let (whole, decoder) = (self.whole.clone(), self.decoder.clone());
        let validated = self.read(payload, |scratch, payload, fields| {
            whole.decode_within(scratch, payload, fields)
        });
        assert_eq!(validated, expected, "validated whole: {}", text());
        let found = self.read(payload, |scratch, payload, fields| {
            decoder.decode_within(scratch, payload, fields)
        });
        let in_two = self.read(payload, |scratch, payload, fields| {
            decoder.begin(scratch, payload, fields)?.read(fields)
        });
        assert_eq!(in_two, found, "in two walks: {}", text());
        if found != expected {
            assert!(expected.is_err(), "{found:?} is not {expected:?}: {}", text());
            let left = without_unread(payload, &self.paths).expect("nothing may be read of it");
            assert_eq!(
                found,
                self.parse(&left),
                "{} as {}",
                text(),
                String::from_utf8_lossy(&left)
            );
        }
        found
    }

    fn parse(&mut self, payload: &[u8]) -> Outcome {
        let decoder = self.decoder.clone();
        self.read(payload, |_, payload, fields| decoder.parse(payload, fields))
    }

    fn read(
        &mut self,
        payload: &[u8],
        read: impl for<'a> FnOnce(&mut Scratch, &'a [u8], &mut Fields<'a>) -> Result<(), DecodeError>,
    ) -> Outcome {
        // The memory of what was read before, as in a stream.
        let (memory, arena) = (std::mem::take(&mut self.memory), Arena::new());
        let mut fields = Fields::within(memory, self.table.len(), &arena);
        let outcome = read(&mut self.scratch, payload, &mut fields);
        let of_field = |(id, path)| format!("{path}: {:?}", fields.get(id));
        let found: Vec<String> = self.table.iter().map(of_field).collect();
        if outcome.is_err() {
            assert!(found.iter().all(|field| field.ends_with(": []")), "{found:?} after an error");
        }
        self.memory = fields.into_memory();
        outcome.map(|()| found).map_err(|error| error.to_string())
    }
}
