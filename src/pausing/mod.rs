//! Pausing and resuming on request: what is meant, what is written, and when it is in force.
//!
//! [`change`] writes the requests of several people at once; a replica has one [`writer`] for all of them.

mod change;
mod wanted;
pub mod writer;

#[cfg(test)]
mod tests;

use downbeat_time::{UnixMs, Zone};
use serde::{Deserialize, Serialize};

pub use self::change::{change, wait_for_carriers};
use crate::schedule::pause::{Pause, Subject};

/// A request to pause or resume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Whether to end pauses instead of beginning them.
    #[serde(skip)]
    pub resume: bool,
    /// The names of entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// The entries with one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether every entry is meant.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When the pause ends by itself: RFC 3339, wall time in the entry's zone, or a length of time from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The result of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The result for each entry or tag that was named, or for all.
    pub subjects: Vec<SubjectAnswer>,
    /// After a resume: the first few other pauses in force, of the named entries, or of any after resuming all.
    pub still_paused: Vec<PauseStatus>,
    /// The number of other pauses in force.
    pub still_paused_count: usize,
    /// After a pause: entries with a message that may still go, because a carrier may be taking it.
    pub may_still_go: Vec<String>,
    /// Whether another Redis server has the change, too; none if there is no other.
    pub replicated: Option<bool>,
}

/// The result for one entry or tag, or for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectAnswer {
    /// `all`, `tag:NAME` or `entry:NAME`.
    pub subject: String,
    /// `false`: nothing had to change.
    pub changed: bool,
    /// The pause in force before.
    pub before: Option<PauseStatus>,
    /// The pause in force now.
    pub paused: Option<PauseStatus>,
}

/// A pause as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseStatus {
    /// `all`, `tag:NAME` or `entry:NAME`.
    pub subject: String,
    /// When it began: RFC 3339, in the entry's zone if one entry is paused, else in UTC.
    pub from: String,
    /// The same in UTC.
    pub from_utc: UnixMs,
    /// When it ends; none if somebody has to resume.
    pub until: Option<String>,
    /// The same in UTC.
    pub until_utc: Option<UnixMs>,
    /// Who paused.
    pub by: Option<String>,
    /// The reason.
    pub note: Option<String>,
}

impl PauseStatus {
    /// Makes a pause's status, with times in the zone if there is one.
    #[must_use]
    pub fn new(subject: &Subject, pause: &Pause, zone: Option<&Zone>) -> PauseStatus {
        let shown = |at: UnixMs| zone.map_or_else(|| at.to_string(), |zone| zone.to_rfc3339(at));
        PauseStatus {
            subject: subject.to_string(),
            from: shown(pause.from),
            from_utc: pause.from,
            until: pause.until.map(shown),
            until_utc: pause.until,
            by: pause.by.as_deref().map(str::to_owned),
            note: pause.note.as_deref().map(str::to_owned),
        }
    }

    /// Describes who paused, until when and why.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut text = match &self.until {
            Some(until) => format!("until {until}"),
            None => "until resumed".to_owned(),
        };
        if let Some(by) = &self.by {
            text += &format!(", by {by}");
        }
        if let Some(note) = &self.note {
            text += &format!(": {note}");
        }
        text
    }
}

/// Describes a subject in words.
#[must_use]
pub fn in_words(subject: &str) -> String {
    match subject.split_once(':') {
        Some(("entry", name)) => name.to_owned(),
        Some(("tag", name)) => format!("tag {name}"),
        _ => "all entries".to_owned(),
    }
}
