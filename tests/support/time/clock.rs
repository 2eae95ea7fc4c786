//! The clock of a partition by its definition, for references that must know how far it has run.

use super::MAX_SKEW;
use super::event::Delivery;

/// Who stamps the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// The broker.
    Append,
    /// The producers.
    Create,
    /// Nobody: the event time takes its place.
    None,
}

impl Stamps {
    pub fn slack(self) -> i64 {
        if self == Self::Append { 0 } else { 2 * MAX_SKEW }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Create => "create",
            Self::None => "none",
        }
    }
}

/// A step forward by more than the skew that nobody has confirmed.
#[derive(Clone, Copy, Debug)]
struct Step {
    host: char,
    first: i64,
    newest: i64,
}

/// Use: `take` each delivery, then read the pace.
#[derive(Clone, Debug)]
pub struct Clock {
    pub stamps: Stamps,
    pub shows: Option<i64>,
    /// What a confirmed step counts as at most.
    pub most_of_step: i64,
    step: Option<Step>,
    pub pace: i64,
}

impl Clock {
    pub fn new(stamps: Stamps) -> Self {
        Self { stamps, shows: None, most_of_step: MAX_SKEW, step: None, pace: 0 }
    }

    pub fn take(&mut self, delivery: &Delivery) {
        let stamp = delivery.stamp;
        let Some(shows) = self.shows else {
            (self.shows, self.pace) = (Some(stamp), stamp);
            return;
        };
        let is_near = stamp - shows <= MAX_SKEW;
        match self.stamps {
            Stamps::Append => self.follow(shows, stamp),
            _ if is_near => {
                self.follow(shows, stamp);
                self.step = self.step.filter(|step| step.host == delivery.host);
            }
            _ => self.doubt(shows, stamp, delivery.host),
        }
    }

    fn follow(&mut self, shows: i64, stamp: i64) {
        self.pace += (stamp - shows).max(0);
        self.shows = Some(stamp.max(shows));
    }

    fn doubt(&mut self, shows: i64, stamp: i64, host: char) {
        match self.step.filter(|step| step.newest > shows) {
            None => self.step = Some(Step { host, first: stamp, newest: stamp }),
            Some(step) if step.host != host => self.confirm(shows, step.newest.min(stamp)),
            Some(step) => {
                let newest = step.newest.max(stamp);
                self.step = Some(Step { newest, ..step });
                if newest - step.first > MAX_SKEW {
                    self.confirm(shows, newest);
                }
            }
        }
    }

    /// However long the silence was, it counts as no more than the skew.
    fn confirm(&mut self, shows: i64, stamp: i64) {
        self.pace += (stamp - shows).min(self.most_of_step);
        (self.shows, self.step) = (Some(stamp), None);
    }
}
