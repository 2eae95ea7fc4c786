//! A rule as the rules of time see it, and random ones.

use std::fmt;

use super::{HOLD, UNIT};
use crate::random::Random;

/// A bracket of a sequence, or a term of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    pub tag: char,
    /// Whether the event must be missing.
    pub is_missing: bool,
}

/// A query's shape and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    pub stages: Vec<Stage>,
    pub maxspan: i64,
    pub until: Option<char>,
    pub order_tolerance: i64,
    pub allowed_lateness: i64,
    pub hold: i64,
    pub is_sample: bool,
}

impl Rule {
    pub fn new(stages: &str, maxspan: i64) -> Self {
        Self {
            stages: stages_of(stages),
            maxspan: maxspan * UNIT,
            until: None,
            order_tolerance: 0,
            allowed_lateness: 5 * UNIT,
            hold: HOLD,
            is_sample: false,
        }
    }

    pub fn has_absence(&self) -> bool {
        self.stages.iter().any(|stage| stage.is_missing)
    }

    /// Returns the places of the stages whose events must come.
    pub fn positive(&self) -> Vec<usize> {
        (0..self.stages.len()).filter(|&place| !self.stages[place].is_missing).collect()
    }

    /// Returns the tags of a sample's terms.
    pub fn terms(&self) -> Vec<char> {
        self.stages.iter().map(|stage| stage.tag).collect()
    }

    /// Returns the least that `hold` may be, with append time. An absence looks back one maxspan further,
    /// and so does the order tolerance: whether a hit extended nothing.
    pub fn floor(&self) -> i64 {
        let reach = self.order_tolerance * self.stages.len() as i64;
        let spans = if self.has_absence() || self.order_tolerance > 0 { 2 } else { 1 };
        self.maxspan * spans + 2 * self.allowed_lateness + reach
    }

    #[must_use]
    pub fn holding(self, hold: i64) -> Self {
        Self { hold, ..self }
    }
}

/// Reads stages such as `A !B C`.
pub fn stages_of(text: &str) -> Vec<Stage> {
    let stage =
        |word: &str| Stage { tag: word.chars().last().unwrap(), is_missing: word.starts_with('!') };
    text.split(' ').map(stage).collect()
}

/// What random rules are like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Percent of the stages that are absences; nothing: a third of the rules have some.
    pub absences: Option<u64>,
    pub tolerances: &'static [i64],
}

impl Default for Wanted {
    fn default() -> Self {
        Self { absences: None, tolerances: &[0, 0, 1, 2] }
    }
}

pub const WITHOUT_ABSENCE: Wanted = Wanted { absences: Some(0), tolerances: &[0, 0, 1, 2] };

/// Returns a random sequence.
pub fn random_rule(random: &mut Random, wanted: Wanted) -> Rule {
    let absences = wanted.absences.unwrap_or_else(|| *random.pick(&[0, 0, 30]));
    let stages = random_stages(random, absences);
    let lateness = *random.pick(&[0, 2, 5]) * UNIT;
    let has_absence = stages.iter().any(|stage| stage.is_missing);
    let tolerance = *random.pick(wanted.tolerances) * UNIT;
    let is_strict = has_absence || lateness == 0;
    let rule = Rule {
        stages,
        maxspan: *random.pick(&[1, 2, 3, 5, 8]) * UNIT,
        until: *random.pick(&[None, None, Some('U'), Some('A')]),
        order_tolerance: if is_strict { 0 } else { tolerance },
        allowed_lateness: lateness,
        hold: HOLD,
        is_sample: false,
    };
    let floor = rule.floor();
    rule.holding(*random.pick(&[floor, floor + UNIT, HOLD, HOLD]))
}

fn random_stages(random: &mut Random, absences: u64) -> Vec<Stage> {
    loop {
        let count = *random.pick(&[2, 2, 3, 3, 4]);
        let stages: Vec<Stage> = (0..count)
            .map(|_| Stage {
                tag: *random.pick(&['A', 'B', 'C', 'D']),
                is_missing: random.chance(absences),
            })
            .collect();
        if stages.iter().any(|stage| !stage.is_missing) {
            return stages;
        }
    }
}

/// Returns a random sample.
pub fn random_sample(random: &mut Random) -> Rule {
    let count = *random.pick(&[2, 2, 3, 3, 4]);
    let tags: Vec<char> = (0..count).map(|_| *random.pick(&['A', 'B', 'C', 'D'])).collect();
    let rule = Rule {
        stages: tags.into_iter().map(|tag| Stage { tag, is_missing: false }).collect(),
        maxspan: *random.pick(&[2, 3, 5, 8]) * UNIT,
        until: None,
        order_tolerance: 0,
        allowed_lateness: *random.pick(&[0, 2, 5]) * UNIT,
        hold: HOLD,
        is_sample: true,
    };
    let floor = rule.floor();
    rule.holding(*random.pick(&[floor, floor + UNIT, HOLD]))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |time: i64| time as f64 / UNIT as f64;
        write!(f, "{}", if self.is_sample { "sample" } else { "sequence" })?;
        write!(f, " with maxspan={}", unit(self.maxspan))?;
        for stage in &self.stages {
            write!(f, " {}[{}]", if stage.is_missing { "!" } else { "" }, stage.tag)?;
        }
        if let Some(until) = self.until {
            write!(f, " until [{until}]")?;
        }
        write!(
            f,
            ", order tolerance {}, allowed lateness {}, hold {}",
            unit(self.order_tolerance),
            unit(self.allowed_lateness),
            unit(self.hold)
        )
    }
}
