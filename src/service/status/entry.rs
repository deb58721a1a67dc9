//! What is shown of each entry.

use std::num::NonZeroU32;
use std::time::Duration;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::pausing::PauseStatus;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::pause::{Pause, Pauses, Subject};
use crate::schedule::progress::{Progress, State};
use crate::schedule::{Entry, Schedule};

/// One line of `list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryStatus {
    /// The entry's name.
    pub entry: String,
    /// The task's registered name.
    pub task: String,
    /// The queue of its messages.
    pub queue: String,
    /// The timing in words.
    pub timing: String,
    /// IANA name.
    pub timezone: String,
    /// `false` if its slots are never sent.
    pub enabled: bool,
    /// How many slots of one registration are dispatched.
    pub limit: Option<u32>,
    /// How many slots of this registration were dispatched, for an entry with a limit.
    pub sent: Option<u64>,
    /// The last slot settled, RFC 3339 in the entry's zone.
    pub last: Option<String>,
    /// The same in UTC.
    pub last_utc: Option<String>,
    /// The outcome of the last slot, if known: the kind of what was sent, or the reason of a skip.
    #[serde(default)]
    pub last_outcome: Option<String>,
    /// The last slot sent, RFC 3339 in the entry's zone, even under an earlier timing.
    #[serde(default)]
    pub last_sent: Option<String>,
    /// The same in UTC.
    #[serde(default)]
    pub last_sent_utc: Option<String>,
    /// The next slot, RFC 3339 in the entry's zone.
    pub next: Option<String>,
    /// The same in UTC.
    pub next_utc: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Labels for selecting entries.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The pause that prevents it from being sent; of several, the one that ends last.
    #[serde(default)]
    pub paused: Option<PauseStatus>,
}

impl EntryStatus {
    /// Why its last slot was not sent, if it was not.
    #[must_use]
    pub fn last_skipped(&self) -> Option<&str> {
        let outcome = self.last_outcome.as_deref()?;
        SkipReason::ALL.iter().any(|reason| reason.as_str() == outcome).then_some(outcome)
    }

    /// The limit, if reached: there are no more slots.
    #[must_use]
    pub fn reached_limit(&self) -> Option<u32> {
        self.limit.filter(|limit| self.sent.is_some_and(|sent| sent >= u64::from(*limit)))
    }
}

/// The entry's progress with its current timing, according to the store.
#[must_use]
pub fn progress_in(state: &State, entry: &Entry) -> Option<Progress> {
    let progress = state.progress.get(&*entry.name)?.clone();
    let timing = state.registrations.get(&*entry.name)?.timing.as_deref();
    let is_counted = timing == Some(&*entry.canonical_timing());
    Some(Progress { count: if is_counted { progress.count } else { 0 }, ..progress })
}

fn is_slot(entry: &Entry, instant: UnixMs) -> bool {
    entry.next_slot(instant - Duration::from_millis(1)) == Some(instant)
}

/// The status of an entry with this progress.
#[must_use]
pub fn entry_status(entry: &Entry, progress: Option<&Progress>, now: UnixMs) -> EntryStatus {
    let through = progress.map(|progress| progress.through);
    let sent = progress.map_or(0, |progress| progress.count);
    let live = entry.enabled && entry.guards.remaining(sent) > 0;
    let next = live.then(|| entry.next_slot(now.max(through.unwrap_or(now)))).flatten();
    let outcome = progress.and_then(|progress| progress.outcome);
    let last_sent = progress.and_then(|progress| progress.dispatched);
    // Progress may end at any instant: after an edit, or when a clock went back.
    let last = match outcome {
        Some(Outcome::Dispatched(_)) => last_sent.or(through),
        Some(Outcome::Skipped(_)) | None => through.filter(|at| is_slot(entry, *at)),
    };
    let outcome = outcome.filter(|_| last.is_some());
    let local = |slot: UnixMs| entry.zone.to_rfc3339(slot);
    let utc = |slot: UnixMs| slot.to_string();
    EntryStatus {
        entry: entry.name.to_string(),
        task: entry.message.task.to_string(),
        queue: entry.message.queue.name.to_string(),
        timing: entry.timing.describe(&entry.zone),
        timezone: entry.zone.name().to_owned(),
        enabled: entry.enabled,
        limit: entry.guards.limit.map(NonZeroU32::get),
        sent: entry.guards.limit.map(|_| sent),
        last: last.map(local),
        last_utc: last.map(utc),
        last_outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
        last_sent: last_sent.map(local),
        last_sent_utc: last_sent.map(utc),
        next: next.map(local),
        next_utc: next.map(utc),
        description: entry
            .about
            .as_ref()
            .and_then(|about| about.description.as_deref())
            .map(str::to_owned),
        tags: entry.about.iter().flat_map(|about| &about.tags).map(ToString::to_string).collect(),
        paused: None,
    }
}

/// Maximum number of pauses shown.
const MAX_PAUSES: usize = 100;

impl EntryStatus {
    /// The same status with the entry's pause, if there is one.
    #[must_use]
    pub fn with_pauses(self, entry: &Entry, pauses: &Pauses, now: UnixMs) -> EntryStatus {
        EntryStatus { paused: pause_of(entry, pauses, now), ..self }
    }
}

/// The pause that prevents an entry from being sent.
#[must_use]
pub fn pause_of(entry: &Entry, pauses: &Pauses, now: UnixMs) -> Option<PauseStatus> {
    let (subject, pause) = pauses.pause_of(entry, now)?;
    Some(PauseStatus::new(subject, pause, Some(&entry.zone)))
}

/// A selection of the pauses in force, as shown, and their total number.
#[must_use]
pub fn pauses_in_force(
    pauses: &Pauses,
    schedule: Option<&Schedule>,
    now: UnixMs,
) -> (Vec<PauseStatus>, usize) {
    let in_force = pauses.in_force(now);
    let shown = |(subject, pause): &(&Subject, &Pause)| {
        let entry = match subject {
            Subject::Entry(name) => schedule.and_then(|schedule| schedule.get(name)),
            Subject::Tag(_) | Subject::All => None,
        };
        PauseStatus::new(subject, pause, entry.map(|entry| &*entry.zone))
    };
    (in_force.iter().take(MAX_PAUSES).map(shown).collect(), in_force.len())
}
