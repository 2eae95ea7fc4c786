//! The known answers: which events end a sequence of which shipped rule.
//!
//! A batch matcher over the made-up events, in order of event time. It knows the three rules by heart and nothing
//! of the engine. The newest first stage wins, and a match uses it up.

use std::collections::HashMap;

use super::event::{Act, Connect, Event, Kind, Start, base_name};

/// By rule: the numbers of the events that end a sequence, in order.
#[derive(Default)]
pub(super) struct Answers {
    by_rule: [Pending; 3],
    /// By host: time and number of the last event that is a candidate.
    last: HashMap<usize, (i64, u64)>,
}

/// The last words of the rules' ids, each with its maxspan in milliseconds.
pub(super) const RULES: [(&str, i64); 3] = [("v100", 2_000), ("2023", 2_000), ("20s", 20_000)];

#[derive(Default)]
struct Pending {
    /// By host: when its newest first stage was.
    first: HashMap<usize, i64>,
    finals: Vec<u64>,
}

impl Answers {
    /// Takes the next event in order of event time.
    pub(super) fn see(&mut self, event: &Event) {
        for (rule, (_, longest)) in RULES.iter().enumerate() {
            let stage = match &event.act {
                Act::Connect(connect) if is_first(rule, connect) => 1,
                Act::Start(start) if is_second(rule, start, event.kind) => 2,
                _ => continue,
            };
            self.refuse_ties(event);
            let pending = &mut self.by_rule[rule];
            if stage == 1 {
                pending.first.insert(event.host, event.at);
            } else if let Some(first) = pending.first.remove(&event.host)
                && event.at - first <= *longest
            {
                pending.finals.push(event.number);
            }
        }
    }

    /// Returns the final events of each rule, in the order of [`RULES`].
    pub(super) fn finals(self) -> [Vec<u64>; 3] {
        self.by_rule.map(|pending| pending.finals)
    }

    /// At equal times the order would be a matter of taste, and so would the answer.
    fn refuse_ties(&mut self, event: &Event) {
        let last = self.last.insert(event.host, (event.at, event.number));
        let ties = last.is_some_and(|(at, number)| at == event.at && number != event.number);
        assert!(!ties, "two candidates of a host at the same millisecond: take another seed");
    }
}

fn is_first(rule: usize, connect: &Connect) -> bool {
    let Connect { image, is_incoming, source, destination } = connect;
    let is_from_elsewhere = !["127.0.0.1", "::1"].contains(&&*source.0);
    let has_port = match RULES[rule].0 {
        "20s" => destination.1 == 135,
        _ => source.1 >= 49_152 && destination.1 >= 49_152,
    };
    *is_incoming
        && base_name(image).eq_ignore_ascii_case("svchost.exe")
        && is_from_elsewhere
        && has_port
}

fn is_second(rule: usize, start: &Start, kind: Kind) -> bool {
    if !base_name(&start.parent_image).eq_ignore_ascii_case("wmiprvse.exe") {
        return false;
    }
    let has_arg = |patterns: &[&str]| {
        start.args.iter().any(|arg| patterns.iter().any(|pattern| is_like(arg, pattern)))
    };
    match RULES[rule].0 {
        "v100" => !has_arg(&[
            r"c:\windows\temp\nessus_*.txt",
            r"c:\windows\temp\nessus_*.tmp",
            r"c:\windows\ccm\systemtemp\*",
            r"c:\windows\ccmcache\*",
            r"c:\ccm\cache\*",
        ]),
        "2023" => !has_arg(&[
            r"c:\windows\temp\nessus_*.txt",
            r"*c:\windows\temp\nessus_*.tmp*",
            r"*c:\windows\ccm\systemtemp\*",
            r"c:\windows\ccm\ccmrepair.exe",
            r"c:\windows\ccmcache\*",
            r"c:\ccm\cache\*",
        ]),
        _ => {
            let is_service = ["S-1-5-18", "S-1-5-19", "S-1-5-20"].contains(&&*start.user_id);
            let is_usual = [
                r"?:\program files\hpwbem\tools\hpsum_swdiscovery.exe",
                r"?:\windows\ccm\ccm32bitlauncher.exe",
                r"?:\windows\system32\wbem\mofcomp.exe",
                r"?:\windows\microsoft.net\framework*\csc.exe",
                r"?:\windows\system32\powercfg.exe",
            ];
            let is = |pattern: &str| is_like(&start.image, pattern);
            let is_quiet_install =
                is(r"?:\windows\system32\msiexec.exe") && has_arg(&["reboot=reallysuppress"]);
            start.integrity != Some("System")
                && (!is_service || kind.is_sysmon())
                && !is_usual.into_iter().any(is)
                && !is_quiet_install
        }
    }
}

/// Whether a text is like a pattern in small letters: `*` stands for anything, `?` for one character.
fn is_like(text: &str, pattern: &str) -> bool {
    fn rest(text: &[u8], pattern: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', after)) => (0..=text.len()).any(|skipped| rest(&text[skipped..], after)),
            Some((first, after)) => text.split_first().is_some_and(|(letter, text)| {
                (*first == b'?' || letter.eq_ignore_ascii_case(first)) && rest(text, after)
            }),
        }
    }
    rest(text.as_bytes(), pattern.as_bytes())
}
