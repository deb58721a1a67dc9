//! Pausing and resuming, as somebody asks for it: what is meant, what is written, and when it holds.
//!
//! [`change`] writes what several people ask for at once; a replica has one [`writer`] for all of them.

mod change;
mod wanted;
pub mod writer;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::change::{change, wait_for_carriers};
use crate::schedule::pause::{Pause, Subject};
use crate::schedule::{UnixMs, Zone};

/// What somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// End pauses instead of beginning them.
    #[serde(skip)]
    pub resume: bool,
    /// Entries, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// The entries with one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Every entry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it ends by itself: RFC 3339, wall time in the entry's zone, or a length from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Each entry or tag that was named, or all.
    pub subjects: Vec<SubjectAnswer>,
    /// After resuming: other pauses that are in force, of the entries that were named, or of any after
    /// resuming all. A few of them.
    pub still_paused: Vec<PauseStatus>,
    /// How many there are.
    pub still_paused_count: usize,
    /// After pausing: entries of which a message may still go, because a carrier may be taking it.
    pub may_still_go: Vec<String>,
    /// Whether another Redis server has the change, too; none where there is no other.
    pub replicated: Option<bool>,
}

/// What came of it for one entry or tag, or for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectAnswer {
    /// `all`, `tag:NAME` or `entry:NAME`.
    pub subject: String,
    /// `false`: it was so before.
    pub changed: bool,
    /// The pause that was in force before.
    pub before: Option<PauseStatus>,
    /// The pause that is in force now.
    pub paused: Option<PauseStatus>,
}

/// A pause, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseStatus {
    /// `all`, `tag:NAME` or `entry:NAME`.
    pub subject: String,
    /// When it began: RFC 3339 in the entry's zone, where one entry is paused, else in UTC.
    pub from: String,
    /// The same in UTC.
    pub from_utc: UnixMs,
    /// When it ends; none: when somebody resumes.
    pub until: Option<String>,
    /// The same in UTC.
    pub until_utc: Option<UnixMs>,
    /// Who paused.
    pub by: Option<String>,
    /// Why.
    pub note: Option<String>,
}

impl PauseStatus {
    /// A pause as those see it whose clock shows the zone's time.
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

    /// Who, until when and why, in words.
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

/// A subject in words.
#[must_use]
pub fn in_words(subject: &str) -> String {
    match subject.split_once(':') {
        Some(("entry", name)) => name.to_owned(),
        Some(("tag", name)) => format!("tag {name}"),
        _ => "everything".to_owned(),
    }
}
