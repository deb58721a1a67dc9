//! Plans what is due now, and when to look again.
//!
//! The planner gets the time as an argument. `plan` returns what to send and what to skip; nothing counts as
//! done until `settle` is called, after the store has recorded it. A slot that is on time when a plan first
//! looks at it (`watch`) will be sent, however long it then waits for the store or for its turn (until its
//! window ends). If it is missed, its entry's `catch_up` decides. Slots on time come first; entries with missed
//! slots take turns (`backlog`).
//!
//! The planner remembers what it dispatched as runs of slots (`track`). If the store forgets some of them, they
//! are sent again, marked; slots that were skipped and counted are not judged again (`takeover`). If a clock
//! turns out to have been ahead, entries continue from the true time, and slots dispatched ahead of it are
//! passed over when their time comes (`repair`).

mod agenda;
mod backlog;
mod bucket;
mod ended;
mod judge;
mod plan;
mod repair;
mod takeover;
mod track;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use self::agenda::Agenda;
use self::backlog::Backlog;
use self::bucket::TokenBucket;
use self::judge::{Finding, Judged, Judgement, Planned, Verdict};
use self::takeover::MAX_PASSED;
use self::track::{INSTANT, Open, Track, keep_after, keep_until};
use self::watch::Watch;
use super::entry::{Entry, Schedule};
use super::pause::{Pause, Paused, Pauses, Subject};
use super::progress::{MAX_RUNS, Progress, Run, insert_run};
use crate::worker::Queue;

pub use self::ended::Ended;
pub use self::plan::{Action, Item, Plan};
pub use self::repair::{Repair, Repaired};
pub use self::takeover::{Change, MISSING_RECORDS, Takeover};

/// Counts of skipped slots stop here, so that an entry left alone for years costs no more; this many means "or
/// more".
pub const COUNT_CAP: u64 = 10_000;

/// One in this many items of a plan is for missed slots, however many are on time.
const BACKLOG_SHARE: usize = 8;
/// The number of an entry's missed slots in its turn; more if there are few such entries.
const TURN: usize = 10;

/// The planner of one leader, and its memory between tenures.
#[derive(Debug)]
pub struct Planner {
    schedule: Arc<Schedule>,
    grace: Duration,
    tracks: Vec<Track>,
    /// When each live entry's first slot on time is due; without entries in flight.
    agenda: Agenda,
    /// Entries with missed slots.
    backlog: Backlog,
    /// By queue with a `catch_up_rate` that missed slots were sent to.
    buckets: HashMap<Arc<str>, TokenBucket>,
    /// The time in which every slot was on time.
    watch: Watch,
    /// Other judgements of slots that are not settled yet.
    judgements: HashMap<u32, Vec<Judgement>>,
    /// The number of dispatched slots of each live entry with a limit.
    counts: HashMap<u32, u64>,
    /// Dispatched runs before the run in the track, sorted; for entries that have any.
    older: HashMap<u32, Vec<Run>>,
    /// Slots that are settled and passed over, sorted; for entries that have any. Those before the cursor are
    /// kept in case the clock is set back.
    passed: HashMap<u32, Vec<Run>>,
    /// Dispatched slots that the store has forgotten: those ahead of the cursor, and those skipped since;
    /// sorted.
    forgotten: HashMap<u32, Vec<Run>>,
    /// The last progress of entries that are not live.
    retired: HashMap<Arc<str>, Progress>,
    /// Queues that nothing is planned for, and their entries' appointments.
    held: HashMap<Arc<str>, BTreeSet<Appointment>>,
    /// Entries with slots in flight, and when the first of these is due: nothing is planned for them.
    in_flight: HashMap<u32, UnixMs>,
    /// The pauses to plan by.
    pauses: Arc<Pauses>,
    /// How far the store's clock, which pauses go by, is behind the planning time.
    store_behind: Duration,
    /// The store's sequence number after the last known write.
    sequence: u64,
}

/// When an entry's first open slot is due, and the entry's index.
type Appointment = (UnixMs, u32);

impl Planner {
    fn empty(schedule: Arc<Schedule>, grace: Duration) -> Planner {
        let tracks = vec![Track::NOT_LIVE; schedule.entries.len()];
        Planner {
            schedule,
            grace,
            tracks,
            agenda: Agenda::default(),
            backlog: Backlog::default(),
            buckets: HashMap::new(),
            watch: Watch::NEVER,
            judgements: HashMap::new(),
            counts: HashMap::new(),
            older: HashMap::new(),
            passed: HashMap::new(),
            forgotten: HashMap::new(),
            retired: HashMap::new(),
            held: HashMap::new(),
            in_flight: HashMap::new(),
            pauses: Arc::default(),
            store_behind: Duration::ZERO,
            sequence: 0,
        }
    }

    fn count_of(&self, index: u32) -> u64 {
        self.counts.get(&index).copied().unwrap_or(0)
    }

    /// How many more slots of the entry's registration may be dispatched.
    fn remaining(&self, index: u32) -> u64 {
        self.entry(index).guards.remaining(self.count_of(index))
    }

    fn open(&self, index: u32) -> Open<'_> {
        let passed = of(&self.passed, index);
        Open { entry: &self.schedule.entries[index as usize], passed }
    }

    /// The first slot of a live entry that is neither settled nor passed over.
    fn next_slot(&self, index: u32) -> Option<UnixMs> {
        let next = || self.open(index).next(self.tracks[index as usize].cursor);
        if self.is_done(index) { None } else { next() }
    }

    /// The entry's place in the agenda.
    fn appointment(&self, index: u32) -> Option<Appointment> {
        self.next_slot(index).map(|slot| (self.entry(index).due(slot), index))
    }

    /// Whether the entry has reached its limit, and so has no more slots.
    #[must_use]
    pub fn is_done(&self, index: u32) -> bool {
        self.remaining(index) == 0
    }

    /// The number of entries that have reached their limit.
    #[must_use]
    pub fn done(&self) -> usize {
        self.counts.keys().filter(|index| self.is_done(**index)).count()
    }

    /// The sequence number to name in the next fenced write.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Notes the sequence number of a write that the store confirmed.
    pub fn advance(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// The schedule being planned.
    #[must_use]
    pub fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// The entry of this index.
    #[must_use]
    pub fn entry(&self, index: u32) -> &Entry {
        &self.schedule.entries[index as usize]
    }

    /// The entry of that name and its index.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(u32, &Entry)> {
        let entries = &self.schedule.entries;
        let index = entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        Some((u32::try_from(index).ok()?, &entries[index]))
    }

    /// The entry's progress, for folding and listing; `None` if it is not live.
    #[must_use]
    pub fn progress_of(&self, name: &str) -> Option<Progress> {
        let (index, _) = self.find(name)?;
        self.tracks[index as usize].is_live().then(|| self.progress(index))
    }

    /// The progress of several entries, whose names are sorted; without those that are not live.
    #[must_use]
    pub fn progress_of_each(&self, names: &[Arc<str>]) -> Vec<(Arc<str>, Progress)> {
        let entries = &self.schedule.entries;
        let mut from = 0;
        let progress = |name: &Arc<str>| {
            // Usually it is the next one.
            if entries.get(from).is_none_or(|entry| entry.name != *name) {
                from += entries[from..].partition_point(|entry| entry.name < *name);
            }
            let index = entries
                .get(from)
                .filter(|entry| entry.name == *name)
                .and(u32::try_from(from).ok())?;
            from += 1;
            self.tracks[index as usize].is_live().then(|| (Arc::clone(name), self.progress(index)))
        };
        names.iter().filter_map(progress).collect()
    }

    /// The entry's progress, even if it is no longer live.
    #[must_use]
    pub fn known_progress(&self, name: &str) -> Option<Progress> {
        self.progress_of(name).or_else(|| self.retired.get(name).cloned())
    }

    /// Whether the entry is live and that slot of it is not settled.
    #[must_use]
    pub fn is_open(&self, name: &str, slot: UnixMs) -> bool {
        self.progress_of(name).is_some_and(|progress| !progress.is_settled(slot))
    }

    fn progress(&self, index: u32) -> Progress {
        let track = &self.tracks[index as usize];
        let mut ahead = Vec::new();
        let mut passed = of(&self.passed, index).to_vec();
        keep_after(&mut passed, track.cursor);
        passed.into_iter().for_each(|run| insert_run(&mut ahead, run, MAX_RUNS));
        Progress {
            through: track.cursor,
            outcome: track.outcome,
            dispatched: track.dispatched(),
            count: self.count_of(index),
            ahead,
        }
    }

    /// Plans what is due at `now`: at most about `limit` items, and at most `per_entry` for one entry.
    ///
    /// Slots on time come first, then missed ones, a few per entry in turn. Only judgements are remembered:
    /// planning again without `settle` returns the same slots.
    #[must_use]
    pub fn plan(&mut self, now: UnixMs, limit: usize, per_entry: usize) -> Plan {
        self.look(now);
        let mut items = Vec::new();
        let share = if self.backlog.is_empty() { 0 } else { limit / BACKLOG_SHARE };
        let wake_at = self.plan_on_time(now, limit - share, per_entry, &mut items);
        let wake_at = self.plan_missed(now, limit, per_entry, &mut items).min(wake_at);
        let wake_at = if items.is_empty() { wake_at } else { now };
        Plan { items, wake_at }
    }

    /// Plans slots on time. Returns when more can be planned.
    fn plan_on_time(
        &mut self,
        now: UnixMs,
        limit: usize,
        per_entry: usize,
        items: &mut Vec<Item>,
    ) -> UnixMs {
        let (mut judged, mut held, mut missed) = (Judged::default(), Vec::new(), Vec::new());
        let mut wake_at = UnixMs::MAX;
        for &(due, index) in self.agenda.iter() {
            if due > now {
                wake_at = wake_at.min(due);
                break;
            }
            if items.len() >= limit {
                break;
            }
            if self.held.contains_key(&self.entry(index).message.queue.name) {
                held.push((due, index));
                continue;
            }
            let paused = self.judge(index, now, &mut judged);
            wake_at = wake_at.min(self.opens_at(&paused));
            match judge::on_time(&judged.verdicts) {
                Some(on_time) => self.unroll(index, on_time, &paused, now, per_entry, items),
                None if self.backlog.contains(index) => {}
                None => missed.push((due, index)),
            }
        }
        for appointment in missed {
            self.agenda.remove(&appointment);
            self.put_in_backlog(appointment.1);
        }
        for appointment in held {
            let queue = &self.schedule.entries[appointment.1 as usize].message.queue.name;
            self.agenda.remove(&appointment);
            self.held.entry(Arc::clone(queue)).or_default().insert(appointment);
        }
        wake_at
    }

    /// Plans missed slots, until there are about `limit` items. Returns when more can be planned.
    fn plan_missed(
        &self,
        now: UnixMs,
        limit: usize,
        per_entry: usize,
        items: &mut Vec<Item>,
    ) -> UnixMs {
        let (mut judged, mut wake_at) = (Judged::default(), UnixMs::MAX);
        let mut turns = self.backlog.turns(|queue| !self.held.contains_key(queue));
        let each = limit.saturating_sub(items.len()).checked_div(turns.len()).unwrap_or(0);
        let per_entry = each.max(TURN).min(per_entry);
        let mut tokens = HashMap::new();
        while items.len() < limit
            && let Some(index) = turns.next()
        {
            let queue = &self.entry(index).message.queue;
            let bucket = self.bucket(queue);
            let left = bucket
                .map(|bucket| tokens.entry(&queue.name).or_insert_with(|| bucket.tokens(now)));
            if let (Some(bucket), Some(0)) = (bucket, &left) {
                wake_at = wake_at.min(bucket.ready_at(now));
                turns.skip_queue();
                continue;
            }
            let paused = self.judge(index, now, &mut judged);
            wake_at = wake_at.min(self.opens_at(&paused));
            let is_on_agenda = self.backlog.due(index).is_some_and(|due| due <= now);
            if is_on_agenda && judge::on_time(&judged.verdicts).is_some() {
                continue;
            }
            let first = items.len();
            self.unroll(index, &judged.verdicts, &paused, now, per_entry, items);
            if let Some(left) = left {
                keep_sends(items, first, *left, Item::is_caught_up);
                let sent = items[first..].iter().filter(|item| item.is_caught_up()).count();
                *left -= sent as u64;
            }
        }
        wake_at
    }

    /// How many missed slots may go to the queue; `None`: all.
    fn bucket(&self, queue: &Queue) -> Option<TokenBucket> {
        let rate = queue.catch_up_rate?;
        Some(self.buckets.get(&queue.name).copied().unwrap_or_else(|| TokenBucket::new(rate)))
    }

    /// Charges an item that is being sent: a missed slot counts against its queue's `catch_up_rate`.
    pub fn charge(&mut self, item: &Item) {
        let queue = &self.schedule.entries[item.entry as usize].message.queue;
        if item.is_caught_up()
            && let Some(mut bucket) = self.bucket(queue)
        {
            bucket.take(self.watch.until());
            self.buckets.insert(Arc::clone(&queue.name), bucket);
        }
    }

    /// When a pause ends that slots wait for, in planning time.
    fn opens_at(&self, paused: &Paused) -> UnixMs {
        paused.until.map_or(UnixMs::MAX, |until| until + self.store_behind)
    }

    /// Adds the items of an entry whose due slots are judged.
    fn unroll(
        &self,
        index: u32,
        verdicts: &[Judgement<Verdict>],
        paused: &Paused,
        now: UnixMs,
        per_entry: usize,
        items: &mut Vec<Item>,
    ) {
        let entry = self.entry(index);
        // So that a crash leaves at most one slot of an entry uncertain.
        let per_entry = if entry.message.queue.amqp.is_some() { 1 } else { per_entry };
        let (first, cursor) = (items.len(), self.tracks[index as usize].cursor);
        let (open, forgotten) = (self.open(index), of(&self.forgotten, index));
        let planned = Planned { index, open, forgotten, paused, cursor, now, grace: self.grace };
        planned.unroll(verdicts, per_entry, items);
        if entry.guards.limit.is_some() {
            keep_sends(items, first, self.remaining(index), Item::is_sent);
        }
    }

    /// Settles an item that the store has recorded: its slot and all before it.
    pub fn settle(&mut self, item: &Item) {
        let index = item.entry;
        let track = self.tracks[index as usize];
        if item.slot <= track.cursor {
            return;
        }
        let before = track.cursor;
        let first = self.entry(index).next_slot(before);
        self.take_off_agenda(index);
        let track = &mut self.tracks[index as usize];
        if let Action::Send(_) = item.action {
            let ended = track.dispatch(item.slot, first);
            if let Some(run) = ended {
                track::remember(self.older.entry(index).or_default(), run);
            }
            if let Some(count) = self.counts.get_mut(&index) {
                *count += 1;
            }
        }
        let track = &mut self.tracks[index as usize];
        (track.cursor, track.outcome) = (item.slot, Some(item.outcome()));
        self.note_forgotten(item, before);
        if self.judgements.contains_key(&index) {
            let next = self.next_slot(index);
            prune(&mut self.judgements, index, |judgement| {
                next.is_some_and(|slot| slot <= judgement.through)
            });
        }
        self.put_on_agenda(index);
    }

    /// Updates forgotten slots after an item settled those later than `before`. What it sends is on record
    /// again. What it skips is not: if the clock is set back, it still has to be marked as sent before.
    fn note_forgotten(&mut self, item: &Item, before: UnixMs) {
        let (index, slot) = (item.entry, item.slot);
        if let Action::Send(_) = item.action {
            let Some(runs) = self.forgotten.get_mut(&index) else { return };
            let mut earlier = runs.clone();
            keep_until(&mut earlier, before);
            keep_after(runs, slot);
            runs.splice(..0, earlier);
            return prune(&mut self.forgotten, index, |_| true);
        }
        let mut after = before;
        for judgement in self.judgements.get(&index).into_iter().flatten() {
            let through = judgement.through.min(slot);
            if judgement.is_resent() && through > after {
                let runs = self.forgotten.entry(index).or_default();
                if runs.len() >= MAX_PASSED {
                    runs.remove(0);
                }
                insert_run(runs, Run { first: after + INSTANT, last: through }, MAX_PASSED);
            }
            after = after.max(through);
        }
    }

    /// Drops judgements that our own clock made of slots later than `now`, the store's clock.
    pub fn unjudge(&mut self, now: UnixMs) {
        self.look(now);
        let is_ahead = |judgement: &Judgement| judgement.through > now && !judgement.is_resent();
        let judged =
            self.judgements.iter().filter(|(_, judgements)| judgements.iter().any(is_ahead));
        for index in judged.map(|(index, _)| *index).collect::<Vec<_>>() {
            self.take_off_agenda(index);
            prune(&mut self.judgements, index, |judgement| !is_ahead(judgement));
            self.put_on_agenda(index);
        }
    }

    /// Marks the entry as having slots in flight: nothing is planned for it until they return.
    pub fn mark_in_flight(&mut self, index: u32) {
        if self.in_flight.contains_key(&index) {
            return;
        }
        let missed = if self.backlog.contains(index) { self.appointment(index) } else { None };
        let on_time = self.take_off_agenda(index);
        let due = missed.map(|(due, _)| due).or(on_time);
        self.in_flight.insert(index, due.unwrap_or(UnixMs::MAX));
    }

    /// Marks the entry's slots as returned, with a known outcome or not.
    pub fn mark_returned(&mut self, index: u32) {
        if self.in_flight.remove(&index).is_some() {
            self.put_on_agenda(index);
        }
    }

    /// Marks a slot whose publishing is uncertain: it and those before it are sent again, marked, unless they
    /// are too old.
    pub fn mark_uncertain(&mut self, index: u32, slot: UnixMs) {
        self.mark_run_uncertain(index, Run { first: UnixMs::MIN, last: slot });
    }

    /// Marks only this slot of the entry as uncertain, if it is open.
    pub fn mark_open_uncertain(&mut self, name: &str, slot: UnixMs) {
        if let Some((index, _)) = self.find(name)
            && self.is_open(name, slot)
        {
            self.mark_run_uncertain(index, Run { first: slot, last: slot });
        }
    }

    fn mark_run_uncertain(&mut self, index: u32, slots: Run) {
        self.take_off_agenda(index);
        let judgements = self.judgements.entry(index).or_default();
        judgements.retain(|judgement| !slots.contains(judgement.through));
        let at = judgements.partition_point(|judgement| judgement.through < slots.last);
        judgements.insert(at, Judgement::new(slots.last, Finding::Resent));
        self.put_on_agenda(index);
    }

    /// Sets the pauses to plan by.
    pub fn set_pauses(&mut self, pauses: Arc<Pauses>) {
        self.pauses = pauses;
    }

    /// Sets how far the store's clock is behind the planning time.
    pub fn set_store_behind(&mut self, behind: Duration) {
        self.store_behind = behind;
    }

    /// The pause that an item is skipped for.
    #[must_use]
    pub fn pause_of(&self, item: &Item, now: UnixMs) -> Option<&Pause> {
        self.pauses.stop(self.entry(item.entry), item.slot, now - self.store_behind)
    }

    /// Whether every live entry that the subject covers has passed `until`: no slot due before it is open.
    #[must_use]
    pub fn is_past(&self, subject: &Subject, until: UnixMs) -> bool {
        let is_open =
            |(due, index): &Appointment| *due < until && subject.covers(self.entry(*index));
        match subject {
            Subject::Entry(name) => {
                let appointment = self.find(name).and_then(|(index, _)| self.appointment(index));
                appointment.is_none_or(|(due, _)| due >= until)
            }
            Subject::Tag(_) | Subject::All => {
                let early = self.agenda.iter().take_while(|(due, _)| *due < until).copied();
                let others = self.off_agenda().filter_map(|index| self.appointment(index));
                !early.chain(others).any(|appointment| is_open(&appointment))
            }
        }
    }

    /// Holds a queue that refused a message: nothing is planned for it until it is released.
    pub fn hold(&mut self, queue: &Arc<str>) {
        self.held.entry(Arc::clone(queue)).or_default();
    }

    /// Releases a held queue.
    pub fn release(&mut self, queue: &str) {
        for (_, index) in self.held.remove(queue).unwrap_or_default() {
            self.take_off_agenda(index);
            self.put_on_agenda(index);
        }
    }

    /// When the first open slot is due; `None` if there is none. In a backlog it is a slot of the entry whose
    /// turn it is.
    #[must_use]
    pub fn next_due(&self) -> Option<(UnixMs, &Entry)> {
        let held = self.held.values().filter_map(BTreeSet::first);
        let missed = self.backlog.turns(|_| true).next();
        let missed = missed.and_then(|index| self.appointment(index));
        let on_their_way = self.in_flight.iter().map(|(index, due)| (*due, *index)).min();
        let on_their_way = on_their_way.filter(|(due, _)| *due != UnixMs::MAX);
        let others = missed.into_iter().chain(on_their_way);
        let next = self.agenda.first().into_iter().chain(held).copied().chain(others).min();
        next.map(|(due, index)| (due, self.entry(index)))
    }
}

/// The entry's items.
fn of<T>(all: &HashMap<u32, Vec<T>>, index: u32) -> &[T] {
    all.get(&index).map_or(&[], Vec::as_slice)
}

/// Removes an entry's items that are not `is_kept`.
fn prune<T>(all: &mut HashMap<u32, Vec<T>>, index: u32, is_kept: impl Fn(&T) -> bool) {
    if let Some(items) = all.get_mut(&index) {
        items.retain(is_kept);
        if items.is_empty() {
            all.remove(&index);
        }
    }
}

/// From the items from `first` on, removes all after the last of `max` that count.
fn keep_sends(items: &mut Vec<Item>, first: usize, max: u64, counts: impl Fn(&Item) -> bool) {
    let more = usize::try_from(max.saturating_sub(1)).unwrap_or(usize::MAX);
    if let Some(last) = (first..items.len()).filter(|at| counts(&items[*at])).nth(more) {
        items.truncate(last + 1);
    }
}

#[cfg(test)]
mod tests;
