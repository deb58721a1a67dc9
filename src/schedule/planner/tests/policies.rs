//! Random policies of a few entries under one leader: every slot that comes due is planned once, with the
//! outcome that its entry, the clocks and the pauses require.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::schedule::delay::Delay;
use crate::worker::Expires;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// An entry's settings in a schedule file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Policy {
    period: u64,
    jitter_ms: u64,
    catch_up: CatchUp,
    within: u64,
    expires: Option<Expires>,
    limit: Option<NonZeroU32>,
    place: Queues,
}

/// The queue of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Queues {
    Stored,
    Slow,
    Carried,
}

impl Policy {
    fn entry(self, name: &str) -> Entry {
        let guards = Guards { limit: self.limit, ..Guards::default() };
        let within = secs(self.within);
        let mut entry =
            Entry { catch_up: self.catch_up, within, guards, ..every(name, self.period) };
        entry.message.expires = self.expires;
        if self.jitter_ms > 0 {
            entry.delay = Some(Box::new(Delay::jitter(Duration::from_millis(self.jitter_ms))));
        }
        match self.place {
            Queues::Stored => entry,
            Queues::Slow => slowly("5/s", entry),
            Queues::Carried => on_amqp(entry),
        }
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let timing = (prop::sample::select(vec![1, 2, 7, 40]), prop_oneof![Just(0), 0..9_000_u64]);
    let catch_up = prop::sample::select(vec![CatchUp::All, CatchUp::Latest, CatchUp::None]);
    let within = prop::sample::select(vec![16, 60, 3600]);
    let expires = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Expires::Next)),
        1 => (1..60_u64).prop_map(|length| Some(Expires::After(secs(length)))),
    ];
    let limit = prop_oneof![3 => Just(None), 1 => (1..20_u32).prop_map(NonZeroU32::new)];
    let place = prop::sample::select(vec![Queues::Stored, Queues::Slow, Queues::Carried]);
    (timing, catch_up, within, expires, limit, place).prop_map(
        |((period, jitter_ms), catch_up, within, expires, limit, place)| Policy {
            period,
            jitter_ms,
            catch_up,
            within,
            expires,
            limit,
            place,
        },
    )
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait {
        ms: u64,
    },
    SetBack {
        ms: u64,
    },
    /// Due slots are sent.
    Plan {
        max: usize,
        per_entry: usize,
    },
    /// The store has recorded this many slots in flight, and the rest returns.
    Answer {
        recorded: usize,
    },
    /// The outcome of slots with carriers is unknown.
    Uncertain,
    Hold(usize),
    Release(usize),
    /// One entry or all are paused, for this many seconds.
    Pause {
        entry: Option<usize>,
        seconds: Option<u64>,
    },
    Resume,
    /// `None`: the entry is removed.
    Edit {
        entry: usize,
        policy: Option<Policy>,
    },
    /// Everything is read anew; `remembers`: by the previous leader.
    Retake {
        remembers: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![6 => 0..3_000_u64, 3 => 0..16_000_u64, 2 => 15_000..120_000_u64];
    let size = || prop_oneof![1..9_usize, Just(1_000)];
    let entry = || 0..NAMES.len();
    let until = prop::option::of(0..60_u64);
    prop_oneof![
        12 => wait.prop_map(|ms| Step::Wait { ms }),
        1 => (0..15_000_u64).prop_map(|ms| Step::SetBack { ms }),
        14 => (size(), size()).prop_map(|(max, per_entry)| Step::Plan { max, per_entry }),
        14 => size().prop_map(|recorded| Step::Answer { recorded }),
        1 => Just(Step::Uncertain),
        2 => entry().prop_map(Step::Hold),
        3 => entry().prop_map(Step::Release),
        1 => (prop::option::of(entry()), until)
            .prop_map(|(entry, seconds)| Step::Pause { entry, seconds }),
        2 => Just(Step::Resume),
        2 => (entry(), prop::option::of(policy()))
            .prop_map(|(entry, policy)| Step::Edit { entry, policy }),
        1 => any::<bool>().prop_map(|remembers| Step::Retake { remembers }),
    ]
}

/// How a slot was found by those who looked at it.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    on_time: bool,
    missed: bool,
}

/// What is known of a live entry.
#[derive(Clone, Debug, Default)]
struct Account {
    /// Every slot up to here is settled.
    through: UnixMs,
    /// The number of slots sent for this registration.
    sent: u64,
    /// Slots that are due and open.
    seen: BTreeMap<UnixMs, Seen>,
    /// Slots that a carrier may have.
    uncertain: BTreeSet<UnixMs>,
}

struct World {
    now: UnixMs,
    /// The latest time that the clock has shown. It is never behind by more than the grace.
    newest: UnixMs,
    behind: Duration,
    policies: [Option<Policy>; 3],
    planner: Planner,
    /// The store's state, without the progress of slots settled since.
    state: State,
    settled: BTreeSet<Arc<str>>,
    accounts: BTreeMap<Arc<str>, Account>,
    /// The progress of removed entries.
    retired: BTreeMap<Arc<str>, UnixMs>,
    in_flight: Vec<Item>,
    held: BTreeSet<Arc<str>>,
    pauses: BTreeMap<Subject, Vec<Pause>>,
}

fn schedule_of(policies: &[Option<Policy>; 3]) -> Arc<Schedule> {
    let entries = NAMES.iter().zip(policies);
    schedule(entries.filter_map(|(name, policy)| Some(policy.as_ref()?.entry(name))))
}

fn rest(entry: &Entry, after: UnixMs) -> impl Iterator<Item = UnixMs> {
    std::iter::successors(entry.next_slot(after), |slot| entry.next_slot(*slot))
}

impl World {
    fn new(policies: [Option<Policy>; 3], behind_ms: u64) -> World {
        let mut state = State { now: NOON, ..State::default() };
        let schedule = schedule_of(&policies);
        let takeover = Planner::take_over(schedule, GRACE, &state, None, &find_zone);
        write(&takeover, &mut state);
        let planner = takeover.planner;
        let names = planner.schedule().entries.iter().map(|entry| Arc::clone(&entry.name));
        let account = Account { through: NOON, ..Account::default() };
        let accounts = names.map(|name| (name, account.clone())).collect();
        let mut world = World {
            now: NOON,
            newest: NOON,
            behind: Duration::from_millis(behind_ms),
            policies,
            planner,
            state,
            settled: BTreeSet::new(),
            accounts,
            retired: BTreeMap::new(),
            in_flight: Vec::new(),
            held: BTreeSet::new(),
            pauses: BTreeMap::new(),
        };
        world.planner.set_store_behind(world.behind);
        world
    }

    fn store_now(&self) -> UnixMs {
        self.now - self.behind
    }

    fn entries(&self) -> Vec<Entry> {
        self.planner.schedule().entries.clone()
    }

    fn is_stopped(&self, entry: &Entry, slot: UnixMs) -> bool {
        let (due, now) = (entry.due(slot), self.store_now());
        let covering = self.pauses.iter().filter(|(subject, _)| subject.covers(entry));
        covering.flat_map(|(_, pauses)| pauses).any(|pause| pause.stops(due, now))
    }

    /// The slots of the entry that are due and open.
    fn due(&self, entry: &Entry, after: UnixMs) -> Vec<UnixMs> {
        let is_due = |slot: &UnixMs| entry.due(*slot) <= self.now;
        rest(entry, after).take_while(is_due).collect()
    }

    fn is_done(&self, entry: &Entry) -> bool {
        entry.guards.remaining(self.accounts[&entry.name].sent) == 0
    }

    fn look(&mut self) {
        for entry in self.entries() {
            // The clock was set back: slots may be looked at as if for the first time.
            for (slot, seen) in &mut self.accounts.get_mut(&entry.name).unwrap().seen {
                seen.missed |= entry.due(*slot) > self.now;
            }
            for slot in self.due(&entry, self.accounts[&entry.name].through) {
                let account = self.accounts.get_mut(&entry.name).unwrap();
                let seen = account.seen.entry(slot).or_default();
                match self.now.since(entry.due(slot)) <= GRACE {
                    true => seen.on_time = true,
                    false => seen.missed |= !seen.on_time,
                }
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait { ms } => self.now = self.now + Duration::from_millis(ms),
            Step::SetBack { ms } => {
                self.newest = self.newest.max(self.now);
                self.now = (self.now - Duration::from_millis(ms)).max(self.newest - GRACE);
            }
            Step::Plan { max, per_entry } => self.plan(max, per_entry),
            Step::Answer { recorded } => self.answer(recorded),
            Step::Uncertain => self.mark_uncertain(),
            Step::Hold(entry) => self.hold(NAMES[entry], true),
            Step::Release(entry) => self.hold(NAMES[entry], false),
            Step::Pause { entry, seconds } => {
                let subject = entry.map_or(Subject::All, |at| Subject::Entry(NAMES[at].into()));
                let from = self.store_now();
                let until = seconds.map(|seconds| from + secs(seconds));
                let pause = Pause { from, until, by: None, note: None };
                let pauses = self.pauses.entry(subject).or_default();
                // There is one at a time.
                if !pauses.last().is_some_and(|last| last.is_in_force(from)) {
                    pauses.push(pause);
                }
                self.set_pauses();
            }
            Step::Resume => {
                let now = self.store_now();
                for pause in self.pauses.values_mut().flatten() {
                    if pause.is_in_force(now) {
                        pause.until = Some(now);
                    }
                }
                self.set_pauses();
            }
            Step::Edit { entry, policy } => self.edit(entry, policy),
            Step::Retake { remembers } => self.retake(remembers),
        }
    }

    fn set_pauses(&mut self) {
        self.answer(0);
        self.planner.set_pauses(Arc::new(self.pauses.clone().into_iter().collect()));
    }

    fn hold(&mut self, entry: &str, is_held: bool) {
        let Some((_, entry)) = self.planner.find(entry) else { return };
        let queue = Arc::clone(&entry.message.queue.name);
        if is_held {
            self.planner.hold(&queue);
            self.held.insert(queue);
        } else {
            self.planner.release(&queue);
            self.held.remove(&queue);
        }
    }

    fn plan(&mut self, max: usize, per_entry: usize) {
        if !self.in_flight.is_empty() {
            return;
        }
        self.look();
        let plan = self.planner.plan(self.now, max, per_entry);
        assert_eq!(plan, self.planner.plan(self.now, max, per_entry), "planned again");
        let mut accounts = self.accounts.clone();
        for item in &plan.items {
            let entry = self.planner.entry(item.entry);
            let account = accounts.get_mut(&entry.name).unwrap();
            assert!(!self.held.contains(&entry.message.queue.name), "{} is held", entry.name);
            self.check(entry, account, item);
        }
        if max == 1_000 && per_entry == 1_000 {
            self.check_complete(&plan);
        }
        for item in &plan.items {
            self.planner.charge(item);
            self.planner.mark_in_flight(item.entry);
        }
        self.in_flight = plan.items;
    }

    /// Checks that this is the right outcome for the next slots of the entry.
    fn check(&self, entry: &Entry, account: &mut Account, item: &Item) {
        let slots: Vec<_> =
            rest(entry, account.through).take_while(|slot| *slot <= item.slot).collect();
        assert_eq!(slots.last(), Some(&item.slot), "{entry:?}: {item:?}");
        assert_eq!(item.count(), slots.len() as u64, "{entry:?}: {item:?} for {slots:?}");
        for slot in slots {
            let (age, seen) = (self.now.since(entry.due(slot)), account.seen.get(&slot).copied());
            let context = || format!("{slot} is {age:?} old, {seen:?}: {item:?} of {entry:?}");
            let seen = seen.unwrap_or_else(|| panic!("early: {}", context()));
            let is_stopped = self.is_stopped(entry, slot);
            let is_expired = entry.expires_at(slot).is_some_and(|until| until <= self.now);
            let due = self.due(entry, slot);
            let uncertain = account.uncertain.contains(&slot);
            let is_right = match item.action {
                Action::Send(_) if is_stopped || is_expired => false,
                Action::Send(kind) => {
                    account.sent += 1;
                    let window = if entry.catch_up == CatchUp::None && !uncertain {
                        GRACE
                    } else {
                        entry.within
                    };
                    age <= window
                        && account.sent <= entry.guards.remaining(0)
                        && match kind {
                            Kind::Resent => uncertain,
                            Kind::Scheduled => seen.on_time && !uncertain,
                            Kind::CatchUp => {
                                let goes = |slot: &UnixMs| !self.is_stopped(entry, *slot);
                                let is_newest = !due.iter().any(goes);
                                let is_wanted = match entry.catch_up {
                                    CatchUp::All => true,
                                    CatchUp::Latest => is_newest,
                                    CatchUp::None => false,
                                };
                                seen.missed && is_wanted && !uncertain
                            }
                            _ => false,
                        }
                }
                Action::Skip { reason: SkipReason::Paused, .. } => is_stopped,
                Action::Skip { .. } if is_stopped => false,
                Action::Skip { reason, .. } => match reason {
                    SkipReason::Expired => is_expired,
                    SkipReason::TooLate if entry.catch_up == CatchUp::None && !uncertain => {
                        seen.missed || age > GRACE
                    }
                    SkipReason::TooLate => age > entry.within,
                    SkipReason::Superseded => {
                        let is_on_time =
                            |slot: &UnixMs| account.seen.get(slot).is_some_and(|it| it.on_time);
                        let goes =
                            |slot: &UnixMs| is_on_time(slot) || !self.is_stopped(entry, *slot);
                        let is_latest = entry.catch_up == CatchUp::Latest;
                        is_latest && seen.missed && !uncertain && due.iter().any(goes)
                    }
                    _ => false,
                },
            };
            assert!(is_right, "{}", context());
        }
        account.through = item.slot;
    }

    /// Checks that the plan has everything due that may be sent, and that nothing comes due before the next
    /// plan.
    fn check_complete(&self, plan: &Plan) {
        for (index, entry) in (0..).zip(&self.planner.schedule().entries) {
            let account = &self.accounts[&entry.name];
            if self.held.contains(&entry.message.queue.name) || self.is_done(entry) {
                continue;
            }
            let next = rest(entry, account.through).next().unwrap();
            let (due, is_planned) =
                (entry.due(next), plan.items.iter().any(|item| item.entry == index));
            if due > self.now {
                assert!(!is_planned && plan.wake_at <= due, "{plan:?}: {entry:?} is due at {due}");
                continue;
            }
            let is_slow = entry.message.queue.catch_up_rate.is_some() && account.seen[&next].missed;
            // By the store's clock, a pause that ends before may still be in force.
            let is_opening = self.store_now() < due;
            assert!(is_planned || is_slow || is_opening, "{plan:?}: {entry:?} is due at {due}");
            assert!(is_planned || plan.wake_at <= self.now + secs(5), "{plan:?}: {entry:?}");
        }
        assert!(!plan.items.is_empty() || plan.wake_at > self.now, "{plan:?}");
    }

    fn answer(&mut self, recorded: usize) {
        let items = std::mem::take(&mut self.in_flight);
        for item in items.iter().take(recorded) {
            self.planner.settle(item);
            let name = &self.planner.entry(item.entry).name;
            let account = self.accounts.get_mut(name).unwrap();
            self.settled.insert(Arc::clone(name));
            account.through = item.slot;
            account.sent += u64::from(item.is_sent());
            account.seen.retain(|slot, _| *slot > item.slot);
            account.uncertain.retain(|slot| *slot > item.slot);
        }
        items.iter().for_each(|item| self.planner.mark_returned(item.entry));
    }

    fn mark_uncertain(&mut self) {
        let items = std::mem::take(&mut self.in_flight);
        for item in &items {
            let entry = self.planner.entry(item.entry);
            if item.is_sent() && entry.message.queue.amqp.is_some() {
                let account = self.accounts.get_mut(&entry.name).unwrap();
                account.uncertain.insert(item.slot);
                self.planner.mark_uncertain(item.entry, item.slot);
            }
            self.planner.mark_returned(item.entry);
        }
    }

    fn fold(&mut self) {
        for name in std::mem::take(&mut self.settled) {
            if let Some(progress) = self.planner.progress_of(&name) {
                self.state.progress.insert((&*name).into(), progress);
            }
        }
    }

    fn edit(&mut self, entry: usize, policy: Option<Policy>) {
        self.answer(0);
        self.policies[entry] = policy;
        let name: Arc<str> = NAMES[entry].into();
        let new = schedule_of(&self.policies);
        self.fold();
        let takeover = self.planner.replace(Arc::clone(&new), self.now);
        write(&takeover, &mut self.state);
        let old = self.planner.schedule().get(&name).cloned();
        let (old_form, new_form) = (
            old.as_ref().map(Entry::canonical_timing),
            new.get(&name).map(Entry::canonical_timing),
        );
        let mut ended = Vec::new();
        if old_form != new_form {
            if let Some(account) = self.accounts.remove(&name) {
                let old = old.unwrap();
                let open = self.due(&old, account.through);
                let remaining = old.guards.remaining(account.sent);
                let count = (open.len() as u64).min(remaining);
                ended
                    .extend((count > 0).then(|| (Arc::clone(&name), *open.last().unwrap(), count)));
                self.retired.insert(Arc::clone(&name), account.through);
            }
            if new_form.is_some() {
                let through = self.retired.remove(&name).map_or(self.now, |at| at.max(self.now));
                self.accounts.insert(Arc::clone(&name), Account { through, ..Account::default() });
            }
        }
        let counted: Vec<_> = takeover
            .ended
            .iter()
            .map(|it| {
                assert_eq!(it.reason, SkipReason::Retimed);
                (Arc::clone(&it.entry), it.slot, it.count)
            })
            .collect();
        assert_eq!(counted, ended);
        self.planner = takeover.planner;
    }

    fn retake(&mut self, remembers: bool) {
        self.answer(0);
        self.fold();
        (self.state.now, self.state.sequence) = (self.now, self.planner.sequence());
        self.state.intents.clear();
        for (name, account) in &mut self.accounts {
            let uncertain = account.uncertain.last().map(|slot| ((&**name).into(), *slot));
            self.state.intents.extend(uncertain);
            if !remembers {
                account.seen.clear();
            }
        }
        let schedule = Arc::clone(self.planner.schedule());
        let memory = remembers.then_some(&self.planner);
        let takeover = Planner::take_over(schedule, GRACE, &self.state, memory, &find_zone);
        assert_eq!((&takeover.ended, &takeover.repaired), (&vec![], &vec![]));
        write(&takeover, &mut self.state);
        self.planner = takeover.planner;
        self.planner.set_store_behind(self.behind);
        self.set_pauses();
        self.held.iter().for_each(|queue| self.planner.hold(queue));
    }

    /// Lets everything settle.
    fn settle(mut self) {
        self.answer(0);
        for name in NAMES {
            self.hold(name, false);
        }
        self.held.clear();
        self.take(Step::Resume);
        let end = self.now;
        for _ in 0..20_000 {
            self.plan(1_000, 1_000);
            self.answer(usize::MAX);
            let next = self.planner.next_due();
            if next.is_none_or(|(due, _)| due > end) && self.is_settled(end) {
                return;
            }
            self.now = self.now + Duration::from_millis(300);
        }
        panic!("it never comes to rest: {:?}", self.accounts);
    }

    fn is_settled(&self, end: UnixMs) -> bool {
        self.entries().iter().all(|entry| {
            let next = rest(entry, self.accounts[&entry.name].through).next().unwrap();
            self.is_done(entry) || entry.due(next) > end
        })
    }
}

fn survive(policies: [Option<Policy>; 3], behind_ms: u64, steps: &[Step]) {
    let mut world = World::new(policies, behind_ms);
    steps.iter().for_each(|step| world.take(*step));
    world.settle();
}

proptest! {
    #[test]
    fn every_slot_becomes_what_its_entry_the_clocks_and_the_pauses_say(
        policies in prop::array::uniform3(prop::option::weighted(0.8, policy())),
        behind_ms in prop_oneof![Just(0), 0..900_u64],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        survive(policies, behind_ms, &steps);
    }
}
