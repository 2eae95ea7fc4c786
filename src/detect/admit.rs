//! Admitting: an event that satisfies terms of rules becomes a candidate of their sequences.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::forward::Arrival;
use super::{Detector, Origin, Record};
use crate::event::admitted::Body;
use crate::event::{Admitted, EventTime, Fields, JoinKey};
use crate::normalize::Envelope;
use crate::rule::set::{RuleSet, TermRef};
use crate::sequence::{Candidate, TermSet};

impl Detector {
    /// Offers an event to the sequences of each rule whose terms it satisfies.
    pub(super) fn admit(
        &mut self,
        record: &Record<'_>,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        hits: &[TermRef],
    ) {
        let offset = record.offset;
        let rules = Arc::clone(&self.rules);
        let Some(event_time) = envelope.event_time else { return };
        let clock = self.clock.shows.unwrap_or(EventTime::MIN);
        let seen_at = self.arrival.as_ref().map_or(clock, |arrival| arrival.clock).max(clock);
        let mut targets = BTreeMap::new();
        let mode = self.offer_mode(offset, event_time);
        let mut event: Option<Arc<Admitted>> = None;
        for of_rule in hits.chunk_by(|a, b| a.rule == b.rule) {
            let index = of_rule[0].rule as usize;
            let rule = &rules.rules()[index];
            let before_start = self.rule_starts[index].is_some_and(|start| offset < start);
            let uncovered =
                rule.index.as_ref().is_some_and(|index| !index.covers(rules.normalizer(), fields));
            let excepted = || rule.exceptions.iter().any(|exception| exception.matches(fields));
            if before_start || uncovered || excepted() {
                continue;
            }
            if self.is_receiver() && !rule.is_rekeyed {
                continue;
            }
            let mut keys = self.keys(&rules, of_rule, fields, envelope);
            if !self.role.offers(rule.is_rekeyed) {
                self.address(&keys, &mut targets);
                continue;
            }
            keys.retain(|key, _| self.is_at_home(key));
            if keys.is_empty() {
                continue;
            }
            if event.is_none() {
                event = self.keep(offset, payload, fields, envelope, event_time);
            }
            let Some(event) = &event else { return };
            let stood = self.arrival.as_ref().map_or(offset, |arrival| arrival.offset);
            let mut ordinal = rules.normalizer().ordinal(fields, envelope, stood, rule.tiebreaker);
            ordinal.place = self.arrival.as_ref().map(|arrival| Arc::clone(&arrival.place));
            for (key, terms) in keys {
                let candidate = Candidate {
                    ordinal: ordinal.clone(),
                    terms,
                    late: false,
                    event: Arc::clone(event),
                };
                self.sequences.offer_at(seen_at, index, &key, candidate, mode);
            }
        }
        if event.is_some() {
            self.stats.admitted += 1;
            self.trail.note_admission(offset, event_time, clock, seen_at);
        }
        self.forward(record, targets);
        self.collect(self.suppression());
    }

    /// Returns the join keys of a rule's hits, each with the terms that the event satisfies there.
    pub(super) fn keys(
        &mut self,
        rules: &RuleSet,
        hits: &[TermRef],
        fields: &Fields<'_>,
        envelope: &Envelope,
    ) -> BTreeMap<JoinKey, TermSet> {
        let rule = &rules.rules()[hits[0].rule as usize];
        let mut keys: BTreeMap<JoinKey, TermSet> = BTreeMap::new();
        if !rule.is_sequence {
            // Single events are only remembered, each host's apart from the others'.
            let host = envelope.host.map(|host| format!("{:016x}", host.0).into());
            keys.insert(JoinKey::new([host]), TermSet::of([0]));
            return keys;
        }
        for hit in hits {
            let expansion =
                rule.terms[hit.term as usize].key.expand(fields, self.options.max_key_expansion);
            self.stats.refused_keys += expansion.refused as u64;
            for key in expansion.keys {
                keys.entry(key).or_default().insert(hit.term as usize);
            }
        }
        keys
    }

    /// Keeps a copy of the record, as long as there is room.
    pub(super) fn keep(
        &mut self,
        offset: i64,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        event_time: EventTime,
    ) -> Option<Arc<Admitted>> {
        if self.ledger.load(Ordering::Relaxed) + payload.len() > self.options.max_bytes {
            self.stats.refused_bytes += 1;
            return None;
        }
        let Origin { topic, partition } = &self.origin;
        let (topic, partition, offset) = match &self.arrival {
            Some(Arrival { place, offset, .. }) => (&place.topic, &place.partition, *offset),
            None => (topic, partition, offset),
        };
        let normalizer = self.rules.normalizer();
        Some(Arc::new(Admitted {
            identity: normalizer.identity(fields, envelope, topic, *partition, offset),
            event_time,
            offset,
            body: Body::counted(payload, &self.ledger),
        }))
    }
}
