//! A job of another scheduler, as an entry of a schedule file.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Difference;

/// How much of a job's meaning is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grade {
    /// The entry sends the same message at the same instants.
    Same,
    /// It is imported, and behaves differently in ways that are named.
    Differs,
    /// It is left out.
    Cannot,
}

/// Why a job is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cannot {
    /// One clause, in lower case.
    pub(crate) why: String,
    /// What to do instead, if something can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instead: Option<String>,
}

/// Why a part of a job is not understood, which leaves the job out.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    why: String,
    instead: &'static str,
}

impl Refused {
    /// `why` is one clause, in lower case; `instead` says what to do.
    pub(crate) fn new(why: impl Into<String>, instead: &'static str) -> Refused {
        Refused { why: why.into(), instead }
    }
}

/// A job of another scheduler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    /// The entry's name; unique within its source.
    pub(crate) name: String,
    /// The entry, key by key, in the order in which it is written. Every job has `task`; `queue` is always set.
    pub(crate) keys: Map<String, Value>,
    pub(crate) differences: Vec<Difference>,
    /// Present if the job is left out.
    pub(crate) cannot: Option<Cannot>,
    /// When the old scheduler fires it, in the words of the script that asks its code; `Null` if unknown.
    pub(crate) theirs: Value,
}

impl Job {
    pub(crate) fn new(name: impl Into<String>) -> Job {
        Job { name: name.into(), ..Job::default() }
    }

    /// Sets a key of the entry.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.keys.insert(key.to_owned(), value.into());
    }

    /// The value of a key as text; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.keys.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Notes that the entry behaves differently from the job; the same difference counts once.
    pub(crate) fn differs(&mut self, difference: Difference) {
        if !self.differences.contains(&difference) {
            self.differences.push(difference);
        }
    }

    /// Leaves the job out. The first reason counts.
    pub(crate) fn cannot(&mut self, why: impl Into<String>, instead: Option<&str>) {
        let instead = instead.map(str::to_owned);
        self.cannot.get_or_insert_with(|| Cannot { why: why.into(), instead });
    }

    /// Leaves the job out, because a part of it is not understood.
    pub(crate) fn refuse(&mut self, Refused { why, instead }: Refused) {
        self.cannot(why, Some(instead));
    }

    /// A job that is left out as a whole.
    pub(crate) fn left_out(
        name: impl Into<String>,
        why: impl Into<String>,
        instead: Option<&str>,
    ) -> Job {
        let mut job = Job::new(name);
        job.cannot(why, instead);
        job
    }

    pub(crate) fn grade(&self) -> Grade {
        match (&self.cannot, self.differences.is_empty()) {
            (Some(_), _) => Grade::Cannot,
            (None, false) => Grade::Differs,
            (None, true) => Grade::Same,
        }
    }
}
