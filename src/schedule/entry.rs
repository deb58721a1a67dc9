//! Entries: the checked named items of a schedule, in which nothing can be missing or invalid.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Bounds, ClockChange, Origin, Slots, Timing, UnixMs, Zone};
use uuid::Uuid;

use super::delay::Delay;
use super::template::{Facts, Templates};
use crate::worker::{self, Expires, Message, Unsendable};

/// A named item of a schedule: when to send which task to which queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Unique over all schedule files; the identity under which progress is kept.
    pub name: Arc<str>,
    /// Which instants are slots.
    pub timing: Timing,
    /// The zone whose clock `timing` reads.
    pub zone: Arc<Zone>,
    /// The bounds of `timing`; `None`: it has none.
    pub bounds: Option<Box<Bounds>>,
    /// The delay of its messages; `None`: they are due at the slot.
    pub delay: Option<Box<Delay>>,
    /// What is sent, with templates as they are written.
    pub message: Message,
    /// The templates in `message`; `None` when there are none.
    pub templates: Option<Box<Templates>>,
    /// What to do with missed slots.
    pub catch_up: CatchUp,
    /// How long after its due time a slot may still be sent.
    pub within: Duration,
    /// `false`: shown in listings, never sent.
    pub enabled: bool,
    /// Notes for people.
    pub about: Option<Box<About>>,
    /// Conditions for a due slot to be sent.
    pub guards: Guards,
}

// There may be a million of them.
const _: () = assert!(size_of::<Entry>() <= 160);

/// Conditions that the broker checks in the step in which it publishes and records a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// The maximum number of dispatched slots of one registration; then the entry is done.
    pub limit: Option<NonZeroU32>,
    /// A slot is skipped while the queue has this many messages or more, of all priorities.
    pub max_queued: Option<NonZeroU32>,
    /// A slot is skipped while the last dispatched slot's task runs, as far as its workers report, until this
    /// many milliseconds after it was sent; `None`: tasks may overlap.
    pub overlap: Option<NonZeroU32>,
}

impl Guards {
    /// The number of slots left for a registration that has dispatched `sent`; `MAX` without a limit.
    #[must_use]
    pub fn remaining(self, sent: u64) -> u64 {
        self.limit.map_or(u64::MAX, |limit| u64::from(limit.get()).saturating_sub(sent))
    }

    /// Accepts guards whose conditions can be known for this message.
    ///
    /// # Errors
    /// The first one that cannot.
    pub fn validate(self, message: &Message) -> Result<(), Unsendable> {
        if self.max_queued.is_some() {
            worker::counts_waiting(&message.queue)?;
        }
        if self.overlap.is_some() {
            worker::records_end(message)?;
        }
        Ok(())
    }
}

/// The parts of the schedule file that are for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Free text.
    pub description: Option<Box<str>>,
    /// Labels to select entries by.
    pub tags: Vec<Box<str>>,
    /// For a crontab line with hashes, the line that it stands for.
    pub resolved: Option<Box<str>>,
}

impl About {
    /// Boxes it, if it is not empty.
    pub(crate) fn some(self) -> Option<Box<About>> {
        (self != About::default()).then(|| Box::new(self))
    }
}

/// What to do with missed slots: those older than the grace when they are first planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Only the newest due slot is sent.
    #[default]
    Latest,
    /// Every slot is sent, in order.
    All,
    /// None is sent.
    None,
}

/// All checked entries of the loaded files, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Sorted by name, names unique.
    pub entries: Vec<Entry>,
    /// Changes exactly when the content of the files does; equal on replicas with equal files.
    pub hash: Uuid,
}

impl Schedule {
    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| (*entry.name).cmp(name));
        found.ok().map(|index| &self.entries[index])
    }
}

/// The shortest time between two slots.
const INSTANT: Duration = Duration::from_millis(1);

/// The entry's slots, for everything that plans, lists or counts them.
impl Entry {
    fn slots(&self) -> Slots<'_> {
        Slots::new(&self.timing, &self.zone, self.bounds.as_deref())
    }

    /// The first slot strictly later than `after`, or `None` if there is none.
    ///
    /// Depends only on the entry and `after`.
    #[must_use]
    pub fn next_slot(&self, after: UnixMs) -> Option<UnixMs> {
        self.slots().next(after)
    }

    /// Whether the instant is a slot.
    #[must_use]
    pub fn is_slot(&self, at: UnixMs) -> bool {
        self.next_slot(at - INSTANT) == Some(at)
    }

    /// The newest slot that is later than `after` and not later than `until`.
    ///
    /// Costs a few dozen steps at most, however long the time between the two.
    #[must_use]
    pub fn last_slot(&self, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        self.slots().last_between(after, until)
    }

    /// The number of slots later than `after` and not later than `until`, counted up to `cap`.
    #[must_use]
    pub fn count_slots(&self, after: UnixMs, until: UnixMs, cap: u64) -> u64 {
        self.slots().count_between(after, until, cap)
    }

    /// When the message of `slot` is due: at the slot or up to the jitter later, and always before the next
    /// slot.
    #[must_use]
    pub fn due(&self, slot: UnixMs) -> UnixMs {
        match &self.delay {
            None => slot,
            Some(delay) => delay.due(&self.name, slot, self.next_slot(slot)),
        }
    }

    /// An instant that separates slots by due time: of the slots later than `after`, those up to it are due by
    /// `now`, and later ones are not.
    #[must_use]
    pub fn due_through(&self, after: UnixMs, now: UnixMs) -> UnixMs {
        if self.delay.is_none() {
            return now;
        }
        // Messages are due before the next slot, so only the newest slot may not be due yet.
        match self.last_slot(after, now) {
            Some(newest) if self.due(newest) > now => newest - INSTANT,
            _ => now,
        }
    }

    /// The last slot strictly earlier than `slot`, or `None` if there is none.
    #[must_use]
    pub fn previous_slot(&self, slot: UnixMs) -> Option<UnixMs> {
        self.last_slot(UnixMs::MIN, slot - INSTANT)
    }

    /// What the slot stands for: the date and time of day that the timing names, and the slot before it was moved.
    #[must_use]
    pub fn origin(&self, slot: UnixMs) -> Origin {
        self.slots().origin(slot)
    }

    /// The slot before it was moved to another day, if it was.
    #[must_use]
    pub fn moved_from(&self, slot: UnixMs) -> Option<UnixMs> {
        self.bounds.as_ref().filter(|bounds| bounds.move_to.is_some())?;
        Some(self.origin(slot).nominal.at).filter(|nominal| *nominal != slot)
    }

    /// The first of the timing's own slots later than `after` and not later than `until` that is left out for good.
    /// Looks at `cap` slots at most.
    #[must_use]
    pub fn first_lost(&self, after: UnixMs, until: UnixMs, cap: usize) -> Option<UnixMs> {
        self.slots().first_lost(after, until, cap)
    }

    /// The clock change that affects the slot, if any.
    #[must_use]
    pub fn clock_change(&self, slot: UnixMs) -> Option<ClockChange> {
        ClockChange::at(&self.timing, &self.zone, slot)
    }

    /// The message of `slot`, with templates filled in.
    #[must_use]
    pub fn message_of(&self, slot: UnixMs, task_id: Uuid) -> Cow<'_, Message> {
        match &self.templates {
            None => Cow::Borrowed(&self.message),
            Some(templates) => {
                let facts = Facts::new(self, slot, task_id);
                Cow::Owned(templates.fill(&self.message, &facts))
            }
        }
    }

    /// When a message of `slot` expires; `None`: never.
    #[must_use]
    pub fn expires_at(&self, slot: UnixMs) -> Option<UnixMs> {
        match self.message.expires? {
            Expires::After(length) => Some(self.due(slot) + length),
            Expires::Next => self.next_slot(slot),
        }
    }

    /// The timing in canonical form, with a version: the same for all ways of writing it. Neither the layout of
    /// a file nor new zone rules change it, and equal forms have equal slots.
    #[must_use]
    pub fn canonical_timing(&self) -> String {
        let mut canonical = self.slots().canonical();
        if let Some(limit) = self.guards.limit {
            canonical += &format!(" limit {limit}");
        }
        canonical
    }
}
