//! Entries: the checked named items of a schedule, in which nothing can be missing or invalid.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::bounds::Bounds;
use super::delay::Delay;
use super::template::{Facts, Templates};
use super::timing::{self, Timing};
use super::unix_ms::UnixMs;
use super::zone::Zone;
use crate::queue::{Queue, WorkerKind};

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

/// The message that an entry sends: its own arguments, and a call that it may share with other entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// A JSON array, as compact text.
    pub args: Arc<str>,
    /// A JSON object, as compact text.
    pub kwargs: Arc<str>,
    /// The rest. There may be a million messages, and few different calls.
    pub call: Arc<Call>,
}

impl Deref for Message {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

impl DerefMut for Message {
    fn deref_mut(&mut self) -> &mut Call {
        Arc::make_mut(&mut self.call)
    }
}

/// The task to run, on which queue, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The task's registered name.
    pub task: Arc<str>,
    /// The queue that a worker takes it from.
    pub queue: Arc<Queue>,
    /// A JSON object with the user's own headers, as compact text; `None` when there are none.
    pub headers: Option<Arc<str>>,
    /// 0 to 255; the worker kind decides on the meaning.
    pub priority: Option<u8>,
    /// How an AMQP broker routes it, if not by its queue's settings.
    pub route: Option<Box<Route>>,
    /// How long the message may wait for a worker.
    pub expires: Option<Expires>,
    /// Settings of the worker kind; `None` leaves all to the worker.
    pub options: Option<Box<Options>>,
    /// Whether the worker should keep the task's result, unless the options say otherwise.
    pub wants_result: bool,
}

impl Call {
    /// Creates a call with defaults.
    #[must_use]
    pub fn new(task: impl Into<Arc<str>>, queue: Arc<Queue>) -> Call {
        Call {
            task: task.into(),
            queue,
            headers: None,
            priority: None,
            route: None,
            expires: None,
            options: None,
            wants_result: false,
        }
    }
}

/// A message's own route through an AMQP broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The exchange, if not the queue's.
    pub exchange: Option<Box<str>>,
    /// The routing key, if not the queue's.
    pub routing_key: Option<Box<str>>,
}

/// A message's lifetime, counted from the slot's due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// A fixed duration.
    After(Duration),
    /// Until the entry's next slot.
    Next,
}

/// `options:` of an entry, by the kind of worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// On a Celery queue.
    Celery(CeleryOptions),
    /// On an RQ queue.
    Rq(RqOptions),
    /// On a Dramatiq queue.
    Dramatiq(DramatiqOptions),
    /// On a Sidekiq queue.
    Sidekiq(SidekiqOptions),
    /// On a BullMQ queue.
    Bullmq(BullmqOptions),
}

impl Options {
    /// The kind of worker that they are for.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        match self {
            Options::Celery(_) => WorkerKind::Celery,
            Options::Rq(_) => WorkerKind::Rq,
            Options::Dramatiq(_) => WorkerKind::Dramatiq,
            Options::Sidekiq(_) => WorkerKind::Sidekiq,
            Options::Bullmq(_) => WorkerKind::Bullmq,
        }
    }
}

/// `options:` of an entry on an RQ queue. Times are in seconds, -1 is forever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RqOptions {
    /// How long the job may run; `None`: 180 s, RQ's own default.
    pub timeout: Option<i32>,
    /// How long a result is kept; `None`: 500 s.
    pub result_ttl: Option<i32>,
    /// How long a failed job is kept; `None`: a year.
    pub failure_ttl: Option<i32>,
    /// How many times a failed job is retried; `None`: not at all.
    pub retry: Option<u32>,
    /// The wait before each retry; the last one also applies to all further retries.
    pub retry_intervals: Vec<i32>,
    /// The text in dashboards; `None`: the call.
    pub description: Option<Box<str>>,
}

/// `options:` of an entry on a Dramatiq queue; `None`: as the actor says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DramatiqOptions {
    /// How many times a failed message is retried.
    pub max_retries: Option<u32>,
    /// How long the actor may run.
    pub time_limit: Option<Duration>,
    /// The shortest pause before a message is run again.
    pub min_backoff: Option<Duration>,
    /// The longest pause before a message is run again.
    pub max_backoff: Option<Duration>,
}

/// `options:` of an entry on a Sidekiq queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SidekiqOptions {
    /// How many times a failed job is retried; `None`: Sidekiq's default, 25 times.
    pub retry: Option<u32>,
}

/// `options:` of an entry on a BullMQ queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BullmqOptions {
    /// How many times a failing job is attempted in all; `None`: once.
    pub attempts: Option<u32>,
    /// The pause between attempts; `None`: none.
    pub backoff: Option<Backoff>,
    /// Which completed jobs are kept; `None`: not this one.
    pub remove_on_complete: Option<Keep>,
    /// Which failed jobs are kept; `None`: as the worker says, else all.
    pub remove_on_fail: Option<Keep>,
}

/// The pause before a job is attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Whether it doubles each time.
    pub exponential: bool,
    /// The first pause.
    pub delay: Duration,
}

/// Which finished jobs of a queue are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The job is removed.
    Nothing,
    /// The job is kept.
    All,
    /// The newest ones are kept, up to this number.
    Newest(u32),
    /// Those that finished at most this long ago are kept, in whole seconds.
    Younger(Duration),
}

/// `options:` of an entry on a Celery queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CeleryOptions {
    /// Seconds until the worker kills the task.
    pub time_limit: Option<f64>,
    /// Seconds until the task gets `SoftTimeLimitExceeded`.
    pub soft_time_limit: Option<f64>,
    /// Overrides the task's own setting.
    pub ignore_result: Option<bool>,
    /// The name to show instead of the task's.
    pub shadow: Option<Box<str>>,
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
    /// The first slot strictly later than `after`, or `None` if there is none.
    ///
    /// Depends only on the entry and `after`.
    #[must_use]
    pub fn next_slot(&self, after: UnixMs) -> Option<UnixMs> {
        let timing = |after| self.timing.next(&self.zone, after);
        match &self.bounds {
            None => timing(after),
            Some(bounds) => bounds.next(&self.zone, after, timing),
        }
    }

    /// The newest slot that is later than `after` and not later than `until`.
    ///
    /// Costs a few dozen steps at most, however long the time between the two.
    #[must_use]
    pub fn last_slot(&self, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        let Some(bounds) = &self.bounds else {
            return self.timing.last_between(&self.zone, after, until);
        };
        let (after, until) = (bounds.first_after(after), bounds.last_until(until));
        timing::newest_between(|at| self.next_slot(at), after, until)
    }

    /// The number of slots later than `after` and not later than `until`, counted up to `cap`.
    #[must_use]
    pub fn count_slots(&self, after: UnixMs, until: UnixMs, cap: u64) -> u64 {
        match &self.bounds {
            None => self.timing.count_between(&self.zone, after, until, cap),
            Some(_) => timing::count_between(|at| self.next_slot(at), after, until, cap),
        }
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
        let mut canonical = self.timing.canonical(&self.zone);
        if let Some(bounds) = &self.bounds {
            canonical += &bounds.canonical(&self.zone);
        }
        if let Some(limit) = self.guards.limit {
            canonical += &format!(" limit {limit}");
        }
        canonical
    }
}
