//! What becomes of an event that comes, and when a match is sent.

use std::rc::Rc;

use super::super::batch::Match;
use super::super::event::{Delivery, Event};
use super::super::{AHEAD, UNIT};
use super::held::Candidate;
use super::matching::{samples, samples_with, sequences};
use super::partition::{Emit, Partition};
use super::policy::Rejected;

/// Which matches are sent: those whose final event has not been decided, those that an event has
/// shown, or those that contain it and have not been decided.
enum Which {
    Undecided,
    /// Contain this event, or are none of these: it may have taken a sequence that another hit
    /// had, and so have freed that hit for the order tolerance.
    Shown(i64, Option<Vec<Match>>),
    UndecidedContaining(i64),
}

impl Partition {
    pub(super) fn deliver(&mut self, key: char, delivery: &Delivery) {
        let (number, now) = (delivery.event.number, self.clock.pace);
        let held = self.keys.entry(key).or_default();
        let known = held.delivered.iter().position(|(entry, _)| *entry == number);
        let known = known.map(|place| held.delivered.remove(place).1);
        let is_renewed = self.rejected != Some(Rejected::CopiesForgotten);
        let pace = known.filter(|_| !is_renewed).unwrap_or(now);
        held.delivered.push((number, pace));
        self.quota.touch((key, number), delivery.size);
        if known.is_none() {
            self.admit(key, &delivery.event, now);
        }
        self.make_room(key, number);
    }

    fn admit(&mut self, key: char, event: &Rc<Event>, now: i64) {
        let watermark = if self.is_eager() { None } else { self.watermark(key) };
        let behind =
            watermark.map_or(0, |w| (w + self.rule.allowed_lateness - event.event_time).max(0));
        let is_refused = self.may_lack_what_forbids(event, watermark);
        let is_bounded = self.emit == Emit::Bounded;
        let is_closed = is_refused && !is_bounded;
        let known = self.known_matches(key);
        self.keys.get_mut(&key).unwrap().add(Candidate {
            event: Rc::clone(event),
            arrival: now,
            behind,
            is_sent: is_closed,
            is_done: is_closed,
            is_refused: is_closed,
        });
        if is_bounded || is_refused {
            return;
        }
        if self.rule.is_sample {
            self.send_samples(key, event, now);
        } else if self.is_eager() {
            self.send(key, i64::MAX, Which::Shown(event.number, known));
        } else {
            let done = self.keys[&key].candidates.iter().filter(|held| held.is_done);
            let limit = done.map(|held| held.event.event_time + 1).chain(watermark).max();
            if let Some(limit) = limit.filter(|limit| event.event_time < *limit) {
                self.send(key, limit, Which::Shown(event.number, known));
            }
        }
    }

    /// Returns what is complete, where an arrival may complete what it is no part of.
    fn known_matches(&self, key: char) -> Option<Vec<Match>> {
        let frees_hits = self.rule.order_tolerance > 0;
        frees_hits.then(|| sequences(&self.rule, key, &self.keys[&key], i64::MAX))
    }

    fn may_lack_what_forbids(&self, event: &Event, watermark: Option<i64>) -> bool {
        let reach = self.rule.allowed_lateness - self.hold + 2 * self.rule.maxspan;
        self.rule.has_absence() && watermark.is_some_and(|w| event.event_time < w + reach)
    }

    pub(super) fn watermark(&self, key: char) -> Option<i64> {
        let now = self.keys[&key].now(AHEAD, |arrival| self.age(arrival));
        now.map(|now| now - self.rule.allowed_lateness)
    }

    /// Decides each final event below the limit, once.
    pub(super) fn decide(&mut self, key: char, limit: i64) {
        if self.rule.is_sample {
            if self.emit == Emit::Bounded {
                let found = samples(&self.rule, key, &self.keys[&key]);
                self.outputs.extend(found.into_iter().map(|(_, sample)| sample));
            }
            return;
        }
        self.send(key, limit, Which::Undecided);
        let forbids_for = match self.rule.stages.last() {
            Some(stage) if stage.is_missing => self.rule.maxspan,
            _ => self.rule.order_tolerance * self.rule.stages.len() as i64,
        };
        for candidate in &mut self.keys.get_mut(&key).unwrap().candidates {
            if !candidate.is_done && candidate.event.event_time + forbids_for < limit {
                candidate.is_done = true;
                self.has_acted = true;
            }
        }
    }

    /// A candidate that the watermark, or its deadline, never came to is decided as it leaves.
    pub(super) fn decide_before_leaving(&mut self, key: char, gone: &[Candidate]) {
        self.has_acted = true;
        let newest = gone.iter().map(|held| held.event.event_time).max();
        let drops = self.rejected == Some(Rejected::UndecidedDropped);
        if drops && newest < self.watermark(key) {
            return;
        }
        let undecided = gone.iter().filter(|held| !held.is_done).map(|held| held.event.event_time);
        if let Some(last) = undecided.max().filter(|_| !self.is_eager()) {
            self.decide(key, last + 2 * self.rule.maxspan + UNIT);
        }
        // What it completes is decided with it: without it there is no match any more.
        let takes_along = self.rejected != Some(Rejected::MatchesLeftBehind);
        if takes_along && !self.is_eager() && !self.rule.has_absence() && !self.rule.is_sample {
            for candidate in gone {
                self.send(key, i64::MAX, Which::UndecidedContaining(candidate.event.number));
            }
        }
    }

    /// Sends matches whose final event has sent none.
    fn send(&mut self, key: char, below: i64, which: Which) {
        for found in sequences(&self.rule, key, &self.keys[&key], below) {
            let held = &self.keys[&key];
            let last = held.find(found.events[found.events.len() - 1]).unwrap();
            let first = held.find(found.events[0]).unwrap();
            let is_open = !held.candidates[last].is_done;
            let is_wanted = match &which {
                Which::Undecided => is_open,
                Which::Shown(number, known) => {
                    let is_freed = |known: &Vec<Match>| !known.contains(&found);
                    found.events.contains(number) || known.as_ref().is_some_and(is_freed)
                }
                Which::UndecidedContaining(number) => is_open && found.events.contains(number),
            };
            let is_sent = held.candidates[last].is_sent;
            if is_wanted && !is_sent && !self.is_undecidable(held, &held.candidates[first]) {
                self.keys.get_mut(&key).unwrap().candidates[last].is_sent = true;
                self.has_acted = true;
                self.outputs.push(found);
            }
        }
    }

    /// Sends one sample for each window, and none more for as long as samples of it go on to be
    /// complete.
    fn send_samples(&mut self, key: char, event: &Event, now: i64) {
        let mut found = samples_with(&self.rule, key, &self.keys[&key], event);
        if self.rejected == Some(Rejected::OneWindow) {
            found.truncate(1);
        }
        for (window, sample) in found {
            let windows = &mut self.keys.get_mut(&key).unwrap().windows;
            match windows.iter_mut().find(|(known, _)| *known == window) {
                Some(_) if self.rejected == Some(Rejected::WindowsNotRenewed) => {}
                Some((_, pace)) => *pace = now,
                None => {
                    windows.push((window, now));
                    self.has_acted = true;
                    self.outputs.push(sample);
                }
            }
        }
    }
}
