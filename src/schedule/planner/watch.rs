//! Which slots are on time, and where an entry is planned because of that.
//!
//! A slot is on time or missed when it is first looked at, however long it then waits for its turn. This needs
//! no notes: every plan looks at everything that is due. So whatever came due while one plan followed another
//! was on time.

use std::time::Duration;

use downbeat_time::UnixMs;

use super::judge::{self, Finding, Judged, Judgement};
use super::track::INSTANT;
use super::{Appointment, Planner, of};
use crate::schedule::entry::CatchUp;
use crate::schedule::pause::Paused;

/// A time in which no slot waited longer than the grace before it was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    since: UnixMs,
    until: UnixMs,
}

impl Watch {
    pub(super) const NEVER: Watch = Watch { since: UnixMs::MIN, until: UnixMs::MIN };

    /// The last look.
    pub(super) fn until(self) -> UnixMs {
        self.until
    }

    /// Slots due before this instant are missed.
    fn on_time_from(self, grace: Duration) -> UnixMs {
        self.since - grace
    }
}

impl Planner {
    /// Notes a look at everything that is due.
    pub(super) fn look(&mut self, now: UnixMs) {
        let Watch { mut since, until } = self.watch;
        if now > until + self.grace {
            self.keep_judgements();
            since = now;
        }
        let watch = Watch { since: since.min(now), until: now };
        let is_moved = watch.since != self.watch.since;
        self.watch = watch;
        if is_moved {
            self.part_missed();
        }
    }

    /// Keeps what was on time at the last look.
    fn keep_judgements(&mut self) {
        let until = self.watch.until;
        let due = self.agenda.iter().take_while(|(due, _)| *due <= until).map(|(_, index)| *index);
        let indices: Vec<u32> = due.chain(self.off_agenda()).collect();
        for index in indices {
            let judgements = self.known_judgements(index);
            if !judgements.is_empty() {
                self.judgements.insert(index, judgements);
            }
        }
    }

    /// Entries with open slots that are not on the agenda.
    pub(super) fn off_agenda(&self) -> impl Iterator<Item = u32> {
        let held = self.held.values().flatten().map(|(_, index)| *index);
        let missed = self.backlog.turns(|_| true);
        held.chain(missed).chain(self.in_flight.keys().copied())
    }

    /// Known judgements of open slots that are on time, and of those before them.
    pub(super) fn known_judgements(&self, index: u32) -> Vec<Judgement> {
        let mut findings = Vec::new();
        self.find_due(index, self.watch.until, &mut findings);
        match findings.last() {
            Some(last) if last.says == Finding::OnTime => findings,
            _ => of(&self.judgements, index).to_vec(),
        }
    }

    /// Separates entries with missed slots from the others.
    fn part_missed(&mut self) {
        let on_time: Appointment = (self.watch.on_time_from(self.grace), 0);
        let missed = self.agenda.range(..on_time).map(|(_, index)| *index);
        let indices: Vec<u32> = self.backlog.turns(|_| true).chain(missed).collect();
        for index in indices {
            self.take_off_agenda(index);
            self.put_on_agenda(index);
        }
    }

    /// Judges what is due and open. Returns the pauses that stop some of it.
    pub(super) fn judge(&self, index: u32, now: UnixMs, judged: &mut Judged) -> Paused {
        let (entry, cursor) = (self.entry(index), self.tracks[index as usize].cursor);
        let paused = self.pauses.paused(entry, cursor, now - self.store_behind, now);
        let Judged { findings, verdicts } = judged;
        self.find_due(index, now, findings);
        verdicts.clear();
        judge::judge(entry, cursor, findings, now, self.grace, &paused.runs, verdicts);
        paused
    }

    /// Finds out whether open due slots are on time or missed.
    fn find_due(&self, index: u32, now: UnixMs, findings: &mut Vec<Judgement>) {
        findings.clear();
        findings.extend(self.judged_before(index, || self.next_slot(index)));
        let (entry, cursor) = (self.entry(index), self.tracks[index as usize].cursor);
        judge::find_due(entry, cursor, findings, now, self.watch.on_time_from(self.grace));
    }

    /// Earlier judgements of the first open slot and of later ones.
    fn judged_before(
        &self,
        index: u32,
        first: impl FnOnce() -> Option<UnixMs>,
    ) -> impl Iterator<Item = Judgement> {
        let judged = of(&self.judgements, index);
        let first = if judged.is_empty() { None } else { first() };
        let is_open = move |judged: &&Judgement| first.is_some_and(|slot| slot <= judged.through);
        judged.iter().filter(is_open).copied()
    }

    /// Puts the entry on the agenda or in the backlog, if it has an open slot and nothing in flight.
    pub(super) fn put_on_agenda(&mut self, index: u32) {
        let appointment = self.appoint(index);
        self.agenda.extend(appointment);
    }

    /// The same, except that an appointment is returned rather than put on the agenda.
    pub(super) fn appoint(&mut self, index: u32) -> Option<Appointment> {
        if self.in_flight.contains_key(&index) {
            return None;
        }
        let slot = self.next_slot(index)?;
        let entry = self.entry(index);
        let due = entry.due(slot);
        let is_on_time = due >= self.watch.on_time_from(self.grace)
            || judge::is_on_time(entry, self.judged_before(index, || Some(slot)));
        if is_on_time {
            return Some((due, index));
        }
        self.put_in_backlog(index);
        None
    }

    /// Puts an entry with missed slots in the backlog.
    pub(super) fn put_in_backlog(&mut self, index: u32) {
        let entry = &self.schedule.entries[index as usize];
        // Entries that skip what they missed do not wait for a turn.
        let due = match entry.catch_up {
            CatchUp::All => None,
            CatchUp::Latest | CatchUp::None => self.first_on_time(index),
        };
        self.agenda.extend(due.map(|due| (due, index)));
        self.backlog.push(&entry.message.queue.name, index, due);
    }

    /// Takes the entry off agenda and backlog, before its cursor moves. Returns when it was due on the agenda.
    pub(super) fn take_off_agenda(&mut self, index: u32) -> Option<UnixMs> {
        if self.in_flight.contains_key(&index) {
            return None;
        }
        let queue = &self.schedule.entries[index as usize].message.queue.name;
        let due = match self.backlog.remove(queue, index) {
            Some(due) => due,
            None => self.appointment(index).map(|(due, _)| due),
        };
        let due = due?;
        if !self.agenda.remove(&(due, index))
            && let Some(held) = self.held.get_mut(queue)
        {
            held.remove(&(due, index));
        }
        Some(due)
    }

    /// When the first slot is due that is not missed.
    fn first_on_time(&self, index: u32) -> Option<UnixMs> {
        let (entry, cursor) = (self.entry(index), self.tracks[index as usize].cursor);
        let missed = entry.due_through(cursor, self.watch.on_time_from(self.grace) - INSTANT);
        self.open(index).next(missed).map(|slot| entry.due(slot))
    }
}
