//! Why an instant is only on one side: a closed list, each computed from the entry and both lists.

use std::time::Duration;

use downbeat_time::{Timing, UnixMs};
use serde::Serialize;

use crate::import::{Difference, Job};
use crate::schedule::Entry;

/// How close to a change of the clock an instant must be to be explained by it. Schedulers move instants of a
/// skipped or repeated hour by that hour, and some look an hour further.
const NEAR_CHANGE: Duration = Duration::from_secs(3 * 3600);
/// The sun's position is computed to about a minute.
pub(super) const SUN: Duration = Duration::from_secs(120);

/// Why an instant is only on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Explanation {
    /// The interval is counted from another instant; the steps are equal.
    Anchor,
    /// The zone's clock is changed within three hours.
    ClockChange,
    /// The interval was rounded.
    Rounded,
    /// The event of the sun is at most two minutes away on the other side.
    Sun,
}

impl Explanation {
    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Explanation::Anchor => "counted from another instant",
            Explanation::ClockChange => "at a change of the clock",
            Explanation::Rounded => "length rounded",
            Explanation::Sun => "within two minutes of the sun's event",
        }
    }
}

/// Explains the differences of one job.
pub(super) struct Explainer<'a> {
    entry: &'a Entry,
    theirs: &'a [UnixMs],
    ours: &'a [UnixMs],
    is_shifted: bool,
    is_rounded: bool,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(
        job: &Job,
        entry: &'a Entry,
        theirs: &'a [UnixMs],
        ours: &'a [UnixMs],
    ) -> Explainer<'a> {
        let is_interval = matches!(entry.timing, Timing::Every(_));
        let steps = |list: &[UnixMs]| {
            let mut steps: Vec<i64> = list.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
            steps.dedup();
            steps
        };
        let is_shifted = is_interval && job.differences.contains(&Difference::Anchor) && {
            let (theirs, ours) = (steps(theirs), steps(ours));
            theirs.len() <= 1
                && ours.len() <= 1
                && (theirs == ours || theirs.is_empty() || ours.is_empty())
        };
        let is_said = job.differences.iter().any(|it| matches!(it, Difference::Rounded(_)));
        let is_rounded = is_interval && is_said;
        Explainer { entry, theirs, ours, is_shifted, is_rounded }
    }

    /// Why this instant is only on one side.
    pub(super) fn explain(&self, at: UnixMs) -> Option<Explanation> {
        if self.is_shifted {
            return Some(Explanation::Anchor);
        }
        if self.is_rounded {
            return Some(Explanation::Rounded);
        }
        let zone = &self.entry.zone;
        if self.entry.timing.reads_wall_clock()
            && zone.offset_at(at - NEAR_CHANGE) != zone.offset_at(at + NEAR_CHANGE)
        {
            return Some(Explanation::ClockChange);
        }
        let is_of_sun = matches!(self.entry.timing, Timing::Solar(_));
        (is_of_sun && self.has_neighbour(at)).then_some(Explanation::Sun)
    }

    /// Whether the other side has an instant nearby.
    fn has_neighbour(&self, at: UnixMs) -> bool {
        let other = if self.theirs.binary_search(&at).is_ok() { self.ours } else { self.theirs };
        other.iter().any(|other| Duration::from_millis(other.0.abs_diff(at.0)) <= SUN)
    }
}
