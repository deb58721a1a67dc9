//! Why a request of a person or a program was not carried out. It crosses the control socket as JSON.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::schedule::{Entry, Schedule};

/// Why nothing was sent or changed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "reason", content = "about", rename_all = "snake_case")]
pub enum Refused {
    /// There is no entry of that name.
    #[error(
        "no entry is named `{name}`{}",
        hint(suggestion.as_deref(), "; `downbeat list` names them all")
    )]
    NoSuchEntry {
        /// The name that was asked for.
        name: String,
        /// A similar name.
        suggestion: Option<String>,
    },
    /// No entry has that tag.
    #[error("no entry has the tag `{name}`{}", hint(suggestion.as_deref(), ""))]
    NoSuchTag {
        /// The tag that was asked for.
        name: String,
        /// A similar tag.
        suggestion: Option<String>,
    },
    /// The request is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The store has refused a change.
    #[error("nothing was changed: {0}")]
    NotChanged(String),
    /// The store cannot be reached.
    #[error("nothing was changed: {0}")]
    ChangeUnreachable(String),
    /// A change was not answered; it may be requested again.
    #[error("it may be done: {0}; do it again to be sure")]
    ChangeUncertain(String),
    /// The broker has refused the message.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The broker cannot be reached.
    #[error("not sent: {0}")]
    Unreachable(String),
    /// Another backfill of the entry by the same person has not ended.
    #[error("run {run} from {from} to {to} has not ended and may have sent some of these slots")]
    Unfinished {
        /// Its run.
        run: Uuid,
        /// The first instant of its segment, RFC 3339 in the entry's zone.
        from: String,
        /// The first instant after its segment.
        to: String,
        /// Its queue, if that is not the entry's own.
        queue: Option<String>,
    },
    /// The run's id was used before, for another entry or queue.
    #[error("the id was used before, for {entry} to {queue}")]
    Used {
        /// The entry whose messages were sent.
        entry: String,
        /// The queue that they went to.
        queue: String,
    },
    /// The broker did not answer: the message may have been sent.
    #[error("it may have been sent: {why}")]
    Uncertain {
        /// The error.
        why: String,
        /// Whether a repeat of the same run sends nothing twice.
        is_repeatable: bool,
    },
}

fn hint(suggestion: Option<&str>, otherwise: &str) -> String {
    match suggestion {
        Some(near) => format!("; did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}

/// Finds the entry of that name, or suggests another.
///
/// # Errors
///
/// When there is none.
pub(crate) fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, Refused> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        Refused::NoSuchEntry { name: name.to_owned(), suggestion: nearest(names, name) }
    })
}

/// The most similar name.
pub(crate) fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    let near = names
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3);
    near.map(|(_, known)| known.to_owned())
}
