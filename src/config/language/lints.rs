//! Warnings about valid schedules that depend on the time, or on what else is known: `check` shows
//! them, `run` does not.

mod emptied;
mod queues;
mod workers;

use std::collections::HashMap;
use std::time::Duration;

use downbeat_time::{Timing, UnixMs};

use super::loaded::{Loaded, Position};
use crate::schedule::Entry;
use crate::text::{MAX_PROBLEMS, Problem, Severity};

pub use queues::unnamed_queues;
pub use workers::{against_workers, celery_queues};

/// Messages in one second that deserve a warning: workers may be slower.
const MAX_PER_SECOND: usize = 100;
/// How far ahead clock changes are searched.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const INSTANT: Duration = Duration::from_millis(1);

/// Warnings that depend on the time: enabled entries without a future slot, weeks, months and years that lose all
/// slots, fixed times in gaps of the next year's clock changes, and many messages in one second.
#[must_use]
pub fn warnings(loaded: &Loaded, now: UnixMs) -> Vec<Problem> {
    let mut warnings = Warnings::about(loaded);
    let mut gaps: HashMap<&str, Vec<UnixMs>> = HashMap::new();
    let mut crowds: HashMap<i64, (usize, &Entry)> = HashMap::new();
    for entry in enabled(loaded) {
        let mut warn = |(message, hint)| warnings.add(entry, message, hint);
        passed(entry, now).map(&mut warn);
        emptied::warning(entry, now).map(&mut warn);
        let in_year = || entry.zone.jumps(now, now + YEAR);
        if entry.timing.makes_up_for_gaps() {
            let gaps = gaps.entry(entry.zone.name()).or_insert_with(in_year);
            gaps.iter().find_map(|gap| in_gap(entry, *gap)).map(&mut warn);
        }
        if let Some(next) = entry.next_slot(now) {
            crowds.entry(entry.due(next).0.div_euclid(1000)).or_insert((0, entry)).0 += 1;
        }
    }
    warnings.problems.extend(crowd(loaded, crowds));
    warnings.finish()
}

fn enabled(loaded: &Loaded) -> impl Iterator<Item = &Entry> {
    let entries = loaded.schedule.iter().flat_map(|schedule| &schedule.entries);
    entries.filter(|entry| entry.enabled)
}

/// How many entries there are besides the one named.
fn others(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => " and another entry".to_owned(),
        count => format!(" and {} other entries", count - 1),
    }
}

/// Collects warnings about entries, each at the entry's position, up to a maximum.
struct Warnings<'l> {
    loaded: &'l Loaded,
    problems: Vec<Problem>,
    dropped: usize,
}

impl<'l> Warnings<'l> {
    fn about(loaded: &'l Loaded) -> Warnings<'l> {
        Warnings { loaded, problems: Vec::new(), dropped: 0 }
    }

    fn add(&mut self, entry: &Entry, message: String, hint: String) {
        match self.loaded.places.get(&entry.name) {
            Some(place) if self.problems.len() < MAX_PROBLEMS => {
                self.problems.push(warning(self.loaded, place, message).with_hint(hint));
            }
            _ => self.dropped += 1,
        }
    }

    fn finish(mut self) -> Vec<Problem> {
        if let Some(last) = self.problems.last().filter(|_| self.dropped > 0) {
            let file = last.file.clone();
            let mut more =
                Problem::whole(file, format!("{} more warnings are not shown", self.dropped));
            more.severity = Severity::Warning;
            self.problems.push(more);
        }
        self.problems
    }
}

fn warning(loaded: &Loaded, place: &Position, message: String) -> Problem {
    let file = loaded.files.get(place.file as usize).map(|file| file.path.display().to_string());
    let mut problem = Problem::whole(file.unwrap_or_default(), message);
    problem.severity = Severity::Warning;
    (problem.line, problem.column) = (place.line, place.column);
    problem
}

/// Message and hint for passed slots, if no slot is left or they are listed explicitly.
fn passed(entry: &Entry, now: UnixMs) -> Option<(String, String)> {
    let name = &entry.name;
    let (past, all) = match &entry.timing {
        Timing::At(instants) => (instants.until(now), instants.as_slice().len()),
        _ => (0, 0),
    };
    let message = match (entry.next_slot(now), past, all) {
        (Some(_), 0, _) => return None,
        (Some(_), ..) => {
            let have = if past == 1 { "has" } else { "have" };
            let message = format!("{past} of {all} instants of `{name}` {have} passed");
            return Some((message, "only later ones fire; remove what is past".to_owned()));
        }
        (None, 1, 1) => format!("`at` of `{name}` has passed: it never fires"),
        (None, ..) if past == all && all > 0 => {
            format!("all {all} instants of `{name}` have passed: it never fires")
        }
        (None, ..) => match entry.last_slot(UnixMs::MIN, now) {
            Some(last) => {
                let last = entry.zone.to_rfc3339(last);
                format!("the last slot of `{name}` was at {last}: it never fires again")
            }
            None if has_slots_without_except(entry, now) => {
                let message = format!("`except` of `{name}` leaves out every slot: it never fires");
                return Some((message, "leave out less, or remove the entry".to_owned()));
            }
            None => format!("`{name}` has no slot: it never fires"),
        },
    };
    Some((message, "set a later time, or remove it".to_owned()))
}

fn has_slots_without_except(entry: &Entry, now: UnixMs) -> bool {
    let mut entry = entry.clone();
    let Some(bounds) = entry.bounds.as_deref_mut() else { return false };
    bounds.except.clear();
    entry.next_slot(now).is_some()
}

/// Message and hint for an entry whose slot is where the clock is set forward, at `gap`, as the clock
/// skips the time that the entry names.
fn in_gap(entry: &Entry, gap: UnixMs) -> Option<(String, String)> {
    let slot = entry.next_slot(gap - INSTANT).filter(|slot| *slot == gap)?;
    let change = entry.clock_change(slot)?;
    let local = entry.zone.to_local(slot);
    let (name, zone) = (&entry.name, entry.zone.name());
    let message = format!("on {} `{name}` fires {change} of {zone}", local.date());
    let hint = format!("at {}: it is not lost, only not at its time", local.time());
    Some((message, hint))
}

/// The warning about the fullest second, if it is too full.
fn crowd(loaded: &Loaded, crowds: HashMap<i64, (usize, &Entry)>) -> Option<Problem> {
    // Of equally full ones, the first.
    let fullest = crowds.into_iter().max_by_key(|(second, (count, _))| (*count, -second));
    let (second, (count, entry)) = fullest.filter(|(_, (count, _))| *count >= MAX_PER_SECOND)?;
    let at = entry.zone.to_rfc3339(UnixMs::from_secs(second));
    let message = format!("{count} entries are due in the second {at}, `{}` first", entry.name);
    let hint = "`spread` for a tag, `jitter`, `phase`, or `H` in a crontab line keep them apart; \
                `downbeat plan` shows the load";
    Some(warning(loaded, loaded.places.get(&entry.name)?, message).with_hint(hint))
}
