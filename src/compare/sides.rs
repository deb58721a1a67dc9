//! What both sides have of one call, paired and judged.

use std::collections::BTreeMap;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::offsets::{Offsets, Place};
use super::{Here, Instant, SAME_WITHIN, Span, There, Verdict, pairing};

/// Both sides of a group.
#[derive(Debug, Default)]
pub(super) struct Both<'a> {
    pub(super) here: Vec<&'a Here>,
    pub(super) there: Vec<&'a There>,
}

impl<'a> Both<'a> {
    pub(super) fn compare(self, span: &Span) -> Vec<Instant> {
        let Both { here, there } = self;
        let (timed, untimed): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|message| message.at.is_some());
        if timed.is_empty() && !untimed.is_empty() {
            return by_number(&here, &untimed, span);
        }
        let mut instants = by_time(&here, &timed, span);
        instants
            .extend(untimed.into_iter().map(|message| alone_there_as(message, Verdict::NotJudged)));
        instants
    }
}

fn by_time(here: &[&Here], there: &[&There], span: &Span) -> Vec<Instant> {
    let (pairs, left) = paired(here, there, span.tolerance);
    let offsets = Offsets::of(&pairs);
    let is_judged = |at: UnixMs| span.judged.contains(&at);
    let or_not = |verdict, place: Place| match place.is_within(&span.judged) {
        true => verdict,
        false => Verdict::NotJudged,
    };
    let pairs = pairs.into_iter().map(|(slot, message)| pair(slot, message, span.tolerance));
    let mut instants: Vec<_> = pairs
        .filter(|pair| pair.here.is_some_and(is_judged) || pair.there.is_some_and(is_judged))
        .collect();
    for slot in left.here.into_iter().filter(|slot| is_judged(slot.at)) {
        let verdict = or_not(Verdict::OnlyHere, offsets.there_of(slot.at));
        instants.push(alone_here_as(slot, verdict));
    }
    for message in left.there {
        let Some(at) = message.at.filter(|at| is_judged(*at)) else { continue };
        let verdict = or_not(Verdict::OnlyThere, offsets.here_of(at));
        instants.push(alone_there_as(message, verdict));
    }
    instants
}

/// Pairs slots and messages of the same entry first, and then the rest by time alone. Also returns what stays
/// unpaired.
fn paired<'a>(
    here: &[&'a Here],
    there: &[&'a There],
    tolerance: Duration,
) -> (Vec<(&'a Here, &'a There)>, Both<'a>) {
    let mut names: BTreeMap<&str, Both<'_>> = BTreeMap::new();
    here.iter().for_each(|slot| names.entry(&slot.entry).or_default().here.push(slot));
    let (mut pairs, mut rest) = (Vec::new(), Both::default());
    for message in there {
        match message.entry.as_deref().and_then(|name| names.get_mut(name)) {
            Some(both) => both.there.push(message),
            None => rest.there.push(message),
        }
    }
    for both in names.into_values() {
        let left = both.pair(tolerance, &mut pairs);
        rest.here.extend(left.here);
        rest.there.extend(left.there);
    }
    let left = rest.pair(tolerance, &mut pairs);
    (pairs, left)
}

impl<'a> Both<'a> {
    /// Adds the pairs of nearest instants, and returns what is left.
    fn pair(mut self, tolerance: Duration, pairs: &mut Vec<(&'a Here, &'a There)>) -> Both<'a> {
        self.here.sort_by_key(|slot| slot.at);
        self.there.sort_by_key(|message| message.at);
        let here: Vec<_> = self.here.iter().map(|slot| slot.at).collect();
        let there: Vec<_> = self.there.iter().filter_map(|message| message.at).collect();
        let found = pairing::nearest(&here, &there, tolerance.min(half_of_step(&here)));
        let (mut left_here, mut left_there) = (vec![true; here.len()], vec![true; there.len()]);
        for (slot, message) in found {
            (left_here[slot], left_there[message]) = (false, false);
            pairs.push((self.here[slot], self.there[message]));
        }
        let mut left_here = left_here.into_iter();
        self.here.retain(|_| left_here.next().unwrap_or(true));
        let mut left_there = left_there.into_iter();
        self.there.retain(|_| left_there.next().unwrap_or(true));
        self
    }
}

/// Half of the shortest time between two slots: beyond it, another slot is nearer. Never less than what counts as the
/// same, because schedulers that wake once a second are late by up to a second.
fn half_of_step(slots: &[UnixMs]) -> Duration {
    let steps = slots.windows(2).map(|pair| pair[1].since(pair[0])).filter(|step| !step.is_zero());
    steps.min().map_or(Duration::MAX, |step| (step / 2).max(SAME_WITHIN))
}

/// Compares only how many there are: the messages carry no time. A difference in number may come from before or
/// after what was recorded, unless there is nothing at all on one side.
fn by_number(here: &[&Here], there: &[&There], span: &Span) -> Vec<Instant> {
    let alone_there = if here.is_empty() { Verdict::OnlyThere } else { Verdict::NotJudged };
    let here: Vec<_> = here.iter().filter(|slot| span.judged.contains(&slot.at)).collect();
    let both = here.len().min(there.len());
    let pairs = here.iter().zip(there).map(|(slot, message)| Instant {
        verdict: Verdict::NoTime,
        ..pair(slot, message, span.tolerance)
    });
    let left_here = here.iter().skip(both).map(|slot| alone_here_as(slot, Verdict::NotJudged));
    let left_there = there.iter().skip(both).map(|message| alone_there_as(message, alone_there));
    pairs.chain(left_here).chain(left_there).collect()
}

fn pair(slot: &Here, message: &There, tolerance: Duration) -> Instant {
    let difference = message.at.map(|at| at.0.saturating_sub(slot.at.0));
    Instant {
        there: message.at,
        verdict: difference.map_or(Verdict::NoTime, |by| Verdict::of(by, tolerance)),
        ..alone_here_as(slot, Verdict::NotJudged)
    }
}

fn alone_here_as(slot: &Here, verdict: Verdict) -> Instant {
    let (entry, task) = (Some(slot.entry.to_string()), slot.task.to_string());
    Instant { entry, task, there: None, here: Some(slot.at), verdict }
}

fn alone_there_as(message: &There, verdict: Verdict) -> Instant {
    let There { entry, at, task, .. } = message;
    Instant { entry: entry.clone(), task: task.clone(), there: *at, here: None, verdict }
}
