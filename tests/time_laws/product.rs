//! The product from outside: records in, findings out. All that these tests know of its settings
//! stands here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use maxspan::detect::{Engine, Options, Origin, Past};
use maxspan::event::TimeSpan;
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

use crate::time::MAX_SKEW;
use crate::time::rule::Rule;

/// Milliseconds of an eighth of the model's unit.
pub(crate) const EIGHTH: i64 = 750;

/// Whether `[rule.maxspan]` has the key `hold`.
const HOLD_IS_A_SETTING: bool = true;

/// What is compiled, and how it runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Setup {
    pub(crate) rule: Rule,
    /// One rule for each; their index is that of the finding's rule.
    pub(crate) emits: Vec<&'static str>,
    pub(crate) suppression: Option<Suppression>,
    pub(crate) limits: Limits,
    pub(crate) is_past_unseen: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Suppression {
    pub(crate) duration: i64,
    /// Nothing: by join key.
    pub(crate) group_by: Option<&'static str>,
}

/// What a rule may hold in a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// How many candidates of a key.
    pub(crate) of_key: Option<usize>,
    /// How many bytes in all.
    pub(crate) bytes: Option<usize>,
}

impl Setup {
    pub(crate) fn new(rule: &Rule, emits: &[&'static str]) -> Self {
        Self {
            rule: rule.clone(),
            emits: emits.to_vec(),
            suppression: None,
            limits: Limits::default(),
            is_past_unseen: false,
        }
    }

    /// Returns an engine; those of a rule shape are compiled once.
    pub(crate) fn engine(&self) -> Engine {
        thread_local!(static KNOWN: RefCell<HashMap<Setup, Engine>> = RefCell::default());
        KNOWN.with_borrow_mut(|known| {
            if known.len() > 500 {
                known.clear();
            }
            known.entry(self.clone()).or_insert_with(|| self.compile()).clone()
        })
    }

    fn compile(&self) -> Engine {
        let file = |(index, emit): (usize, &&str)| {
            Arc::new(Text::new(format!("{index}.toml"), self.rule_text(index, emit)))
        };
        let files: Vec<_> = self.emits.iter().enumerate().map(file).collect();
        // A sample has no maxspan of its own.
        let defaults = Defaults { default_maxspan: span(self.rule.maxspan), ..Defaults::default() };
        let (rules, reports) = RuleSet::compile(files, &defaults);
        assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:#?}");
        Engine::new(Arc::new(rules), self.options())
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        Options {
            past: if self.is_past_unseen { Past::Unseen } else { Past::Nothing },
            max_skew: span(MAX_SKEW),
            max_candidates_per_key: self.limits.of_key.unwrap_or(usual.max_candidates_per_key),
            // A quota for each rule; what all may take together is no limit then.
            max_bytes: self.limits.bytes.map_or(usual.max_bytes, |bytes| 100 * bytes),
            max_rule_share_percent: if self.limits.bytes.is_some() { 1 } else { 100 },
            ..usual
        }
    }

    fn rule_text(&self, index: usize, emit: &str) -> String {
        let rule = &self.rule;
        let mut text = format!(
            "[rule]\nname = \"rule {index}\"\nrule_id = \"rule-{index}\"\ndescription = \"-\"\n\
             author = [\"-\"]\nseverity = \"low\"\nrisk_score = 21\ntype = \"eql\"\n\
             language = \"eql\"\nquery = '''{}'''\n[rule.maxspan]\nemit = \"{emit}\"\n\
             allowed_lateness = \"{}\"\n",
            query(rule),
            seconds(rule.allowed_lateness),
        );
        if rule.order_tolerance > 0 {
            writeln!(text, "order_tolerance = \"{}\"", seconds(rule.order_tolerance)).unwrap();
        }
        if HOLD_IS_A_SETTING {
            writeln!(text, "hold = \"{}\"", seconds(rule.hold)).unwrap();
        }
        match &self.suppression {
            None => text.push_str("suppression = { enabled = false }\n"),
            Some(Suppression { duration, group_by }) => {
                let group = group_by.map(|field| format!("group_by = [\"{field}\"], "));
                let (group, duration) = (group.unwrap_or_default(), seconds(*duration));
                writeln!(text, "suppression = {{ {group}duration = \"{duration}\" }}").unwrap();
            }
        }
        text
    }
}

fn query(rule: &Rule) -> String {
    let condition = |tag: char| format!("[any where tags == \"{tag}\"]");
    let stages = rule.stages.iter().map(|stage| {
        format!(" {}{}", if stage.is_missing { "!" } else { "" }, condition(stage.tag))
    });
    let stages: String = stages.collect();
    let until = rule.until.map(|tag| format!(" until {}", condition(tag))).unwrap_or_default();
    match rule.is_sample {
        true => format!("sample by user.name{stages}"),
        false => {
            let maxspan = seconds(rule.maxspan);
            format!("sequence by user.name with maxspan={maxspan}{stages}{until}")
        }
    }
}

/// Returns a length of the model's time as settings state it.
fn seconds(time: i64) -> String {
    assert_eq!(time * EIGHTH % 1_000, 0, "settings are whole seconds");
    format!("{}s", time * EIGHTH / 1_000)
}

pub(crate) fn span(time: i64) -> TimeSpan {
    TimeSpan::from_millis(time * EIGHTH)
}

pub(crate) fn origin() -> Origin {
    Origin { topic: "input".into(), partition: 3 }
}
