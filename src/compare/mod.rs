//! Sets what another scheduler sent beside what a shadow run recorded; pure.
//!
//! Messages are matched by task and arguments, and by the entry's name where a message carries one; then each
//! instant with the nearest of the other side. What cannot be known from the times that were seen is not judged.

mod arguments;
mod counts;
mod offsets;
mod pairing;
mod sides;
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
use self::sides::Both;

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
