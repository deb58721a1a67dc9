mod edits;
mod limit;
mod memory;
mod pauses;
mod plan;
mod policies;
mod random;
mod repair;
mod zone_rules;

use std::num::NonZeroU32;

use super::*;
use crate::address::Address;
use crate::schedule::Guards;
use crate::schedule::entry::CatchUp;
use crate::schedule::kind::Kind;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::progress::{Completeness, State};
use crate::schedule::registration::Registration;
use crate::schedule::registration::RegistrationChange;
use crate::schedule::sample::{DAY, HOUR, cron, entry, every, find_zone, period, schedule, zone};
use crate::worker::{AmqpQueue, Queue};

const GRACE: Duration = Duration::from_secs(15);
const NOON: UnixMs = UnixMs::from_secs(1_800_014_400);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// This many seconds after noon.
fn at(seconds: u64) -> UnixMs {
    NOON + secs(seconds)
}

fn run(first: u64, last: u64) -> Run {
    Run { first: at(first), last: at(last) }
}

fn take_over(
    entries: impl IntoIterator<Item = Entry>,
    state: &State,
    memory: Option<&Planner>,
) -> Takeover {
    Planner::take_over(schedule(entries), GRACE, state, memory, &find_zone)
}

/// A planner whose entries are all live since `NOON`.
fn at_noon(entries: impl IntoIterator<Item = Entry>) -> Planner {
    let mut planner = take_over(entries, &State { now: NOON, ..State::default() }, None).planner;
    planner.advance(1);
    planner
}

/// The state of a store after this planner's changes are written.
fn state_of(planner: &Planner, now: UnixMs) -> State {
    let mut state = State { now, sequence: planner.sequence(), ..State::default() };
    state.completeness = Completeness::Whole;
    for (entry, track) in planner.schedule.entries.iter().zip(&planner.tracks) {
        if track.is_live() {
            let timing = Some(entry.canonical_timing().into());
            let since = track.known_from;
            state.registrations.insert((&*entry.name).into(), Registration { timing, since });
            let progress = planner.progress_of(&entry.name).unwrap();
            let is_settled = progress.through > since || !progress.ahead.is_empty();
            state.progress.extend(is_settled.then(|| ((&*entry.name).into(), progress)));
        }
    }
    state
}

impl Takeover {
    /// The changes to write.
    fn written(&self) -> Vec<RegistrationChange> {
        let changes = self.changes.iter().cloned();
        changes.map(|change| self.planner.written(change)).collect()
    }
}

/// Writes a takeover to a store, as a leader does.
fn write(takeover: &Takeover, state: &mut State) {
    for change in takeover.written() {
        let name: Box<str> = change.entry().into();
        state.intents.remove(&name);
        match change {
            RegistrationChange::Begin { timing, since, progress, .. } => {
                let timing = Some(timing);
                state.registrations.insert(name.clone(), Registration { timing, since });
                set(state, name, progress);
            }
            RegistrationChange::Retire { at, progress, .. } => {
                let registration = Registration { timing: None, since: at };
                state.registrations.insert(name.clone(), registration);
                set(state, name, progress);
            }
            RegistrationChange::Forget { .. } => {
                state.registrations.remove(&name);
                set(state, name, None);
            }
        }
    }
    state.unreadable.clear();
    state.unreadable_count = 0;
    state.completeness = Completeness::Whole;
}

fn set(state: &mut State, name: Box<str>, progress: Option<Progress>) {
    match progress {
        Some(progress) => drop(state.progress.insert(name, progress)),
        None => drop(state.progress.remove(&name)),
    }
}

/// Plans at `now` and settles everything; each settled item raises the sequence number.
fn settle_all(planner: &mut Planner, now: UnixMs) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    loop {
        let plan = planner.plan(now, 100, 10);
        if plan.items.is_empty() {
            assert!(plan.wake_at > now);
            return done;
        }
        for item in plan.items {
            done.push((item.slot.since(NOON).as_secs(), item.action));
            planner.settle(&item);
            planner.advance(planner.sequence() + 1);
        }
    }
}

/// Plans and settles at each of these seconds.
fn go_through(planner: &mut Planner, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, Action)> {
    seconds.flat_map(|second| settle_all(planner, at(second))).collect()
}

fn send(slot: u64) -> (u64, Action) {
    (slot, Action::Send(Kind::Scheduled))
}

fn caught_up(slot: u64) -> (u64, Action) {
    (slot, Action::Send(Kind::CatchUp))
}

fn resent(slot: u64) -> (u64, Action) {
    (slot, Action::Send(Kind::Resent))
}

fn skip(slot: u64, reason: SkipReason, count: u64) -> (u64, Action) {
    (slot, Action::Skip { reason, count })
}

fn sent(range: std::ops::RangeInclusive<u64>) -> Vec<(u64, Action)> {
    range.map(send).collect()
}

fn all(entry: Entry) -> Entry {
    Entry { catch_up: CatchUp::All, ..entry }
}

/// Name, newest slot, reason and count.
fn ended(takeover: &Takeover) -> Vec<(&str, u64, SkipReason, u64)> {
    let said = |ended: &'_ Ended| (ended.slot.since(NOON).as_secs(), ended.reason, ended.count);
    let ended = takeover.ended.iter().map(|ended| (&*ended.entry, said(ended)));
    ended.map(|(name, (slot, reason, count))| (name, slot, reason, count)).collect()
}

fn repaired(takeover: &Takeover) -> Vec<&str> {
    takeover.repaired.iter().map(|repaired| &*repaired.entry).collect()
}

/// An entry of every minute with this limit.
fn limited(name: &str, limit: u32) -> Entry {
    let guards = Guards { limit: NonZeroU32::new(limit), ..Guards::default() };
    Entry { guards, ..every(name, 60) }
}

/// The entry on a queue with this `catch_up_rate`.
fn slowly(rate: &str, mut entry: Entry) -> Entry {
    let queue = Queue { name: "slow".into(), ..Queue::clone(&entry.message.queue) };
    let catch_up_rate = Some(rate.parse().unwrap());
    entry.message.queue = Queue { catch_up_rate, ..queue }.into();
    entry
}

fn on_amqp(mut entry: Entry) -> Entry {
    let mut queue = Queue::clone(&entry.message.queue);
    let Ok(Address::Amqp(address)) = Address::parse("amqp://localhost") else { panic!() };
    queue.amqp = Some(AmqpQueue::on(address.into()));
    entry.message.queue = queue.into();
    entry
}
