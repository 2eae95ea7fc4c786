//! The one list of codes.

/// A code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Such as `E0201`.
    pub code: &'static str,
    /// What it means, in a paragraph.
    pub meaning: &'static str,
}

/// Returns a code of the list.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

/// All codes, ascending: E01 characters and words, E02 grammar, E03 meaning, W04 caveats of the
/// language; E05, W05 and N05 rule files; E06, W06 and N06 how a rule runs; W07 and N07 lints; E09
/// the configuration.
pub const CODES: &[Code] = &[
    code(
        "E0101",
        "A character that is not part of the language, often from another one: `&&`, `||`, `!`, `;`, curly quotation marks.",
    ),
    code(
        "E0102",
        "A string must be closed on the line on which it is opened. A line break inside is written `\\n`.",
    ),
    code("E0103", "Strings stand in double quotes. Single quotes belonged to an older dialect."),
    code(
        "E0104",
        "A backslash in a string begins one of the escapes `\\b \\t \\n \\f \\r \\\" \\' \\\\ \\u{…}`. A backslash itself is written twice, or the string is a raw one, between three double quotes.",
    ),
    code(
        "E0105",
        "A character by number is written with two to eight hexadecimal digits in braces: `\\u{202E}`.",
    ),
    code(
        "E0106",
        "A comment `/* … */` is not closed. Comments nest: each `/*` inside needs a `*/` of its own.",
    ),
    code(
        "E0107",
        "`?\"…\"` was the raw string of an older dialect. Raw strings stand between three double quotes.",
    ),
    code(
        "E0108",
        "A name in backticks must be closed on its line and not be empty. A backtick inside is written twice.",
    ),
    code("E0109", "A number is malformed or too large."),
    code("E0110", "A raw string, between three double quotes, must be closed on its line."),
    code("E0201", "Something else stands here than the grammar allows."),
    code(
        "E0202",
        "A query begins with a category and `where` (`process where …`, `any where …`), or with `sequence` or `sample`.",
    ),
    code("E0203", "A bracket or parenthesis is not closed."),
    code(
        "E0204",
        "A field is a path of names joined by dots. Keywords, and names with other characters than letters, digits, `_` and `@`, stand in backticks.",
    ),
    code(
        "E0205",
        "The parts of a sequence have a fixed order: `sequence by … with maxspan=… [ … ] by … with runs=… until [ … ]`.",
    ),
    code("E0206", "Keywords are written in lower case."),
    code(
        "E0207",
        "Values are compared with `==`, `!=`, `<`, `<=`, `>`, `>=`, and without regard to letter case with `:`.",
    ),
    code("E0208", "Comparisons do not chain: `1 < x < 5` is written `x > 1 and x < 5`."),
    code(
        "E0209",
        "`not` stands before the whole condition: `not x : \"a\"`. Only `not in` may also stand behind the field.",
    ),
    code("E0210", "Expressions may nest only so deep, so that no query can exhaust memory."),
    code(
        "E0211",
        "Behind `:`, `like` and `regex` stand strings only, one or a list in parentheses.",
    ),
    code(
        "E0212",
        "Elements of lists cannot be asked for by number. A condition holds if any element satisfies it.",
    ),
    code("E0301", "There is no function of this name."),
    code("E0302", "A function is called with too few or too many arguments."),
    code(
        "E0303",
        "`name~` exists for `between`, `endsWith`, `indexOf`, `startsWith` and `stringContains` only.",
    ),
    code("E0304", "An argument has the wrong type."),
    code("E0305", "An argument must be a constant."),
    code(
        "E0306",
        "A block of addresses is written like `10.0.0.0/8`; a single address may stand for itself.",
    ),
    code(
        "E0307",
        "One side of a comparison must be a constant. A function may take several fields.",
    ),
    code("E0308", "A condition is true or false; a number or a text alone is neither."),
    code("E0309", "An operator does not work on values of this type."),
    code("E0310", "A regular expression is malformed, too large, or uses what is not supported."),
    code(
        "E0311",
        "The terms of a query correspond by their keys, one by one: each has as many, counting those behind `sequence by`.",
    ),
    code("E0312", "`with runs` counts 1 to 100 events."),
    code(
        "E0313",
        "A missing event, `![ … ]`, needs `maxspan`: without it nobody could ever tell that the event is missing.",
    ),
    code("E0314", "A sequence needs at least one event that does happen."),
    code(
        "E0315",
        "A sequence or a sample has at least two stages; a single term counts as several `with runs`.",
    ),
    code(
        "E0316",
        "A sample takes its events in any order, joined by a key: it has no `maxspan`, `until`, `runs` or missing events.",
    ),
    code(
        "E0317",
        "This part of the language has been removed from it, or makes no sense on a stream.",
    ),
    code(
        "E0318",
        "A time span is a positive whole number with one of the units `ms`, `s`, `m`, `h`, `d`.",
    ),
    code("E0319", "`until` takes a plain event: none that is missing or counted."),
    code("E0320", "Values of these types can never be equal."),
    code(
        "E0501",
        "A rule file is TOML. Most often a backslash in `\"…\"` is what is wrong: between three single quotes it stands for itself.",
    ),
    code("E0502", "A rule file holds its rule in the table `[rule]`."),
    code("E0503", "A key that every rule needs is missing."),
    code("E0504", "A value has another type than its key asks for."),
    code("E0505", "A value has the right type and makes no sense."),
    code(
        "E0506",
        "A table that is ours holds a key that nobody knows: taken for a slip, so that it is not taken for a setting.",
    ),
    code(
        "E0507",
        "A file of cases holds `[[case]]` with `name`, `events` and `alerts`, and the events that they name under `[events.<name>]`.",
    ),
    code("E0508", "A case names an event that is not there, or asks for something senseless."),
    code(
        "E0509",
        "Rules, their cases and the configuration are UTF-8. A file in another encoding is refused at its first byte that is none; UTF-16, which Windows tools write, is told by name.",
    ),
    code("E0602", "A sequence has more terms than the engine keeps apart."),
    code(
        "E0603",
        "Two rules have the same `rule_id` and different queries. The first in the order of the paths runs.",
    ),
    code(
        "E0604",
        "All rules together read at most 65,536 fields, because each event has a place for each of them. The rule that would pass the limit is refused; those before it run.",
    ),
    code("E0901", "A value of the configuration is of the wrong kind, or the text is no TOML."),
    code("E0902", "The configuration has no such key."),
    code("E0903", "A key of the configuration that has no default is not given."),
    code("E0904", "The configuration file cannot be read."),
    code("E0905", "An environment variable or a `--set` cannot be applied to the configuration."),
    code(
        "E0906",
        "Settings of the configuration do not fit together, such as a login that nothing says to make over TLS.",
    ),
    code("N0501", "The author has marked the rule as deprecated."),
    code(
        "N0602",
        "`timestamp_override = \"event.ingested\"` moves the look-back of Elastic's searches. A stream has no look-back, and events are ordered by event time in both.",
    ),
    code("N0603", "The same rule stands in two files: it runs once."),
    code(
        "N0701",
        "`caseless`, `keyword` and `text` at the end of a field's name are forms in which an index holds the field. No record has them: the name stands for the field's values, of `caseless` without regard to letter case. Where a record does have a field of that very name, that one counts.",
    ),
    code(
        "W0401",
        "`head` and `tail` cut a list of results. A stream has no such list: every match becomes an alert.",
    ),
    code(
        "W0402",
        "Patterns always match whole values, and `^` and `$` are ordinary characters in them.",
    ),
    code(
        "W0403",
        "A quantifier at the beginning repeats nothing and is taken for an ordinary character. Patterns of `regex` are no wildcards.",
    ),
    code(
        "W0404",
        "Null is neither true nor false, neither equal to a member of a list nor ordered. `== null` and `!= null` ask for it.",
    ),
    code("W0405", "A name with a hyphen reads as a subtraction unless it stands in backticks."),
    code(
        "W0406",
        "Categories are compared with their letter case, and only `any`, in lower case, stands for all of them.",
    ),
    code("W0407", "`==`, `!=` and `in` know no wildcards; `:` and `like` do."),
    code(
        "W0408",
        "A field that holds points of time is compared with a text that is none. Expressions such as `now-5m` need a clock, which a stream of past events does not have.",
    ),
    code("W0501", "The file asks for something that has no effect here."),
    code(
        "W0502",
        "A key that nobody reads there is nearly one that counts, or stands in the wrong table. Other unknown keys are left alone.",
    ),
    code(
        "W0601",
        "A sequence without maxspan would wait for ever: `default_maxspan` is used, and matches that take longer are not found.",
    ),
    code(
        "W0602",
        "A partition's sequences see that partition alone. Events are usually partitioned by host, and this rule joins events that may be of several hosts: it needs re-keying (`kafka.rekey.rules`), or input that is partitioned by its own key.",
    ),
    code("W0603", "Events are ordered by event time, whatever `timestamp_override` names."),
    code(
        "W0604",
        "The rule looks at alerts of Elastic's own rules. They are found only if somebody sends them to a topic that is read.",
    ),
    code(
        "W0605",
        "Without `duration`, Elastic suppresses alerts within one run of a rule. A stream has no runs: maxspan is used, or 5 minutes.",
    ),
    code(
        "W0606",
        "A sample has no maxspan, and a stream no run whose events could be looked at together: a window of `default_maxspan` stands for it.",
    ),
    code(
        "W0607",
        "The category is none of those that the Elastic Common Schema allows, letter case included. The rule runs, and its stage matches only events that carry exactly this category.",
    ),
    code(
        "W0608",
        "Suppression is asked for, nothing says which alerts are alike, and a rule about single events has no join key that could: no alert is left out.",
    ),
    code(
        "W0609",
        "Fields of different types are joined: their values are hardly ever equal. Elasticsearch refuses such a rule; here the values are compared as texts.",
    ),
    code(
        "W0610",
        "A rule states a `hold` that is shorter than maxspan (twice with a missing event), twice the allowed lateness and the order tolerance of each stage together: so much is needed to decide about a match, and is used instead.",
    ),
    code("W0701", "An entry stands in a list twice, letter case considered only where it counts."),
    code(
        "W0702",
        "The field has few values, which the Elastic Common Schema lists, and this is not one of them.",
    ),
    code(
        "W0703",
        "The field holds the last part of a path, or an extension without its dot: the value can never be in it.",
    ),
    code(
        "W0704",
        "No event has a field of this name, and there is one whose name is a single slip away.",
    ),
    code(
        "W0705",
        "A sequence with absences at both ends, `![a] [b] ![c]`, alerts unless an `a` before and a `c` after lie within one maxspan of each other: one of the two alone prevents nothing.",
    ),
    code(
        "W0901",
        "An override of the configuration changes nothing: no rule that runs has its id. Letter case counts in ids.",
    ),
    code(
        "W0902",
        "The configuration lacks something that `maxspan run` needs and other commands do not. The environment may hold it.",
    ),
];

const fn code(code: &'static str, meaning: &'static str) -> Code {
    Code { code, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_complete() {
        assert!(CODES.is_sorted_by_key(|code| code.code));
        assert!(CODES.iter().all(|code| code.meaning.ends_with('.')));
        assert_eq!(find("e0201").unwrap().code, "E0201");
        assert_eq!(find("E9999"), None);
    }
}
