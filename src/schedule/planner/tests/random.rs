//! Random histories of one store and the processes that lead over it: no slot is sent twice, unless its record
//! was lost, and none is lost without being counted.

use std::collections::{BTreeMap, BTreeSet};

use downbeat_time::Timing;
use proptest::prelude::*;

use super::*;
use crate::schedule::outcome::Line;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes; then this many items are planned and settled, and the store skips every third if `guarded`.
    Lead { seconds: u64, settled: usize, guarded: bool },
    /// Everything recorded is folded.
    Fold,
    /// The leader reads everything anew.
    Retake,
    /// Another process without memory leads.
    Restart,
    /// The store's contents are saved.
    Checkpoint,
    /// The store is restored to what was saved; `restart`: with a leader without memory.
    RollBack { restart: bool },
    /// Everything is deleted.
    Flush { restart: bool },
    /// The journal is deleted, and nobody remembers it.
    LoseJournal,
    /// The period of an entry changes; 0: it is removed. `led`: under a leader.
    Edit { entry: usize, period: u64, led: bool },
    /// The clock is set ahead.
    SetAhead { seconds: u64 },
    /// The clock is set right; `led`: under a leader.
    SetRight { led: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let lead =
        (prop_oneof![3 => 0..20_u64, 1 => 20..400_u64], 0..60_usize, prop::bool::weighted(0.1));
    let lead =
        lead.prop_map(|(seconds, settled, guarded)| Step::Lead { seconds, settled, guarded });
    let edit = (0..ENTRIES.len(), 0..5_u64, any::<bool>());
    prop_oneof![
        12 => lead,
        2 => Just(Step::Fold),
        2 => Just(Step::Retake),
        2 => Just(Step::Restart),
        2 => Just(Step::Checkpoint),
        2 => any::<bool>().prop_map(|restart| Step::RollBack { restart }),
        1 => any::<bool>().prop_map(|restart| Step::Flush { restart }),
        1 => Just(Step::LoseJournal),
        2 => edit.prop_map(|(entry, period, led)| Step::Edit { entry, period, led }),
        1 => (1..100_u64).prop_map(|seconds| Step::SetAhead { seconds }),
        2 => any::<bool>().prop_map(|led| Step::SetRight { led }),
    ]
}

const ENTRIES: [(&str, CatchUp); 3] =
    [("all", CatchUp::All), ("latest", CatchUp::Latest), ("none", CatchUp::None)];

fn is_slow(entry: &Entry) -> bool {
    entry.message.queue.catch_up_rate.is_some()
}

/// The contents of a store.
#[derive(Clone, Default)]
struct Records {
    /// As of the last fold.
    folded: State,
    /// Since then.
    lines: Vec<Line>,
    /// All that was ever recorded.
    history: Vec<Line>,
}

impl Records {
    /// What a leader reads.
    fn read(&self, now: UnixMs) -> State {
        let mut state = State { now, ..self.folded.clone() };
        let mut ahead = Vec::new();
        for line in &self.lines {
            let progress = state.progress.entry((&*line.entry).into()).or_default();
            match line.slot <= now + GRACE {
                true => progress.apply(line),
                false => ahead.push(line),
            }
        }
        state.apply_ahead(ahead);
        if state.is_ahead(GRACE) {
            state.apply_ahead(&self.history);
        }
        state
    }
}

/// The time in which an entry had one period.
#[derive(Clone, Debug)]
struct Epoch {
    since: UnixMs,
    until: UnixMs,
    period: Duration,
}

struct World {
    /// What the right clock shows, and how far the store's is ahead.
    time: UnixMs,
    ahead: Duration,
    periods: [u64; 3],
    shown: [u64; 3],
    records: Records,
    checkpoint: Option<Records>,
    planner: Planner,
    /// Slots whose messages are in the store, by entry.
    sent: BTreeMap<(Arc<str>, UnixMs), Kind>,
    sent_then: BTreeMap<(Arc<str>, UnixMs), Kind>,
    /// All slots that were ever sent.
    ever: BTreeSet<(Arc<str>, UnixMs)>,
    /// Slots that this process sent, whether the store knows them or not.
    ours: BTreeMap<(Arc<str>, UnixMs), Kind>,
    /// Ranges of slots that were counted as not sent.
    counted: Vec<(Arc<str>, UnixMs, UnixMs)>,
    epochs: BTreeMap<Arc<str>, Vec<Epoch>>,
    epochs_then: BTreeMap<Arc<str>, Vec<Epoch>>,
}

impl World {
    fn new() -> World {
        let mut world = World {
            time: NOON,
            ahead: Duration::ZERO,
            periods: [1, 2, 3],
            shown: [0; 3],
            records: Records::default(),
            checkpoint: None,
            planner: at_noon([]),
            sent: BTreeMap::new(),
            sent_then: BTreeMap::new(),
            ever: BTreeSet::new(),
            ours: BTreeMap::new(),
            counted: Vec::new(),
            epochs: BTreeMap::new(),
            epochs_then: BTreeMap::new(),
        };
        world.take_over(false);
        world
    }

    fn now(&self) -> UnixMs {
        self.time + self.ahead
    }

    /// Edits take effect when the clock is right: if a timing is edited while it is ahead, everything among sent
    /// slots may be passed over.
    fn schedule(&mut self) -> Arc<Schedule> {
        if self.ahead.is_zero() {
            self.shown = self.periods;
        }
        let entries = ENTRIES.iter().zip(self.shown).filter(|(_, period)| *period > 0);
        schedule(entries.map(|((name, catch_up), period)| {
            let entry = Entry { catch_up: *catch_up, ..every(name, period) };
            if *catch_up == CatchUp::All { slowly("20/s", entry) } else { entry }
        }))
    }

    fn write_sequence(&mut self) {
        self.records.folded.sequence += 1;
        self.planner.advance(self.records.folded.sequence);
    }

    /// A new sequence number is greater than all before, even after a rollback.
    fn take_over(&mut self, remembers: bool) {
        let state = self.records.read(self.now());
        let schedule = self.schedule();
        let memory = remembers.then_some(&self.planner);
        if !remembers {
            self.ours.clear();
        }
        let takeover = Planner::take_over(schedule, GRACE, &state, memory, &find_zone);
        self.adopt(takeover, &state);
    }

    fn adopt(&mut self, takeover: Takeover, state: &State) {
        let now = self.now();
        for ended in &takeover.ended {
            let known = state.progress.get(&*ended.entry).map_or(NOON, |progress| progress.through);
            let from = self.cursor(&ended.entry).map_or(known, |cursor| cursor.min(known));
            self.counted.push((Arc::clone(&ended.entry), from, now.max(ended.slot)));
            self.record(ended.line());
        }
        for (name, _) in ENTRIES {
            self.open_epoch(&name.into(), &takeover.planner);
        }
        write(&takeover, &mut self.records.folded);
        self.planner = takeover.planner;
        self.write_sequence();
        if takeover.fold_first {
            self.fold();
        }
    }

    /// Notes since when the entry has its period.
    fn open_epoch(&mut self, name: &Arc<str>, planner: &Planner) {
        let now = self.now();
        let live = planner.find(name).map(|(_, entry)| {
            let Timing::Every(interval) = entry.timing else { panic!() };
            (interval.period(), planner.progress_of(name).unwrap())
        });
        // A new timing passes over everything among sent slots.
        let passed = |run: &Run| (Arc::clone(name), run.first - secs(1), run.last);
        let epochs = self.epochs.entry(Arc::clone(name)).or_default();
        let open = epochs.last_mut().filter(|epoch| epoch.until == UnixMs::MAX);
        match (open, live) {
            (Some(open), Some((period, progress))) if open.period == period => {
                open.since = open.since.min(progress.through);
                if epochs.len() > 1 {
                    self.counted.extend(progress.ahead.iter().map(passed));
                }
            }
            (open, live) => {
                open.into_iter().for_each(|open| open.until = now);
                // Slots sent with another timing are not remembered.
                self.ours.retain(|(entry, _), _| entry != name);
                let Some((period, progress)) = live else { return };
                epochs.push(Epoch { since: progress.through, until: UnixMs::MAX, period });
                self.counted.extend(progress.ahead.iter().map(passed));
            }
        }
    }

    fn cursor(&self, entry: &str) -> Option<UnixMs> {
        self.planner.progress_of(entry).map(|progress| progress.through)
    }

    fn record(&mut self, line: Line) {
        self.records.lines.push(line.clone());
        self.records.history.push(line);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Lead { seconds, settled, guarded } => {
                self.time = self.time + secs(seconds);
                self.lead(settled, guarded);
            }
            Step::Fold => {
                let names: Vec<_> = self.records.lines.drain(..).map(|line| line.entry).collect();
                for name in names {
                    if let Some(progress) = self.planner.progress_of(&name) {
                        self.records.folded.progress.insert((&*name).into(), progress);
                    }
                }
                self.write_sequence();
            }
            Step::Retake => self.take_over(true),
            Step::Restart => self.take_over(false),
            Step::Checkpoint => {
                self.checkpoint = Some(self.records.clone());
                self.sent_then = self.sent.clone();
                self.epochs_then = self.epochs.clone();
            }
            Step::RollBack { restart } => {
                let Some(checkpoint) = self.checkpoint.take() else { return };
                let newest = self.planner.sequence();
                let before = ENTRIES.map(|(name, _)| self.cursor(name));
                self.records = checkpoint;
                self.sent = std::mem::take(&mut self.sent_then);
                if restart {
                    // Nobody knows of entries added since.
                    self.epochs = std::mem::take(&mut self.epochs_then);
                }
                self.take_over(!restart);
                // If the store is further than memory, it is believed, because another leader may have written.
                // So it is if it is ahead by less than the grace, although that was repaired before.
                for ((name, _), before) in ENTRIES.into_iter().zip(before) {
                    let (name, now) = (Arc::from(name), self.now());
                    let from = before.unwrap_or(now).min(now);
                    let believed = self.cursor(&name).filter(|cursor| *cursor > from);
                    self.counted.extend(believed.map(|cursor| (name, from, cursor)));
                }
                self.records.folded.sequence = newest;
                self.write_sequence();
            }
            Step::Flush { restart } => {
                let newest = self.planner.sequence();
                self.records = Records::default();
                self.checkpoint = None;
                self.sent.clear();
                if restart {
                    // What was due meanwhile is lost, and nobody knows it.
                    self.epochs.clear();
                }
                self.take_over(!restart);
                self.records.folded.sequence = newest;
                self.write_sequence();
            }
            Step::LoseJournal => {
                self.records.lines.clear();
                self.records.history.clear();
                self.records.folded.completeness = Completeness::Damaged;
                // Slots sent ahead of their time are forgotten for good.
                let time = self.time;
                self.sent.retain(|(_, slot), _| *slot <= time);
                self.take_over(false);
            }
            Step::Edit { entry, period, led } => {
                self.periods[entry] = period;
                if led {
                    self.repair();
                    let state = self.records.read(self.now());
                    let schedule = self.schedule();
                    let takeover = self.planner.replace(schedule, self.now());
                    self.adopt(takeover, &state);
                }
            }
            Step::SetAhead { seconds } => self.ahead = secs(seconds),
            Step::SetRight { led } => {
                self.ahead = Duration::ZERO;
                if led {
                    self.repair();
                }
            }
        }
    }

    fn repair(&mut self) {
        let (now, state) = (self.now(), self.records.read(self.now()));
        let mut planner = std::mem::replace(&mut self.planner, at_noon([]));
        let needs_repair = planner.needs_repair(now);
        let Repair { changes, repaired } = planner.repair(now, &self.records.history);
        assert_eq!(needs_repair, !repaired.is_empty());
        let fold_first = needs_repair;
        self.adopt(Takeover { planner, changes, ended: vec![], repaired, fold_first }, &state);
    }

    fn fold(&mut self) {
        for line in self.records.lines.drain(..) {
            if let Some(progress) = self.planner.progress_of(&line.entry) {
                self.records.folded.progress.insert((&*line.entry).into(), progress);
            }
        }
        self.write_sequence();
    }

    fn lead(&mut self, mut settled: usize, guarded: bool) {
        while settled > 0 {
            let plan = self.planner.plan(self.now(), 50, 7);
            if plan.items.is_empty() {
                let next = self.planner.next_due();
                // Everything due waits for its queue.
                let waits = next.is_some_and(|(due, entry)| due <= self.now() && is_slow(entry));
                assert!(waits || next.is_none_or(|(due, _)| due > self.now()), "{next:?}");
                assert!(
                    plan.wake_at > self.now() && (!waits || plan.wake_at <= self.now() + secs(1))
                );
                return;
            }
            for item in &plan.items {
                self.planner.charge(item);
                self.planner.mark_in_flight(item.entry);
            }
            for (at, item) in plan.items.iter().copied().take(settled).enumerate() {
                let item = if guarded && at % 3 == 2 && item.count() == 1 {
                    item.skipped(SkipReason::StillRunning)
                } else {
                    item
                };
                self.settle(&item);
                settled -= 1;
            }
            plan.items.iter().for_each(|item| self.planner.mark_returned(item.entry));
        }
    }

    fn settle(&mut self, item: &Item) {
        let line = item.line(self.planner.entry(item.entry));
        let (entry, slot) = (Arc::clone(&line.entry), line.slot);
        assert!(slot <= self.now(), "{entry} early at {slot}");
        if let Action::Send(kind) = item.action {
            let key = (Arc::clone(&entry), slot);
            self.ever.insert(key.clone());
            let before = self.sent.insert(key.clone(), kind);
            assert_eq!(before, None, "{entry} twice at {slot}");
            let ours = self.ours.insert(key, kind);
            assert!(ours.is_none() || kind == Kind::Resent, "{entry} unmarked at {slot}");
        } else {
            let from = self.cursor(&entry).unwrap();
            self.counted.push((entry, from, slot));
        }
        self.record(line);
        self.planner.settle(item);
        self.write_sequence();
    }

    /// Lets everything settle, and checks every slot.
    fn check(mut self) {
        self.ahead = Duration::ZERO;
        self.time = self.time + secs(500);
        self.take_over(true);
        let end = self.time;
        while self.planner.next_due().is_some_and(|(due, _)| due <= end) {
            self.lead(usize::MAX, false);
            self.time = self.time + secs(1);
        }
        for (name, epochs) in &self.epochs {
            for Epoch { since, until, period } in epochs {
                let timing = every(name, period.as_secs());
                let mut slot = *since;
                while let Some(next) = timing.next_slot(slot).filter(|s| s <= until && *s <= end) {
                    slot = next;
                    let key = (Arc::clone(name), slot);
                    let is_counted = self.counted.iter().any(|(entry, from, through)| {
                        entry == name && *from < slot && slot <= *through
                    });
                    assert!(is_counted || self.ever.contains(&key), "{name} lost at {slot}");
                }
            }
        }
    }
}

/// Takes these steps, and checks the outcome of every slot.
fn survive(steps: &[Step]) {
    let mut world = World::new();
    steps.iter().for_each(|step| world.take(step));
    world.check();
}

proptest! {
    #[test]
    fn no_slot_is_sent_twice_and_none_is_lost_without_being_counted(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        survive(&steps);
    }
}

#[test]
fn slots_before_those_that_were_lost_ahead_of_time_are_sent_once_the_clock_is_right() {
    survive(&[
        Step::SetAhead { seconds: 16 },
        Step::Flush { restart: true },
        Step::Lead { seconds: 2, settled: 1, guarded: false },
        Step::LoseJournal,
        Step::SetRight { led: true },
    ]);
}

#[test]
fn slots_sent_ahead_of_time_and_lost_are_marked_as_sent_again_however_the_clock_is_put_right() {
    survive(&[
        Step::Checkpoint,
        Step::SetAhead { seconds: 18 },
        Step::Lead { seconds: 4, settled: 19, guarded: false },
        Step::RollBack { restart: false },
        Step::Lead { seconds: 0, settled: 14, guarded: true },
        Step::SetRight { led: true },
        Step::Lead { seconds: 6, settled: 1, guarded: false },
    ]);
}

#[test]
fn slots_sent_by_a_clock_ahead_are_marked_as_sent_again_though_their_leader_began_ahead_of_time() {
    survive(&[
        Step::SetAhead { seconds: 24 },
        Step::LoseJournal,
        Step::Lead { seconds: 1, settled: 1, guarded: false },
        Step::Checkpoint,
        Step::Restart,
        Step::Lead { seconds: 1, settled: 1, guarded: false },
        Step::RollBack { restart: false },
        Step::SetRight { led: false },
        Step::Edit { entry: 1, period: 0, led: false },
        Step::Retake,
    ]);
}

#[test]
fn slots_passed_over_twice_by_a_clock_ahead_are_passed_over_once_it_is_right() {
    survive(&[
        Step::SetAhead { seconds: 23 },
        Step::Lead { seconds: 0, settled: 13, guarded: false },
        Step::SetRight { led: false },
        Step::Flush { restart: false },
        Step::SetAhead { seconds: 16 },
        Step::Lead { seconds: 6, settled: 4, guarded: false },
        Step::SetRight { led: false },
        Step::Edit { entry: 0, period: 0, led: true },
        Step::Lead { seconds: 2, settled: 1, guarded: false },
    ]);
}

#[test]
fn slots_of_an_edit_that_the_store_forgot_are_counted_though_it_was_taken_back_meanwhile() {
    survive(&[
        Step::Lead { seconds: 3, settled: 0, guarded: false },
        Step::Checkpoint,
        Step::Edit { entry: 1, period: 1, led: true },
        Step::Lead { seconds: 2, settled: 0, guarded: false },
        Step::Edit { entry: 1, period: 2, led: false },
        Step::RollBack { restart: false },
    ]);
}

#[test]
fn slots_of_an_entry_that_the_store_forgot_are_counted_though_it_was_removed_meanwhile() {
    survive(&[
        Step::Edit { entry: 1, period: 0, led: true },
        Step::Edit { entry: 1, period: 1, led: false },
        Step::Checkpoint,
        Step::Retake,
        Step::Edit { entry: 1, period: 0, led: false },
        Step::Lead { seconds: 4, settled: 0, guarded: false },
        Step::RollBack { restart: false },
    ]);
}
