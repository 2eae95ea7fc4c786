//! Suppression: after an alert, for a while in event time, none that is alike leaves.

/// Windows by the group of their alerts, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// (group, event time of the alert that began it, pace then).
    pub begun: Vec<(String, i64, i64)>,
}

impl Windows {
    /// Takes in an alert that is about to leave; tells whether it is left out.
    pub fn suppresses(&mut self, group: &str, event_time: i64, pace: i64, duration: i64) -> bool {
        if let Some(place) = self.begun.iter().position(|(known, ..)| known == group) {
            let begin = self.begun[place].1;
            if (event_time - begin).abs() < duration || event_time < begin {
                // Of an alert that is older than the window, the window goes on.
                return event_time > begin - duration;
            }
            self.begun.remove(place);
        }
        self.begun.push((group.to_owned(), event_time, pace));
        false
    }
}
