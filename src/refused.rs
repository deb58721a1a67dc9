//! Why a request of a person or a program was not carried out. It crosses the control socket as JSON.

use std::collections::BTreeSet;

use downbeat_time::wrong_letters;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::schedule::{Entry, Schedule};

/// Why nothing was sent or changed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "reason", content = "about", rename_all = "snake_case")]
pub enum Refused {
    /// There is no entry of that name.
    #[error("no entry is named `{name}`{}", hint(meant, "; `downbeat list` names them all"))]
    NoSuchEntry {
        /// The name that was asked for.
        name: String,
        /// The names that it could mean.
        meant: Vec<String>,
    },
    /// No entry has that tag.
    #[error("no entry has the tag `{name}`{}", hint(meant, ""))]
    NoSuchTag {
        /// The tag that was asked for.
        name: String,
        /// The tags that it could mean.
        meant: Vec<String>,
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
    /// Only a shadow run was asked.
    #[error(
        "not sent: a shadow run sends nothing; leave out --shadow to ask the service that sends"
    )]
    Shadow,
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

/// The maximum number of names that are suggested.
const MAX_SUGGESTED: usize = 6;

fn hint(meant: &[String], otherwise: &str) -> String {
    let names: Vec<_> = meant.iter().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => otherwise.to_owned(),
        [only] => format!("; did you mean {only}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// Finds the entry of that name, or suggests others.
///
/// # Errors
///
/// When there is none.
pub(crate) fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, Refused> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        Refused::NoSuchEntry { name: name.to_owned(), meant: meant(names, name) }
    })
}

/// The names that a name could mean, the likeliest first: it is a misspelling of one of them, their beginning, a
/// part of them, or their misspelt beginning.
pub(crate) fn meant<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let rank = |known: &'a str| likeness(&known.to_lowercase(), &lower).map(|rank| (rank, known));
    // Tags of several entries are the same.
    let ranked: BTreeSet<_> = names.filter_map(rank).collect();
    let nearest = ranked.first().map(|(rank, _)| *rank);
    // The most similar names make others unlikely.
    let is_likely = |rank: Likeness| match nearest {
        Some(Likeness::Misspelt(_)) => rank == Likeness::Begins || Some(rank) == nearest,
        _ => Some(rank) == nearest,
    };
    let likely = ranked.into_iter().filter(|(rank, _)| is_likely(*rank));
    likely.take(MAX_SUGGESTED).map(|(_, known)| known.to_owned()).collect()
}

/// How a name could have been meant by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// It is misspelt by this many edits.
    Misspelt(usize),
    /// Only its beginning was named.
    Begins,
    /// Only a part of it was named.
    Contains,
    /// Its beginning is misspelt by this many edits.
    BeginsMisspelt(usize),
}

fn likeness(known: &str, name: &str) -> Option<Likeness> {
    if name.is_empty() {
        return None;
    }
    let length = name.chars().count();
    if let Some(wrong) = wrong_letters(name, known, 1 + length / 3) {
        return Some(Likeness::Misspelt(wrong));
    }
    if known.starts_with(name) {
        return Some(Likeness::Begins);
    }
    if known.contains(name) {
        return Some(Likeness::Contains);
    }
    let beginning = |length| known.chars().take(length).collect::<String>();
    // In a short name, every second letter would do.
    let wrong =
        |beginning: &str| wrong_letters(name, beginning, length / 4).filter(|_| length >= 4);
    let nearest = (length - 1..=length + 1).filter_map(|length| wrong(&beginning(length))).min();
    nearest.map(Likeness::BeginsMisspelt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] =
        ["nightly-report", "nightly-export", "Weekly", "reports", "old-report", "x1"];

    fn asked(name: &str) -> String {
        let meant = meant(NAMES.into_iter(), name);
        Refused::NoSuchEntry { name: name.to_owned(), meant }.to_string()
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_it_could_mean() {
        for (name, answer) in [
            ("nightly", "did you mean `nightly-export` or `nightly-report`?"),
            ("nighly", "did you mean `nightly-export` or `nightly-report`?"),
            ("nightly-reprot", "did you mean `nightly-report`?"),
            ("weekly", "did you mean `Weekly`?"),
            ("report", "did you mean `reports`?"),
            ("port", "did you mean `nightly-export`, `nightly-report`, `old-report` or `reports`?"),
            ("x", "did you mean `x1`?"),
            ("backup", "`downbeat list` names them all"),
            ("", "`downbeat list` names them all"),
        ] {
            assert_eq!(asked(name), format!("no entry is named `{name}`; {answer}"));
        }
    }

    #[test]
    fn few_of_many_names_are_suggested_and_each_once() {
        let names: Vec<String> = (0..100).map(|n| format!("job-{n:02}")).collect();
        let all = names.iter().chain(&names).map(String::as_str);
        let first: Vec<String> = (0..MAX_SUGGESTED).map(|n| format!("job-{n:02}")).collect();
        assert_eq!(meant(all, "job-"), first);
    }
}
