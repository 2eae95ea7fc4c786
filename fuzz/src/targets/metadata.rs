//! Any text as the metadata of a committed offset: a detector starts with it, goes on, and commits metadata of its
//! own that is read back.

use std::sync::{Arc, LazyLock};

use maxspan::detect::{Detector, Options, Origin, Record, Stamp};
use maxspan::event::{EventTime, TimeSpan};
use maxspan::rule::set::{Defaults, RuleSet, Status};
use maxspan::text::Text;

use super::text;

const QUERIES: [&str; 3] = [
    r#"sequence by host.id with maxspan=5s [any where tags == "A"] [any where tags == "B"]"#,
    r#"sequence by host.id with maxspan=5s [any where tags == "A"] ![any where tags == "B"]"#,
    r#"sample by host.id [any where tags == "A"] [any where tags == "B"]"#,
];

static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let file = |(number, query)| {
        let contents = format!(
            "[rule]\nname = \"n\"\nrule_id = \"r{number}\"\ndescription = \"d\"\nauthor = [\"a\"]\nseverity = \"low\"\n\
             risk_score = 21\ntype = \"eql\"\nlanguage = \"eql\"\nquery = '''{query}'''\n"
        );
        Arc::new(Text::new("rule.toml", contents))
    };
    let files = (0..).zip(QUERIES).map(file).collect();
    let (set, reports) = RuleSet::compile(files, &Defaults::default());
    assert!(reports.iter().all(|report| report.status != Status::Refused), "{reports:?}");
    Arc::new(set)
});

/// Takes a byte that says at which offset the partition is, and metadata.
pub fn run(data: &[u8]) {
    let (position, metadata) =
        data.split_first().map_or((0, data), |(first, rest)| (i64::from(*first), rest));
    let metadata = text(metadata);
    let mut detector = resume(position, &metadata);
    for offset in position..position + 6 {
        feed(&mut detector, offset);
    }
    detector.advance_idle(TimeSpan::from_secs(600));
    assert!(detector.held().pending.iter().sum::<usize>() <= 12);
    let Some(cut) = detector.cut() else { return };
    assert!(cut.metadata.is_ascii() && cut.metadata.len() < 4_096, "{}", cut.metadata);
    detector.accept(&cut);
    let (resumed, refused) = Detector::resume(
        Arc::clone(&RULES),
        origin(),
        Options::default(),
        cut.position,
        &cut.metadata,
    );
    assert_eq!(refused, None, "{}", cut.metadata);
    assert!(resumed.read_from().is_some_and(|from| from <= cut.position));
}

fn origin() -> Origin {
    Origin { topic: "t".into(), partition: 0 }
}

fn resume(position: i64, metadata: &str) -> Detector {
    let (detector, _) =
        Detector::resume(Arc::clone(&RULES), origin(), Options::default(), position, metadata);
    assert!(detector.read_from().is_none_or(|from| from <= position));
    assert!(detector.replay_remaining() >= 0);
    detector
}

/// One event a second, A and B in turn.
fn feed(detector: &mut Detector, offset: i64) {
    let at = EventTime::from_nanos(0) + TimeSpan::from_secs(1_700_000_000 + offset);
    let tag = if offset % 2 == 0 { "A" } else { "B" };
    let payload = format!(
        r#"{{"@timestamp":"{at}","event":{{"id":"{offset}","category":"test"}},"host":{{"id":"h"}},"tags":"{tag}"}}"#
    );
    let payload = Some(payload.as_bytes());
    detector.on_record(&Record { offset, stamp: Stamp::Append(at), payload, source: None });
}
