//! What orders an admitted event, and what makes two deliveries the same event.

use sha2::{Digest, Sha256};

use super::engine_fields::EngineFields;
use super::envelope::Envelope;
use crate::event::{FieldId, Fields, Identity, Ordinal, OrdinalValue, Value};

/// Returns the place of a normalized event in the total order. An event without a time is not
/// admitted; here it would stand in 1970.
pub(super) fn ordinal(
    engine: &EngineFields,
    fields: &Fields<'_>,
    envelope: &Envelope,
    offset: i64,
    tiebreaker: Option<FieldId>,
) -> Ordinal {
    let channel = fields.str(engine.channel);
    Ordinal {
        event_time: envelope.event_time.unwrap_or_default(),
        tiebreaker: tiebreaker.and_then(|id| ordinal_value(fields, id)).into(),
        sequence: number(fields, engine.event_sequence).into(),
        channel: channel.map(|name| name.to_lowercase().into()).into(),
        record_id: number(fields, engine.record_id)
            .and_then(|number| u64::try_from(number).ok())
            .into(),
        place: None,
        offset,
    }
}

/// Returns the identity of a normalized event: a function of the record and of the
/// configuration alone, so that every delivery has the same, except of records that say
/// nothing of themselves: those are told apart by where they stand.
pub(super) fn identity(
    engine: &EngineFields,
    fields: &Fields<'_>,
    envelope: &Envelope,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Identity {
    let text = |id: FieldId| {
        fields.get(id).first().and_then(|value| value.text()).filter(|text| !text.is_empty())
    };
    let lower = |id: FieldId| text(id).map(|text| text.to_lowercase());
    let nanos = envelope.event_time.map(|time| time.nanos().to_string());

    let (event_id, record_id) = (text(engine.event_id), text(engine.record_id));
    let mut parts = Parts::default();
    if event_id.is_some() {
        parts.add(Some("event"));
        parts.add(event_id.as_deref());
        parts.add(text(engine.event_dataset).as_deref());
        parts.add(text(engine.event_action).as_deref());
        parts.add(nanos.as_deref());
    } else if record_id.is_some() && fields.has(engine.channel) {
        parts.add(Some("record"));
        parts.add(lower(engine.computer_name).as_deref());
        parts.add(lower(engine.channel).as_deref());
        parts.add(text(engine.provider_name).as_deref());
        parts.add(record_id.as_deref());
        parts.add(nanos.as_deref());
    } else {
        parts.add(Some("offset"));
        parts.add(Some(topic));
        parts.add(Some(&partition.to_string()));
        parts.add(Some(&offset.to_string()));
    }
    parts.identity()
}

fn number(fields: &Fields<'_>, id: FieldId) -> Option<i64> {
    match fields.get(id).first()? {
        Value::Int(number) => Some(*number),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns the value by which a field orders events.
pub(super) fn ordinal_value(fields: &Fields<'_>, id: FieldId) -> Option<OrdinalValue> {
    match fields.get(id).first()? {
        Value::Int(number) => Some(OrdinalValue::Number(*number)),
        value => value.text().map(|text| OrdinalValue::Text(text.into())),
    }
}

/// Hashes parts so that no two lists of parts run into one another.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: Option<&str>) {
        match part {
            Some(text) => {
                self.0.update([1]);
                self.0.update((text.len() as u64).to_le_bytes());
                self.0.update(text.as_bytes());
            }
            None => self.0.update([0]),
        }
    }

    fn identity(self) -> Identity {
        let digest = self.0.finalize();
        let half = digest.iter().take(16);
        Identity(half.fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }
}
