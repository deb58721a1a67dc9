//! Works out what a request means.

use std::collections::BTreeSet;

use downbeat_time::UnixMs;

use super::Request;
use crate::refused::{self, Refused};
use crate::schedule::pause::{MAX_NOTE, PauseRequest, Subject, sanitize_by, sanitize_note};
use crate::schedule::{Entry, Schedule};
use crate::store::contract::{MAX_PAUSES_CHANGED, PausesRead};
use crate::text::{duration, instant};

/// A request's meaning for one subject.
#[derive(Clone, Debug)]
pub(super) struct SubjectRequest {
    pub(super) subject: Subject,
    pub(super) request: PauseRequest,
}

/// Splits a request into its subjects.
pub(super) fn subject_requests(
    asked: &Request,
    schedule: &Schedule,
    read: &PausesRead,
) -> Result<Vec<SubjectRequest>, Refused> {
    let subjects = subjects(asked, schedule, read)?;
    if asked.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE) {
        return Err(Refused::Invalid(format!("--note: a note has at most {MAX_NOTE} bytes")));
    }
    let of_subject = |subject: Subject| {
        if asked.resume {
            return Ok(SubjectRequest { subject, request: PauseRequest::Resume });
        }
        let until = asked.until.as_deref();
        let until = until.map(|text| end(text, &subject, schedule, read.now)).transpose()?;
        let by = asked.by.as_deref().and_then(sanitize_by);
        let note = asked.note.as_deref().and_then(sanitize_note);
        Ok(SubjectRequest { subject, request: PauseRequest::Pause { until, by, note } })
    };
    subjects.into_iter().map(of_subject).collect()
}

/// The subjects in the order in which they are named, each once.
fn subjects(
    asked: &Request,
    schedule: &Schedule,
    read: &PausesRead,
) -> Result<Vec<Subject>, Refused> {
    // Entries and tags that have left the schedule can be resumed.
    let is_left = |subject: &Subject| {
        let (pauses, _) = read.of(subject);
        let is_paused = pauses.iter().any(|pause| pause.is_in_force(read.now));
        asked.resume && (is_paused || read.is_unreadable(subject))
    };
    let mut subjects = Vec::new();
    for name in &asked.entries {
        let subject = Subject::Entry(name.as_str().into());
        if !is_left(&subject) {
            refused::find(schedule, name)?;
        }
        subjects.push(subject);
    }
    let tags = || schedule.entries.iter().flat_map(tags);
    for name in &asked.tags {
        let subject = Subject::Tag(name.as_str().into());
        if !is_left(&subject) && !tags().any(|tag| tag == name) {
            let (name, meant) = (name.clone(), refused::meant(tags(), name));
            return Err(Refused::NoSuchTag { name, meant });
        }
        subjects.push(subject);
    }
    if asked.all {
        subjects.push(Subject::All);
    }
    let mut seen = BTreeSet::new();
    subjects.retain(|subject| seen.insert(subject.clone()));
    match subjects.len() {
        0 => Err(Refused::Invalid("name entries, tags (`--tag T`), or `--all`".to_owned())),
        count if count > MAX_PAUSES_CHANGED => Err(Refused::Invalid(format!(
            "{count} entries are more than the {MAX_PAUSES_CHANGED} that go at once; name a tag, or `--all`"
        ))),
        _ => Ok(subjects),
    }
}

fn tags(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.about.iter().flat_map(|about| &about.tags).map(|tag| &**tag)
}

/// Reads when a pause ends by itself.
fn end(
    text: &str,
    subject: &Subject,
    schedule: &Schedule,
    now: UnixMs,
) -> Result<UnixMs, EndError> {
    let until = match duration::parse(text) {
        Ok(length) => now + length,
        Err(_) => wall_time(text, subject, schedule)?,
    };
    if until <= now {
        return Err(EndError::Past { until, now });
    }
    Ok(until)
}

/// Why a text does not say when a pause ends.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error("{0}; {hint}, or a length, as in `2h`", hint = instant::HINT_WITH_DATE)]
    Instant(#[from] instant::InstantError),
    #[error(
        "the entries have several zones, in which `{0}` is not the same instant; write it with an offset, \
         as in `2026-12-24T18:00:00+09:00`"
    )]
    Ambiguous(String),
    #[error("no entry has a zone to read it in; write a length, as in `2h`")]
    NoZone,
    #[error("{until} is past: it is {now} now")]
    Past { until: UnixMs, now: UnixMs },
}

impl From<EndError> for Refused {
    fn from(error: EndError) -> Refused {
        Refused::Invalid(format!("--until: {error}"))
    }
}

/// Reads a wall time as an instant in the entries' zone.
fn wall_time(text: &str, subject: &Subject, schedule: &Schedule) -> Result<UnixMs, EndError> {
    let covered = schedule.entries.iter().filter(|entry| subject.covers(entry));
    let mut zones = BTreeSet::new();
    let mut found = None;
    for entry in covered {
        if !zones.insert(entry.zone.name()) {
            continue;
        }
        let instant = instant::parse_with_date(text, &entry.zone)?;
        if found.is_some_and(|other| other != instant) {
            return Err(EndError::Ambiguous(text.to_owned()));
        }
        found = Some(instant);
    }
    found.ok_or(EndError::NoZone)
}
