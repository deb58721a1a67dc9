//! Which entries were added, removed and changed.

use std::collections::HashMap;

use downbeat_time::UnixMs;
use serde::Serialize;

use super::facts::{self, Fact};
use crate::commands::Failure;
use crate::schedule::{Entry, Schedule};
use crate::service::detail::EntryDetail;

/// How many next slots are shown.
const NEXT_SLOTS: usize = 3;

/// The entries that two schedules do not share; the output of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// By name.
    pub(super) added: Vec<Listed>,
    pub(super) removed: Vec<Listed>,
    pub(super) changed: Vec<Changed>,
    pub(super) unchanged: usize,
}

/// An entry of one side only.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) entry: String,
    pub(super) task: String,
    pub(super) queue: String,
    /// Its timing in words.
    pub(super) when: String,
    pub(super) timezone: String,
    pub(super) enabled: bool,
    pub(super) next: Vec<String>,
    /// Of an added entry, the removed one that is the same but for its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renamed_from: Option<String>,
}

/// An entry that is different on both sides.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub(super) entry: String,
    pub(super) changes: Vec<Fact>,
    /// Whether it starts afresh: nothing missed before is sent, and its `limit` counts from 0.
    pub(super) new_registration: bool,
    pub(super) next: Sides<Vec<String>>,
}

/// Of both sides.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Sides<T> {
    pub(super) old: T,
    pub(super) new: T,
}

impl Difference {
    /// Compares two schedules; `from` says from when on the next slots of an entry are shown.
    pub(super) fn between(
        old: &Schedule,
        new: &Schedule,
        from: impl Fn(&Entry) -> Result<UnixMs, Failure>,
    ) -> Result<Difference, Failure> {
        let only = |one: &Schedule, other: &Schedule| -> Result<Vec<Listed>, Failure> {
            let only = one.entries.iter().filter(|entry| other.get(&entry.name).is_none());
            only.map(|entry| Ok(Listed::new(entry, from(entry)?))).collect()
        };
        let (mut added, removed) = (only(new, old)?, only(old, new)?);
        note_renames(&mut added, old, new);
        let (mut changed, mut unchanged) = (Vec::new(), 0);
        for entry in &new.entries {
            match old.get(&entry.name) {
                Some(before) if is_same(before, entry) => unchanged += 1,
                Some(before) => changed.push(Changed::new(before, entry, from(entry)?)),
                None => {}
            }
        }
        Ok(Difference { added, removed, changed, unchanged })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Listed {
    fn new(entry: &Entry, from: UnixMs) -> Listed {
        let detail = detail(entry, from);
        Listed {
            entry: entry.name.to_string(),
            when: facts::when(&detail),
            next: next(&detail),
            task: detail.status.task,
            queue: detail.status.queue,
            timezone: detail.status.timezone,
            enabled: entry.enabled,
            renamed_from: None,
        }
    }
}

impl Changed {
    fn new(old: &Entry, new: &Entry, from: UnixMs) -> Changed {
        let new_registration = old.canonical_timing() != new.canonical_timing();
        let details = [old, new].map(|entry| detail(entry, from));
        let changes = facts::changes([old, new], details.each_ref(), new_registration);
        let [old, new] = details.each_ref().map(next);
        let entry = details[1].status.entry.clone();
        Changed { entry, changes, new_registration, next: Sides { old, new } }
    }
}

/// Whether nothing differs but the way in which the timing is written.
fn is_same(old: &Entry, new: &Entry) -> bool {
    old == new
        || old.canonical_timing() == new.canonical_timing()
            && Entry { timing: new.timing.clone(), ..old.clone() } == *new
}

/// What is shown of an entry, with the slots from an instant on, that included.
fn detail(entry: &Entry, from: UnixMs) -> EntryDetail {
    EntryDetail::new(entry, None, UnixMs(from.0.saturating_sub(1)))
}

fn next(detail: &EntryDetail) -> Vec<String> {
    detail.slots.iter().take(NEXT_SLOTS).map(|slot| slot.slot.clone()).collect()
}

/// Notes which added entries are removed ones under another name: of the same timing and with the same message.
fn note_renames(added: &mut [Listed], old: &Schedule, new: &Schedule) {
    let mut removed: HashMap<String, Vec<&Entry>> = HashMap::new();
    for entry in old.entries.iter().filter(|entry| new.get(&entry.name).is_none()) {
        removed.entry(entry.canonical_timing()).or_default().push(entry);
    }
    for listed in added {
        let Some(entry) = new.get(&listed.entry) else { continue };
        let Some(candidates) = removed.get_mut(&entry.canonical_timing()) else { continue };
        let same = candidates.iter().position(|before| before.message == entry.message);
        listed.renamed_from = same.map(|at| candidates.remove(at).name.to_string());
    }
}
