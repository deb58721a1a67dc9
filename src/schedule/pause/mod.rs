//! Pauses: while one is in force, nothing of its entries is sent, and their slots are counted `paused`.
//!
//! A pause is an interval [from, until) by the store's clock. After its end it is kept until every entry that it
//! covers has passed that end, so that a later leader still counts its slots as paused. A slot is paused if its
//! due time is in the interval; while the pause is in force, so are earlier slots that have not been sent.

mod edit;
mod text;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

pub use self::edit::{AT_WRITE, Edit, PauseRequest, at_write, pruned};
pub use self::text::{MAX_BY, MAX_NOTE, MAX_TEXT, read, sanitize_by, sanitize_note, write};
use super::entry::Entry;
use super::progress::{Run, insert_run};

/// The shortest time between two instants.
const INSTANT: Duration = Duration::from_millis(1);
/// The maximum number of pauses kept for one subject; the oldest are joined, with the time between them.
pub const MAX_KEPT: usize = 8;
/// The maximum number of runs of one entry's paused slots: by pauses of all, of the entry and of each of its
/// tags.
const MAX_RUNS: usize = 200;

/// What a pause applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Every entry.
    All,
    /// The entries with this tag.
    Tag(Arc<str>),
    /// One entry.
    Entry(Arc<str>),
}

/// Shows the form that a store keeps: `all`, `tag:NAME` or `entry:NAME`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::All => f.write_str("all"),
            Subject::Tag(name) => write!(f, "tag:{name}"),
            Subject::Entry(name) => write!(f, "entry:{name}"),
        }
    }
}

/// The error for a text that names nothing that can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither `all` nor a tag nor an entry")]
pub struct NotASubject;

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Subject, NotASubject> {
        match text.split_once(':') {
            None if text == "all" => Ok(Subject::All),
            Some(("tag", name)) if !name.is_empty() => Ok(Subject::Tag(name.into())),
            Some(("entry", name)) if !name.is_empty() => Ok(Subject::Entry(name.into())),
            _ => Err(NotASubject),
        }
    }
}

impl Subject {
    /// Whether the pause of this subject covers the entry.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        match self {
            Subject::All => true,
            Subject::Tag(name) => tags(entry).any(|tag| *tag == **name),
            Subject::Entry(name) => entry.name == *name,
        }
    }
}

fn tags(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.about.iter().flat_map(|about| &about.tags).map(|tag| &**tag)
}

/// A pause of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it began, by the store's clock.
    pub from: UnixMs,
    /// When it ends or ended; `None`: when somebody resumes.
    pub until: Option<UnixMs>,
    /// Who paused.
    pub by: Option<Box<str>>,
    /// The reason.
    pub note: Option<Box<str>>,
}

impl Pause {
    /// Whether it has not ended. It began before it was written, whatever the clock shows now.
    #[must_use]
    pub fn is_in_force(&self, now: UnixMs) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Whether it stops a slot that is due at `due` and has not been sent, with `now` on the store's clock.
    #[must_use]
    pub fn stops(&self, due: UnixMs, now: UnixMs) -> bool {
        let ends_after = self.until.is_none_or(|until| until > due);
        ends_after && (self.from <= due || self.is_in_force(now))
    }

    /// The due times up to `through` whose slots it stops.
    fn due(&self, now: UnixMs, through: UnixMs) -> Option<Run> {
        let first = if self.is_in_force(now) { UnixMs::MIN } else { self.from };
        let last = self.until.map_or(through, |until| through.min(until - INSTANT));
        (first <= last).then_some(Run { first, last })
    }
}

/// All pauses of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses(HashMap<Subject, Vec<Pause>>);

impl FromIterator<(Subject, Vec<Pause>)> for Pauses {
    fn from_iter<I: IntoIterator<Item = (Subject, Vec<Pause>)>>(all: I) -> Pauses {
        Pauses(all.into_iter().filter(|(_, pauses)| !pauses.is_empty()).collect())
    }
}

impl Pauses {
    /// Whether there are none, ended ones included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pauses of one subject, in the order in which they began.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> &[Pause] {
        self.0.get(subject).map_or(&[], Vec::as_slice)
    }

    /// The pauses in force, by subject.
    #[must_use]
    pub fn in_force(&self, now: UnixMs) -> Vec<(&Subject, &Pause)> {
        let all = self
            .0
            .iter()
            .flat_map(|(subject, pauses)| pauses.iter().map(move |one| (subject, one)));
        let mut found: Vec<_> = all.filter(|(_, pause)| pause.is_in_force(now)).collect();
        found.sort_by_key(|(subject, _)| *subject);
        found
    }

    /// Every subject with a pause, in force or ended.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.0.keys()
    }

    /// The pauses that cover the entry, its own first.
    pub fn covering<'a>(
        &'a self,
        entry: &'a Entry,
    ) -> impl Iterator<Item = (&'a Subject, &'a Pause)> {
        let tags = tags(entry).map(|tag| Subject::Tag(tag.into()));
        // Usually there are none; then no keys are built for the look-up.
        let subjects = (!self.is_empty()).then(|| {
            [Subject::Entry(Arc::clone(&entry.name))].into_iter().chain(tags).chain([Subject::All])
        });
        let found =
            subjects.into_iter().flatten().filter_map(|subject| self.0.get_key_value(&subject));
        found.flat_map(|(subject, pauses)| pauses.iter().map(move |pause| (subject, pause)))
    }

    /// The pause that stops the entry now; if there are several, the one that ends last.
    #[must_use]
    pub fn pause_of<'a>(
        &'a self,
        entry: &'a Entry,
        now: UnixMs,
    ) -> Option<(&'a Subject, &'a Pause)> {
        let in_force = self.covering(entry).filter(|(_, pause)| pause.is_in_force(now));
        // Among equals, the entry's own.
        in_force.reduce(|last, one| if ends(one.1) > ends(last.1) { one } else { last })
    }

    /// The pause that stops a slot of the entry that has not been sent.
    #[must_use]
    pub fn stop<'a>(&'a self, entry: &'a Entry, slot: UnixMs, now: UnixMs) -> Option<&'a Pause> {
        if self.is_empty() {
            return None;
        }
        let due = entry.due(slot);
        self.covering(entry).map(|(_, pause)| pause).find(|pause| pause.stops(due, now))
    }

    /// What stops slots of the entry later than `after` and due by `through`, with `now` on the store's clock.
    /// The runs are sorted and apart from each other.
    #[must_use]
    pub fn paused(&self, entry: &Entry, after: UnixMs, now: UnixMs, through: UnixMs) -> Paused {
        let (mut runs, mut ends) = (Vec::new(), None::<UnixMs>);
        for (_, pause) in self.covering(entry) {
            if pause.is_in_force(now) {
                ends = ends.max(Some(self::ends(pause)));
            }
            let Some(due) = pause.due(now, through) else { continue };
            let before = match due.first {
                UnixMs::MIN => after,
                first => entry.due_through(after, first - INSTANT).max(after),
            };
            let last = entry.due_through(after, due.last);
            if before < last {
                insert_run(&mut runs, Run { first: before + INSTANT, last }, MAX_RUNS);
            }
        }
        Paused { runs, until: ends.filter(|until| *until <= through) }
    }
}

/// What stops slots of one entry when it is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// Slots that are counted as paused.
    pub runs: Vec<Run>,
    /// Slots due from here on wait until the store's clock shows this time.
    pub until: Option<UnixMs>,
}

/// When it ends.
fn ends(pause: &Pause) -> UnixMs {
    pause.until.unwrap_or(UnixMs::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::delay::Delay;
    use crate::schedule::entry::About;
    use crate::schedule::sample::every;

    fn pause(from: i64, until: Option<i64>) -> Pause {
        Pause { from: UnixMs(from), until: until.map(UnixMs), by: None, note: None }
    }

    fn tagged(name: &str, tags: &[&str]) -> Entry {
        let tags = tags.iter().map(|tag| (*tag).into()).collect();
        Entry { about: About { tags, ..About::default() }.some(), ..every(name, 1) }
    }

    fn of(subject: Subject, pauses: Vec<Pause>) -> Pauses {
        Pauses::from_iter([(subject, pauses)])
    }

    #[test]
    fn subjects_are_read_as_they_are_written() {
        for subject in [
            Subject::All,
            Subject::Tag("night".into()),
            Subject::Entry("a:b".into()),
            Subject::Entry("all".into()),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for text in ["", "ALL", "tag", "tag:", "entry:", "entries:a", "a"] {
            assert_eq!(text.parse::<Subject>(), Err(NotASubject), "{text}");
        }
    }

    #[test]
    fn a_pause_covers_the_entries_of_its_subject() {
        let (one, other) = (tagged("a", &["x", "y"]), tagged("b", &[]));
        for (subject, covers) in [
            (Subject::All, [true, true]),
            (Subject::Tag("y".into()), [true, false]),
            (Subject::Tag("a".into()), [false, false]),
            (Subject::Entry("b".into()), [false, true]),
        ] {
            let pauses = of(subject.clone(), vec![pause(10, None)]);
            for (entry, covers) in [&one, &other].into_iter().zip(covers) {
                assert_eq!(subject.covers(entry), covers, "{subject}");
                assert_eq!(pauses.pause_of(entry, UnixMs(20)).is_some(), covers, "{subject}");
            }
        }
    }

    #[test]
    fn the_slot_at_the_end_goes() {
        let pauses = of(Subject::All, vec![pause(5_000, Some(8_000))]);
        let entry = every("a", 1);
        let stopped = |now: i64| {
            let slots = (1..=10).map(|n| UnixMs(n * 1000));
            let slots = slots.filter(|slot| pauses.stop(&entry, *slot, UnixMs(now)).is_some());
            slots.map(|slot| slot.0 / 1000).collect::<Vec<_>>()
        };
        // While it is in force, earlier slots are stopped as well.
        assert_eq!(stopped(5_000), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(stopped(7_999), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(stopped(8_000), [5, 6, 7]);
        let paused = |now: i64| pauses.paused(&entry, UnixMs(2_000), UnixMs(now), UnixMs(9_000));
        let runs = vec![Run { first: UnixMs(5_000), last: UnixMs(7_999) }];
        assert_eq!(paused(9_000), Paused { runs, until: None });
        // Planned ahead of the store's clock.
        let runs = vec![Run { first: UnixMs(2_001), last: UnixMs(7_999) }];
        assert_eq!(paused(7_500), Paused { runs, until: Some(UnixMs(8_000)) });
    }

    #[test]
    fn the_pause_that_ends_last_is_reported() {
        let entry = tagged("a", &["x"]);
        let own = Subject::Entry("a".into());
        let pauses: Pauses = [
            (own.clone(), vec![pause(1, Some(2)), pause(3, Some(50))]),
            (Subject::Tag("x".into()), vec![pause(4, Some(60))]),
            (Subject::All, vec![pause(5, Some(60))]),
        ]
        .into_iter()
        .collect();
        let told =
            |now: i64| pauses.pause_of(&entry, UnixMs(now)).map(|(subject, _)| subject.clone());
        assert_eq!(told(10), Some(Subject::Tag("x".into())));
        assert_eq!(told(60), None);
        let subjects = |now: i64| {
            let in_force = pauses.in_force(UnixMs(now)).into_iter();
            in_force.map(|(subject, _)| subject.clone()).collect::<Vec<_>>()
        };
        assert_eq!(subjects(10), [Subject::All, Subject::Tag("x".into()), own]);
        assert_eq!(subjects(55), [Subject::All, Subject::Tag("x".into())]);
    }

    proptest! {
        #[test]
        fn runs_are_the_slots_that_are_stopped(
            intervals in prop::collection::vec((0..40_i64, prop::option::of(0..20_i64)), 0..4),
            after in 0..40_i64, now in 0..40_i64, jitter in 0..3_u64,
        ) {
            let pauses = intervals.iter().map(|(from, length)| {
                pause(from * 500, length.map(|length| (from + length) * 500))
            });
            let pauses = of(Subject::All, pauses.collect());
            let mut entry = every("a", 1);
            if jitter > 0 {
                entry.delay = Some(Box::new(Delay::jitter(Duration::from_millis(300 * jitter))));
            }
            let (after, now) = (UnixMs(after * 500), UnixMs(now * 500));
            let runs = pauses.paused(&entry, after, now, now).runs;
            prop_assert!(runs.is_sorted_by(|one, two| one.last < two.first));
            let mut slot = after;
            while let Some(next) = entry.next_slot(slot).filter(|next| entry.due(*next) <= now) {
                let is_stopped = pauses.stop(&entry, next, now).is_some();
                prop_assert_eq!(runs.iter().any(|run| run.contains(next)), is_stopped, "{}", next.0);
                slot = next;
            }
        }
    }
}
