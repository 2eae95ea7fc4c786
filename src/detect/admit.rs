//! Admitting: an event that satisfies terms of rules becomes a candidate of their sequences.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::room::{Admission, Limit};
use super::{Detector, Origin};
use crate::event::admitted::Body;
use crate::event::{Admitted, EventTime, Fields, JoinKey};
use crate::normalize::Envelope;
use crate::rule::set::{RuleSet, TermRef};
use crate::sequence::{Candidate, TermSet};

impl Detector {
    /// Offers an event to the sequences of each rule whose terms it satisfies.
    pub(super) fn admit(
        &mut self,
        offset: i64,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        hits: &[TermRef],
    ) {
        let rules = Arc::clone(&self.rules);
        let Some(event_time) = envelope.event_time else { return };
        let clock = self.clock.shows.unwrap_or(event_time);
        let mode = self.offer_mode(offset, event_time);
        let admission = self.room.admission(self.bytes(), self.options.max_bytes);
        let mut event: Option<Arc<Admitted>> = None;
        let mut is_kept = false;
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
            let keys = self.keys(&rules, of_rule, fields, envelope);
            if keys.is_empty() {
                continue;
            }
            let event = event
                .get_or_insert_with(|| self.keep(offset, payload, fields, envelope, event_time));
            let ordinal = rules.normalizer().ordinal(fields, envelope, offset, rule.tiebreaker);
            for (key, terms) in keys {
                let candidate = Candidate {
                    ordinal: ordinal.clone(),
                    terms,
                    late: false,
                    event: Arc::clone(event),
                };
                if self.is_let_in(admission, index, &key) {
                    self.sequences.offer(index, &key, candidate, mode);
                    is_kept = true;
                } else {
                    self.sequences.pass(index, &key, candidate, mode);
                }
            }
        }
        self.stats.admitted += u64::from(event.is_some());
        if is_kept {
            self.trail.note_admission(offset, event_time, clock);
        }
        self.collect(self.suppression());
        self.room.settle(self.bytes());
    }

    /// Tells whether there is room for a candidate, and counts it if there is none.
    fn is_let_in(&mut self, admission: Admission, rule: usize, key: &JoinKey) -> bool {
        let limit = match admission {
            Admission::All => return true,
            Admission::KnownKeys(_) if self.sequences.knows(rule, key) => return true,
            Admission::KnownKeys(limit) | Admission::Nobody(limit) => limit,
        };
        match limit {
            Limit::Partition => self.stats.refused_bytes += 1,
            Limit::Budget => self.stats.refused_budget += 1,
        }
        false
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

    /// Keeps a copy of the record.
    pub(super) fn keep(
        &self,
        offset: i64,
        payload: &[u8],
        fields: &Fields<'_>,
        envelope: &Envelope,
        event_time: EventTime,
    ) -> Arc<Admitted> {
        let Origin { topic, partition } = &self.origin;
        let normalizer = self.rules.normalizer();
        Arc::new(Admitted {
            identity: normalizer.identity(fields, envelope, topic, *partition, offset),
            event_time,
            offset,
            body: Body::counted(payload, &self.ledger),
        })
    }
}
