//! What absences at both ends of a sequence come to, in words.
//!
//! Never judges events: the plan alone decides.

use super::compile::CompiledRule;

/// Returns the sentence that explains why a rule with absences at both ends fired although an
/// event of one of them was seen; nothing for a rule that has no such absences.
pub fn at_both_ends(rule: &CompiledRule) -> Option<String> {
    rule.plan.has_absences_at_both_ends().then(|| {
        format!(
            "absences at both ends: only an absent event before the match and one after it that lie \
             within maxspan = {} of each other prevent an alert, one of them alone does not",
            rule.plan.times.maxspan
        )
    })
}
