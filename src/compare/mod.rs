//! Sets what another scheduler sent beside what a shadow run recorded; pure.
//!
//! Messages are matched by task and arguments, and by the entry's name where a message carries one; then each
//! instant with the nearest of the other side. What cannot be known from the times that were seen is not judged.

mod arguments;
mod counts;
mod pairing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

pub use self::arguments::Arguments;
use self::arguments::Calls;
pub use self::counts::Counts;

/// Up to this far apart, two instants are the same: a scheduler that wakes once a second is not late.
pub const SAME_WITHIN: Duration = Duration::from_secs(2);

/// A slot that the shadow run recorded as sent.
#[derive(Clone, Debug)]
pub struct Here {
    /// The entry's name.
    pub entry: Arc<str>,
    /// When it was due.
    pub at: UnixMs,
    /// The task's name.
    pub task: Arc<str>,
    /// Its arguments, as values and as text: the other side may show either.
    pub arguments: Arc<[Arguments; 2]>,
}

/// A message that the other scheduler sent.
#[derive(Clone, Debug)]
pub struct There {
    /// The entry's name, if the message carries it.
    pub entry: Option<String>,
    /// Its producer, if the message says so.
    pub sender: Option<String>,
    /// When it was sent, or is meant to run; `None` if the message does not say.
    pub at: Option<UnixMs>,
    /// The task's name.
    pub task: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct Span {
    /// The instants to judge: both sides are known there. Instants around them only serve as counterparts.
    pub judged: Range<UnixMs>,
    /// How far apart two instants may be and still belong together.
    pub tolerance: Duration,
}

/// How an instant there and one here compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// At most [`SAME_WITHIN`] apart.
    Same,
    /// Sent earlier there.
    Early,
    /// Sent later there.
    Late,
    /// Sent there, and nothing recorded here.
    OnlyThere,
    /// Recorded here, and nothing sent there.
    OnlyHere,
    /// On both sides, but the message carries no time.
    NoTime,
    /// Its counterpart may lie before or after what is known.
    NotJudged,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 7] = [
        Verdict::Same,
        Verdict::Early,
        Verdict::Late,
        Verdict::OnlyThere,
        Verdict::OnlyHere,
        Verdict::NoTime,
        Verdict::NotJudged,
    ];

    /// The word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Early => "early",
            Verdict::Late => "late",
            Verdict::OnlyThere => "only_there",
            Verdict::OnlyHere => "only_here",
            Verdict::NoTime => "no_time",
            Verdict::NotJudged => "not_judged",
        }
    }

    fn of(difference_ms: i64, tolerance: Duration) -> Verdict {
        let is_same =
            Duration::from_millis(difference_ms.unsigned_abs()) <= SAME_WITHIN.min(tolerance);
        match difference_ms {
            _ if is_same => Verdict::Same,
            ..0 => Verdict::Early,
            _ => Verdict::Late,
        }
    }
}

/// One instant, with what is known of it on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// The entry's name; here, if it is known here.
    pub entry: Option<String>,
    /// The task's name.
    pub task: String,
    /// When it was sent there.
    pub there: Option<UnixMs>,
    /// When it was due here.
    pub here: Option<UnixMs>,
    /// How they compare.
    pub verdict: Verdict,
}

impl Instant {
    /// The time there minus the time here, in milliseconds.
    #[must_use]
    pub fn difference_ms(&self) -> Option<i64> {
        Some(self.there?.0.saturating_sub(self.here?.0))
    }

    /// The time to sort by.
    fn at(&self) -> Option<UnixMs> {
        self.here.or(self.there)
    }
}

/// Compares both sides; in the order of the instants, those without a time first.
#[must_use]
pub fn compare(here: &[Here], there: &[There], span: &Span) -> Vec<Instant> {
    let calls = Calls::of(here);
    let mut groups: BTreeMap<Group<'_>, Both<'_>> = BTreeMap::new();
    for slot in here {
        let group = Group::Here(calls.of_slot(slot));
        groups.entry(group).or_default().here.push(slot);
    }
    for message in there {
        let group = match calls.of_message(message) {
            Some(call) => Group::Here(call),
            None => Group::There(&message.task),
        };
        groups.entry(group).or_default().there.push(message);
    }
    let mut instants: Vec<_> = groups.into_values().flat_map(|both| both.compare(span)).collect();
    instants.sort_by(|a, b| (a.at(), &a.entry, &a.task).cmp(&(b.at(), &b.entry, &b.task)));
    instants
}

/// Calls of one task with the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    /// A call that is known here, by its number.
    Here(usize),
    /// A task with arguments that no entry here has.
    There(&'a str),
}

/// Both sides of a group.
#[derive(Debug, Default)]
struct Both<'a> {
    here: Vec<&'a Here>,
    there: Vec<&'a There>,
}

impl<'a> Both<'a> {
    fn compare(self, span: &Span) -> Vec<Instant> {
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
        let found = pairing::nearest(&here, &there, tolerance);
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

/// How far the instants there are from those here, in milliseconds: what is alone would be as far off.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    least: i64,
    most: i64,
}

impl Offsets {
    fn of(pairs: &[(&Here, &There)]) -> Offsets {
        let offset =
            |(slot, message): &(&Here, &There)| Some(message.at?.0.saturating_sub(slot.at.0));
        let offsets = pairs.iter().filter_map(offset);
        let (least, most) = offsets.fold((0, 0), |(least, most), offset| {
            (i64::min(least, offset), i64::max(most, offset))
        });
        Offsets { least, most }
    }

    /// Where the counterpart of an instant here would be.
    fn there_of(self, at: UnixMs) -> Place {
        Place::between(at.0.saturating_add(self.least), at.0.saturating_add(self.most))
    }

    /// Where the counterpart of an instant there would be.
    fn here_of(self, at: UnixMs) -> Place {
        Place::between(at.0.saturating_sub(self.most), at.0.saturating_sub(self.least))
    }
}

/// Where an instant would be.
struct Place {
    first: UnixMs,
    last: UnixMs,
}

impl Place {
    fn between(first: i64, last: i64) -> Place {
        Place { first: UnixMs(first) - SAME_WITHIN, last: UnixMs(last) + SAME_WITHIN }
    }

    fn is_within(&self, known: &Range<UnixMs>) -> bool {
        known.start <= self.first && self.last < known.end
    }
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
