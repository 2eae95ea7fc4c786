//! Admitting: an event that satisfies terms of rules becomes a candidate of their sequences.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::forward::Arrival;
use super::judge::Judged;
use super::lanes::ByLane;
use super::{Detector, Origin, Record};
use crate::event::admitted::Body;
use crate::event::{Admitted, EventTime, Fields, JoinKey, Ordinal};
use crate::normalize::Envelope;
use crate::predicate::{Doubt, Judgement};
use crate::rule::set::{RuleSet, TermRef};
use crate::sequence::{Candidate, Delivery, TermSet};

/// By lane: whether one of its rules took an event in.
pub(super) type Admitting = ByLane<bool>;

impl Detector {
    /// Offers an event to the sequences of each rule whose terms it satisfies; tells which lanes took
    /// it in.
    pub(super) fn admit(&mut self, record: &Record<'_>, judged: &Judged<'_>) -> Admitting {
        let Judged { fields, envelope, hits, .. } = judged;
        let offset = record.offset;
        let rules = Arc::clone(&self.rules);
        let mut admitted = Admitting::default();
        let Some(event_time) = envelope.event_time else { return admitted };
        let stood_at = self.rekeyed.arrival.as_ref().map(|arrival| arrival.clock);
        let ahead_until = stood_at.filter(|clock| Some(*clock) > self.clock.shows);
        let mut targets = BTreeMap::new();
        let mut event: Option<Arc<Admitted>> = None;
        // The same for all rules, and made for the first one that asks.
        let names = OnceCell::new();
        let mut ordinal: Option<Ordinal> = None;
        for of_rule in hits.chunk_by(|a, b| a.rule == b.rule) {
            let index = of_rule[0].rule as usize;
            let rule = &rules.rules()[index];
            let place = self.places[index];
            let is_elsewhere = !self.phase.shows_to(place.lane);
            let before_start = self.lanes[place.lane].starts_after(place.index, offset);
            let uncovered = rule.index.as_ref().is_some_and(|index| {
                !index.covers_names(names.get_or_init(|| rules.normalizer().index_names(fields)))
            });
            if is_elsewhere || before_start || uncovered {
                continue;
            }
            let excepted = rule.judge_exceptions(fields);
            self.stats.rules[index].undecided += u64::from(excepted == Judgement::Undecided);
            if excepted.counts(Doubt::Against) {
                continue;
            }
            if self.is_receiver() && !rule.is_rekeyed {
                continue;
            }
            let mut keys = self.keys(&rules, of_rule, fields, envelope);
            if !self.rekeyed.role.offers(rule.is_rekeyed) {
                self.address(&keys, &mut targets);
                continue;
            }
            keys.retain(|key, _| self.is_at_home(key));
            if keys.is_empty() {
                continue;
            }
            let event = event.get_or_insert_with(|| self.keep(offset, judged, event_time));
            let ordinal =
                ordinal.get_or_insert_with(|| self.ordinal(&rules, fields, envelope, offset));
            ordinal.tiebreaker = rule
                .tiebreaker
                .and_then(|field| rules.normalizer().tiebreaker(fields, field))
                .into();
            self.stats.rules[index].candidates += keys.len() as u64;
            for (key, terms) in keys {
                let candidate = Candidate {
                    ordinal: ordinal.clone(),
                    terms,
                    late: false,
                    event: Arc::clone(event),
                };
                let event_bytes = event.body.cost();
                let delivery = Delivery { candidate, event_bytes, ahead_until };
                self.lanes[place.lane].sequences.deliver(place.index, &key, delivery);
                admitted[place.lane] = true;
            }
        }
        self.stats.admitted += u64::from(event.is_some());
        self.forward(record, targets);
        self.collect(self.occasion());
        self.keep_within_room();
        admitted
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

    /// Returns the event's place in the total order, for rules without a tiebreaker.
    fn ordinal(
        &mut self,
        rules: &RuleSet,
        fields: &Fields<'_>,
        envelope: &Envelope,
        offset: i64,
    ) -> Ordinal {
        let arrival = self.rekeyed.arrival.as_ref();
        let stood = arrival.map_or(offset, |arrival| arrival.offset);
        let place = arrival.map(|arrival| Arc::clone(&arrival.place));
        let ordinal = rules.normalizer().ordinal(fields, envelope, stood, None);
        let channel = self.noticed.channels.shared(ordinal.channel);
        Ordinal { place, channel, ..ordinal }
    }

    /// Keeps a copy of the record.
    pub(super) fn keep(
        &self,
        offset: i64,
        judged: &Judged<'_>,
        event_time: EventTime,
    ) -> Arc<Admitted> {
        let Origin { topic, partition } = &self.origin;
        let (topic, partition, offset) = match &self.rekeyed.arrival {
            Some(Arrival { place, offset, .. }) => (&place.topic, &place.partition, *offset),
            None => (topic, partition, offset),
        };
        let normalizer = self.rules.normalizer();
        // What is held by no sequence is done with its alert.
        let is_held =
            judged.hits.iter().any(|hit| self.rules.rules()[hit.rule as usize].is_sequence);
        let body = match is_held {
            true => Body::kept(judged.payload, self.room.ledger()),
            false => Body::at_hand(judged.payload, self.room.ledger()),
        };
        Arc::new(Admitted {
            identity: normalizer.identity(
                &judged.fields,
                &judged.envelope,
                topic,
                *partition,
                offset,
            ),
            event_time,
            offset,
            body,
        })
    }
}
