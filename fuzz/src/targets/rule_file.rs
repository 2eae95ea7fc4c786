//! Any bytes as a rule file: it compiles or is refused with findings that can be shown, and twice the same.

use std::sync::Arc;

use maxspan::diag::render::{Colour, render};
use maxspan::event::{Arena, Fields};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

/// Takes a rule file.
pub fn run(data: &[u8]) {
    let text = Arc::new(Text::from_bytes("rule.toml", data));
    let (set, reports) = RuleSet::compile(vec![Arc::clone(&text)], &Defaults::default());
    let report = &reports[0];
    let shown = render(&report.diagnostics, &text, Colour::None);
    assert_eq!(shown.is_empty(), report.diagnostics.is_empty());
    let runs = matches!(report.status, Status::Runs | Status::Caveat);
    assert_eq!(set.rules().len(), usize::from(runs), "{report:?}");
    let refused = report.diagnostics.iter().any(maxspan::diag::Diagnostic::is_error);
    assert_eq!(report.status == Status::Refused, refused, "{report:?}");
    let (again, _) = RuleSet::compile(vec![text], &Defaults::default());
    for (one, other) in set.rules().iter().zip(again.rules()) {
        assert_eq!((one.hash, &one.canonical), (other.hash, &other.canonical));
    }
    let mut hits = Vec::new();
    set.hits(&Fields::new(set.fields().len(), &Arena::new()), &mut hits);
}
