//! Alerts: a match rendered for output.
