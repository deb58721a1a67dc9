//! Why an instant is only on one side: a closed list of rules, each computed from the entry and the instants of both
//! sides.

use std::time::Duration;

use downbeat_time::{Timing, UnixMs, Zone};
use serde::Serialize;

use crate::import::{Difference, Job};
use crate::schedule::Entry;

/// How close to a change of the clock an instant must be to be explained by it. Schedulers move instants in a skipped
/// or repeated hour by that hour, and some an hour further.
const NEAR_CHANGE: Duration = Duration::from_secs(3 * 3600);
/// After a change by half an hour (Lord Howe), libraries that step through a day in whole hours miss the next midnight
/// and begin that day at 00:30.
const AFTER_HALF_AN_HOUR: Duration = Duration::from_secs(24 * 3600);
/// The sun's position is computed to about a minute.
pub(super) const SUN: Duration = Duration::from_secs(120);

/// From 2038 on, zones of `pytz` keep the offset of this instant, 2037-12-31, for ever.
const LAST_OLD_RULE: UnixMs = UnixMs(2_145_830_400_000);

/// Why an instant is only on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Explanation {
    /// The interval is counted from another instant; the steps are equal.
    Anchor,
    /// The old scheduler sends a job at its start, whatever its schedule says.
    AtStart,
    /// The zone's clock changes within three hours, or changed by half an hour within the day before.
    ClockChange,
    /// The entry has ended, as its difference says.
    Ended,
    /// The old scheduler computes the event for the wrong height of the sun.
    Horizon,
    /// The old scheduler's zones know no clock changes after 2037.
    OldRules,
    /// The interval was rounded.
    Rounded,
    /// The other side has the event of the sun at most two minutes away.
    Sun,
    /// The old scheduler counts the interval on the wall clock, so that a change of the clock moves it.
    WallClock,
}

impl Explanation {
    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Explanation::Anchor => "counted from another instant",
            Explanation::AtStart => "sent at the start",
            Explanation::ClockChange => "at a change of the clock",
            Explanation::Ended => "after the end of the entry",
            Explanation::Horizon => "for the wrong height of the sun",
            Explanation::OldRules => "by rules without clock changes after 2037",
            Explanation::Rounded => "length rounded",
            Explanation::Sun => "within two minutes of the sun's event",
            Explanation::WallClock => "counted on the wall clock",
        }
    }
}

/// Explains the differences of one job.
pub(super) struct Explainer<'a> {
    entry: &'a Entry,
    theirs: &'a [UnixMs],
    ours: &'a [UnixMs],
    /// What explains every difference of the job.
    overall: Option<Explanation>,
    /// The start, if the old scheduler sends the job then, whatever its schedule says.
    sent_at_start: Option<UnixMs>,
}

impl<'a> Explainer<'a> {
    /// `is_wrong_horizon`: the old scheduler says that it computes for the wrong height of the sun.
    pub(super) fn new(
        job: &Job,
        entry: &'a Entry,
        theirs: &'a [UnixMs],
        ours: &'a [UnixMs],
        is_wrong_horizon: bool,
    ) -> Explainer<'a> {
        let is_rounded = job.differences.iter().any(|it| matches!(it, Difference::Rounded(_)));
        let is_anchor_lost = job.differences.contains(&Difference::Anchor);
        let overall = match entry.timing {
            Timing::Every(_) if is_rounded => Some(Explanation::Rounded),
            Timing::Every(_) => moved(entry, theirs, ours, is_anchor_lost),
            _ if is_anchor_lost => moved(entry, theirs, ours, true),
            Timing::Solar(_) if is_wrong_horizon => Some(Explanation::Horizon),
            _ => None,
        };
        let is_sent_at_start = job.differences.contains(&Difference::AtStart);
        let start = entry.bounds.as_ref().and_then(|bounds| bounds.start);
        let sent_at_start =
            start.filter(|start| is_sent_at_start && theirs.binary_search(start).is_ok());
        Explainer { entry, theirs, ours, overall, sent_at_start }
    }

    /// Why this instant is only on one side.
    pub(super) fn explain(&self, at: UnixMs) -> Option<Explanation> {
        let zone = &self.entry.zone;
        let reads_clock = self.entry.timing.reads_wall_clock();
        let end = self.entry.bounds.as_ref().and_then(|bounds| bounds.end);
        if self.overall.is_some() {
            self.overall
        } else if self.is_by_start(at) {
            Some(Explanation::AtStart)
        } else if end.is_some_and(|end| at > end) {
            Some(Explanation::Ended)
        } else if reads_clock && is_near_change(zone, at) {
            Some(Explanation::ClockChange)
        } else if reads_clock && self.is_by_old_rules(at) {
            Some(Explanation::OldRules)
        } else {
            let is_of_sun = matches!(self.entry.timing, Timing::Solar(_));
            (is_of_sun && self.has_neighbour(at)).then_some(Explanation::Sun)
        }
    }

    /// Whether it is the start, or the last slot of a limit in which the old scheduler counts the start.
    fn is_by_start(&self, at: UnixMs) -> bool {
        let is_last = self.entry.guards.limit.is_some() && self.ours.last() == Some(&at);
        self.sent_at_start.is_some_and(|start| at == start || is_last)
    }

    /// Whether the other side has an instant nearby.
    fn has_neighbour(&self, at: UnixMs) -> bool {
        self.other_side(at).iter().any(|other| Duration::from_millis(other.0.abs_diff(at.0)) <= SUN)
    }

    /// Whether the other side has the same reading, on a clock that never changes after 2037.
    fn is_by_old_rules(&self, at: UnixMs) -> bool {
        let zone = &self.entry.zone;
        let ahead = 1000 * i64::from(zone.offset_at(at) - zone.offset_at(LAST_OLD_RULE));
        let is_theirs = self.theirs.binary_search(&at).is_ok();
        let counterpart = UnixMs(if is_theirs { at.0 - ahead } else { at.0 + ahead });
        let is_unknown = self.theirs.last().is_some_and(|last| counterpart > *last);
        let is_there = self.other_side(at).binary_search(&counterpart).is_ok();
        at > LAST_OLD_RULE && ahead != 0 && (is_there || is_unknown)
    }

    fn other_side(&self, at: UnixMs) -> &'a [UnixMs] {
        if self.theirs.binary_search(&at).is_ok() { self.ours } else { self.theirs }
    }
}

fn is_near_change(zone: &Zone, at: UnixMs) -> bool {
    let changed = zone.offset_at(at) - zone.offset_at(at - AFTER_HALF_AN_HOUR);
    zone.offset_at(at - NEAR_CHANGE) != zone.offset_at(at + NEAR_CHANGE) || changed % 3600 != 0
}

/// Why an interval of the same length has other instants on the other side.
fn moved(
    entry: &Entry,
    theirs: &[UnixMs],
    ours: &[UnixMs],
    is_anchored_anew: bool,
) -> Option<Explanation> {
    let zone = &*entry.zone;
    let is_anchored = is_anchored_anew || theirs.first() == ours.first();
    let wall = |at: UnixMs| at.0 + 1000 * i64::from(zone.offset_at(at));
    let has_equal_steps = |time: &dyn Fn(UnixMs) -> i64| {
        let (theirs, ours) = (steps(theirs, time), steps(ours, time));
        theirs.len() <= 1
            && ours.len() <= 1
            && (theirs.is_empty() || ours.is_empty() || theirs == ours)
    };
    let is_equal = has_equal_steps(&|at| at.0);
    let is_equal_on_wall = entry.timing.reads_wall_clock() && has_equal_steps(&wall);
    if is_anchored_anew && (is_equal || is_equal_on_wall) {
        return Some(Explanation::Anchor);
    }
    let is_even = |step: i64| [theirs, ours].iter().all(|list| is_even(list, step, zone));
    let is_moved = is_anchored && !is_equal && calm_step(ours, zone).is_some_and(is_even);
    is_moved.then_some(Explanation::WallClock)
}

/// The distances between neighbours, each once.
fn steps(list: &[UnixMs], time: impl Fn(UnixMs) -> i64) -> Vec<i64> {
    let mut steps: Vec<i64> = list.windows(2).map(|pair| time(pair[1]) - time(pair[0])).collect();
    steps.dedup();
    steps
}

/// The first distance between neighbours in which the clock does not change.
fn calm_step(list: &[UnixMs], zone: &Zone) -> Option<i64> {
    let calm = list.windows(2).find(|pair| change_in(pair, zone) == 0)?;
    Some(calm[1].0 - calm[0].0)
}

/// Whether each step has this length, give or take a change of the clock in it.
fn is_even(list: &[UnixMs], step: i64, zone: &Zone) -> bool {
    let mut pairs = list.windows(2);
    pairs.all(|pair| (pair[1].0 - pair[0].0 - step).abs() <= change_in(pair, zone))
}

/// By how much the clock changes between two instants. A change right before the first counts: it may have moved it.
fn change_in(pair: &[UnixMs], zone: &Zone) -> i64 {
    1000 * i64::from(zone.offset_at(pair[1]) - zone.offset_at(pair[0] - NEAR_CHANGE)).abs()
}
