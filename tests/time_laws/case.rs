//! What a law is, and what it is tried on.

use std::collections::BTreeMap;
use std::fmt;

use crate::product::{Limits, Setup, Suppression};
use crate::random::Random;
use crate::stand_in::StandIn;
use crate::subject::{Product, Subject};
use crate::tape::Tape;
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, distinct};
use crate::time::model::policy::Rejected;
use crate::time::rule::{Rule, Wanted, random_rule};
use crate::time::stream::{Shape, stream, with_true_idle_time};

/// `check` says what is wrong, in words.
pub(crate) struct Law {
    pub(crate) name: &'static str,
    /// Makes a case from choices of the rule and choices of the stream: cases in a row share a rule.
    pub(crate) make: fn(&mut Random, &mut Random) -> Case,
    pub(crate) check: fn(&Case, &mut Counts) -> Result<(), String>,
}

/// How often what was looked at.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

pub(crate) fn count(counts: &mut Counts, what: &'static str, by: usize) {
    *counts.entry(what).or_default() += by as u64;
}

/// A stream and what happens on it. Positions are serials, so that deliveries can be taken out.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rule: Rule,
    pub(crate) stamps: Stamps,
    pub(crate) deliveries: Vec<Delivery>,
    /// Restarts or cuts: before this delivery and after this many of the idle advances there.
    pub(crate) cuts: Vec<(usize, usize)>,
    /// By event: by how much another host's clock may be wrong.
    pub(crate) other_clocks: BTreeMap<i64, i64>,
    /// What another partition reads meanwhile.
    pub(crate) other_partition: Vec<Delivery>,
    pub(crate) suppression: Option<Suppression>,
    pub(crate) limits: Limits,
    pub(crate) is_past_unseen: bool,
    pub(crate) whom: Whom,
}

/// Whom a law is put to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Product,
    /// The model, perhaps with a rejected rule.
    Model(Option<Rejected>),
}

impl Case {
    pub(crate) fn new(rule: Rule, stamps: Stamps, deliveries: Vec<Delivery>) -> Self {
        Self {
            rule,
            stamps,
            deliveries,
            cuts: Vec::new(),
            other_clocks: BTreeMap::new(),
            other_partition: Vec::new(),
            suppression: None,
            limits: Limits::default(),
            is_past_unseen: false,
            whom: Whom::Product,
        }
    }

    pub(crate) fn setup(&self, emits: &[&'static str]) -> Setup {
        Setup {
            suppression: self.suppression.clone(),
            limits: self.limits.clone(),
            is_past_unseen: self.is_past_unseen,
            ..Setup::new(&self.rule, emits)
        }
    }

    /// Returns whoever reads the stream, with one rule for each emission.
    pub(crate) fn live(&self, emits: &[&'static str]) -> Box<dyn Subject> {
        match self.whom {
            Whom::Product => Box::new(Product::new(self.setup(emits).engine())),
            Whom::Model(rejected) => Box::new(StandIn::new(self, emits, false, rejected)),
        }
    }

    /// Returns whoever reads a recording.
    pub(crate) fn bounded(&self) -> Box<dyn Subject> {
        let emits = &["exact"];
        match self.whom {
            Whom::Product => Box::new(Product::new(self.setup(emits).engine().for_bounded_input())),
            Whom::Model(rejected) => Box::new(StandIn::new(self, emits, true, rejected)),
        }
    }

    /// Returns whoever reads the stream and tells of what suppression leaves out, too.
    pub(crate) fn showing_suppressed(&self, emits: &[&'static str]) -> Box<dyn Subject> {
        match self.whom {
            Whom::Product => {
                Box::new(Product::new(self.setup(emits).engine().showing_suppressed()))
            }
            Whom::Model(rejected) => {
                Box::new(StandIn::new(self, emits, false, rejected).showing_suppressed())
            }
        }
    }

    pub(crate) fn tape(&self) -> Tape {
        Tape::padded(&self.deliveries, self.stamps, self.padding())
    }

    /// Bodies count where bytes are limited.
    fn padding(&self) -> usize {
        if self.limits.bytes.is_some() { SIZE } else { 0 }
    }

    /// How long the stream lasted, in true time.
    pub(crate) fn lasted(&self) -> i64 {
        self.deliveries[self.deliveries.len() - 1].arrived - self.deliveries[0].arrived
    }
}

/// Bytes of a delivery's unit of size.
pub(crate) const SIZE: usize = 2_000;

/// Returns a case with idle time that is true.
pub(crate) fn usual_case(rules: &mut Random, random: &mut Random, wanted: Wanted) -> Case {
    let shape = Shape::random(random);
    let stamps = Stamps::random(random);
    case_of(random_rule(rules, wanted), random, shape, stamps)
}

pub(crate) fn case_of(rule: Rule, random: &mut Random, shape: Shape, stamps: Stamps) -> Case {
    let hold = crate::time::HOLD;
    let mut deliveries = stream(random, rule.allowed_lateness, hold, stamps, shape);
    with_true_idle_time(random, &mut deliveries);
    Case::new(rule, stamps, deliveries)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nstamps {:?}, cuts {:?}", self.rule, self.stamps, self.cuts)?;
        writeln!(f, "{:?} {:?}", self.suppression, self.limits)?;
        let unit = |time: i64| time as f64 / 8.0;
        for d in &self.deliveries {
            let (event, keys) = (&d.event, d.event.keys.iter().collect::<String>());
            write!(
                f,
                "  {:3} arrived {:<9} stamp {:<9} host {} #{} {} key {keys} at {}",
                d.serial,
                unit(d.arrived),
                unit(d.stamp),
                d.host,
                event.number,
                if event.tags.is_empty() { "-" } else { &event.tags },
                unit(event.event_time),
            )?;
            if let Some(shift) = self.other_clocks.get(&event.number) {
                write!(f, ", elsewhere {:+}", unit(*shift))?;
            }
            if !d.idle_before.is_empty() {
                write!(
                    f,
                    ", idle before {:?}",
                    d.idle_before.iter().map(|i| unit(*i)).collect::<Vec<_>>()
                )?;
            }
            writeln!(f)?;
        }
        write!(f, "{} events", distinct(&self.deliveries).len())
    }
}
