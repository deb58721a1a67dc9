//! What every store promises: one suite, run over each. It is generic over a [`Rig`], which creates a
//! store and injects its faults.

mod counting;
mod damage;
mod doubt;
mod folding;
mod history;
mod leases;
mod manual;
mod pausing;
mod random;
mod registering;
mod rig;
mod stores;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use downbeat::schedule::outcome::{Line, Outcome, SkipReason};
use downbeat::schedule::progress::{Progress, State};
use downbeat::schedule::registration::RegistrationChange;
use downbeat::schedule::{Guards, Kind};
use downbeat::store::contract::{
    Acquire, Acquired, Batch, Capabilities, Exception, Fold, FoldedThrough, HistoryQuery,
    INTENT_TTL, Intend, Intent, ManualMessage, ManualNote, ManualStep, Noted, PastEvent,
    PausesMark, Register, Remembered, Reply, Sent, Settle, Settled, Snapshot, Store, Trim, Trimmed,
    Write,
};
use downbeat::store::journal::RecordId;
use downbeat::store::{Fence, Outgoing};
use downbeat::worker::{Push, Queue, Writes};
use downbeat_time::UnixMs;
use uuid::Uuid;

use self::rig::Rig;

/// Longer than any test takes.
const TTL: Duration = Duration::from_secs(600);

/// No slot of a test is further ahead.
const GRACE: Duration = Duration::from_secs(3600);

/// Runs each test over each store.
macro_rules! over_every_store {
    ($($test:ident)+) => {
        mod over_memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::conformance::stores::MemoryRig::new()).await;
            })+
        }
        mod over_redis {
            $(#[tokio::test]
            async fn $test() {
                crate::support::tools::needs!(Redis);
                super::$test(crate::conformance::stores::RedisRig::new()).await;
            })+
        }
        mod over_redis_in_trouble {
            $(#[tokio::test]
            async fn $test() {
                crate::support::tools::needs!(Redis);
                super::$test(crate::conformance::stores::TroubledRig::new()).await;
            })+
        }
        mod over_spool {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::conformance::stores::SpoolRig::new()).await;
            })+
        }
    };
}
use over_every_store;

/// A leader, and what it keeps in mind of its store.
struct Leader<R: Rig> {
    rig: R,
    store: R::Store,
    lease: Arc<str>,
    sequence: u64,
    head: Option<RecordId>,
    /// The pauses that it knows of.
    pauses: PausesMark,
    /// The store's clock at the start: slots are told by the seconds before it.
    start: UnixMs,
}

impl<R: Rig> Leader<R> {
    /// Leads a namespace in which the entries `a`, `b` and `c` are registered.
    async fn start(rig: R) -> Leader<R> {
        let mut leader = Leader::unregistered(rig).await;
        let changes = ["a", "b", "c"].map(|entry| leader.begin(entry, None)).into();
        leader.register(changes, Vec::new()).await.written();
        leader
    }

    /// Leads a namespace that was never used.
    async fn unregistered(mut rig: R) -> Leader<R> {
        let mut store = rig.open();
        let lease = acquire(&mut store, "one").await;
        let Snapshot { now: start, sequence, head, .. } = store.read().await.unwrap();
        let pauses = PausesMark::default();
        Leader { rig, store, lease, sequence, head, pauses, start }
    }

    const CAPABILITIES: Capabilities = <R::Store as Store>::CAPABILITIES;

    /// A slot so many seconds before the start.
    fn slot(&self, seconds_ago: i64) -> UnixMs {
        UnixMs(self.start.0 - seconds_ago * 1000)
    }

    fn fence(&self) -> Fence {
        Fence::after(&self.lease, self.sequence)
    }

    /// Keeps in mind what a reply says.
    fn note(&mut self, reply: Reply) -> Reply {
        if let Reply::Written { sequence, head, .. } = &reply {
            (self.sequence, self.head) = (*sequence, *head);
        }
        reply
    }

    async fn register(
        &mut self,
        changes: Vec<RegistrationChange>,
        ended: Vec<(Arc<str>, Line)>,
    ) -> Reply {
        let request = Register { fence: self.fence(), changes, ended, last: true };
        let reply = self.store.register(request).await.unwrap();
        self.note(reply)
    }

    fn begin(&self, entry: &str, progress: Option<Progress>) -> RegistrationChange {
        let (entry, timing) = (entry.into(), "1 every 1000+0".into());
        RegistrationChange::Begin { entry, timing, since: self.slot(10_000), progress }
    }

    async fn dispatch(&mut self, writes: Vec<Write>) -> Reply {
        let request = Batch { fence: self.fence(), pauses: self.pauses, writes };
        let reply = self.store.dispatch(request).await.unwrap();
        self.note(reply)
    }

    async fn intend(&mut self, slots: Vec<Intent>) -> Reply {
        let request = Intend { fence: self.fence(), pauses: self.pauses, slots };
        let reply = self.store.intend(request).await.unwrap();
        self.note(reply)
    }

    async fn settle(&mut self, slots: Vec<Settled>) -> Reply {
        let request = Settle { fence: self.fence(), slots };
        let reply = self.store.settle(request).await.unwrap();
        self.note(reply)
    }

    async fn fold(&mut self, progress: Vec<(Arc<str>, Progress)>, through: FoldedThrough) -> Reply {
        let request = Fold { fence: self.fence(), progress, through };
        let reply = self.store.fold(request).await.unwrap();
        self.note(reply)
    }

    /// Folds everything that is in the journal.
    async fn fold_all(&mut self) {
        let state = self.state().await;
        let progress = state.progress.iter().map(|(entry, of)| ((&**entry).into(), of.clone()));
        let through = self.head.map_or(FoldedThrough::Unchanged, FoldedThrough::Record);
        self.fold(progress.collect(), through).await.written();
    }

    /// Trims until nothing more is to be dropped; gives how many slots were.
    async fn trim(&mut self, slots: u64, keep: Duration, outcomes: usize) -> u64 {
        let mut dropped = 0;
        loop {
            let request = Trim { lease: Arc::clone(&self.lease), keep, slots, outcomes };
            let Trimmed { slots, more } = self.store.trim(request).await.unwrap();
            dropped += slots;
            if !more {
                return dropped;
            }
        }
    }

    async fn send(&mut self, message: ManualMessage) -> Sent {
        self.store.send(message).await.unwrap()
    }

    /// Notes what becomes of a manual message for a carrier.
    async fn note_manual(&mut self, step: ManualStep, run: (Uuid, u64)) -> Noted {
        let ManualMessage { message, line, run } = self.manual("a", "s", run);
        let note = ManualNote { step, queue: message.queue, line, run };
        self.store.note(note).await.unwrap()
    }

    /// A message that somebody asked for.
    fn manual(&self, entry: &str, queue: &str, run: (Uuid, u64)) -> ManualMessage {
        let slot = self.slot(0);
        let line = Line {
            task_id: Some(Uuid::from_u128(run.0.as_u128() + u128::from(run.1))),
            by: Some("ann@host".into()),
            ..Line::new(entry.into(), slot, Outcome::Dispatched(Kind::Manual))
        };
        ManualMessage { message: message(&queue_of(queue), entry, slot), line, run }
    }

    async fn read(&mut self) -> Snapshot {
        self.store.read().await.unwrap()
    }

    /// What a new leader would find.
    async fn state(&mut self) -> State {
        self.read().await.take_state(GRACE)
    }

    /// How far the entry has come.
    async fn through(&mut self, entry: &str) -> Option<UnixMs> {
        self.state().await.progress.get(entry).map(|progress| progress.through)
    }

    /// Everything in the history.
    async fn history(&mut self) -> Vec<PastEvent> {
        let query = HistoryQuery { limit: 1_000_000, ..HistoryQuery::default() };
        self.store.history(query).await.unwrap().events
    }

    /// How often slots had an outcome, by queue.
    async fn count(&mut self, queue: &str, word: &str) -> u64 {
        let counters = self.store.counters().await.unwrap().0;
        let mut found = counters.iter().filter(|((name, of), _)| **name == *queue && *of == word);
        found.next().map_or(0, |(_, count)| *count)
    }

    /// All that a request can change, to see that one has changed nothing.
    async fn everything(&mut self) -> Everything {
        let Snapshot { sequence, completeness, folded, head, .. } = self.read().await;
        let state = self.state().await;
        let mut registrations: Vec<_> = state.registrations.into_iter().collect();
        registrations.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut progress: Vec<_> = state.progress.into_iter().collect();
        progress.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut intents: Vec<_> = state.intents.into_iter().collect();
        intents.sort();
        let counters = self.store.counters().await.unwrap();
        let history = self.history().await;
        let messages = ["q", "r", "s"].map(|queue| self.rig.messages(queue)).concat();
        Everything(format!(
            "{sequence} {completeness:?} {folded:?} {head:?}\n{registrations:?}\n{progress:?}\n\
             {intents:?}\n{counters:?}\n{history:?}\n{messages:?}"
        ))
    }

    /// Something else writes as this leader would, which does not know of it.
    async fn write_behind(&mut self) {
        let (sequence, head) = (self.sequence, self.head);
        self.dispatch(Vec::new()).await.written();
        (self.sequence, self.head) = (sequence, head);
    }
}

/// A picture of a store.
#[derive(PartialEq, Eq)]
struct Everything(String);

impl std::fmt::Debug for Everything {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

trait Written {
    /// The exceptions of a request that was carried out.
    fn exceptions(self) -> Vec<(usize, Exception)>;

    /// Without any.
    fn written(self);
}

impl Written for Reply {
    #[track_caller]
    fn exceptions(self) -> Vec<(usize, Exception)> {
        match self {
            Reply::Written { exceptions, .. } => exceptions,
            other => panic!("not written: {other:?}"),
        }
    }

    #[track_caller]
    fn written(self) {
        assert_eq!(self.exceptions(), []);
    }
}

async fn acquire(store: &mut impl Store, holder: &str) -> Arc<str> {
    match ask_for_lease(store, holder, TTL).await {
        Acquired::Ours { lease, .. } => lease,
        other => panic!("not acquired: {other:?}"),
    }
}

/// Takes the lease over from a tenure that has not run out.
async fn replace(store: &mut impl Store, tenure: &Arc<str>) -> Arc<str> {
    match ask_to_replace(store, "next", tenure).await {
        Acquired::Ours { lease, .. } => lease,
        other => panic!("not replaced: {other:?}"),
    }
}

async fn ask_to_replace(store: &mut impl Store, holder: &str, tenure: &Arc<str>) -> Acquired {
    let (holder, replaces) = (holder.into(), Some(Arc::clone(tenure)));
    store.acquire(Acquire { holder, ttl: TTL, even_unmarked: true, replaces }).await.unwrap()
}

async fn ask_for_lease(store: &mut impl Store, holder: &str, ttl: Duration) -> Acquired {
    let holder = holder.into();
    store.acquire(Acquire { holder, ttl, even_unmarked: true, replaces: None }).await.unwrap()
}

fn queue_of(name: &str) -> Arc<Queue> {
    Queue::unconfigured(name)
}

/// What a message of the slot looks like in its queue.
fn element(entry: &str, slot: UnixMs) -> String {
    format!("{entry}@{}", slot.0)
}

fn message(queue: &Arc<Queue>, entry: &str, slot: UnixMs) -> Outgoing {
    let (key, element) = (queue.name.to_string(), element(entry, slot).into_bytes());
    let writes = Writes { before: Vec::new(), push: Push::Left, key, element };
    Outgoing { queue: Arc::clone(queue), writes, event: None }
}

fn line(entry: &str, slot: UnixMs, outcome: Outcome) -> Line {
    Line::new(entry.into(), slot, outcome)
}

fn sent(entry: &str, slot: UnixMs) -> Line {
    line(entry, slot, Outcome::Dispatched(Kind::Scheduled))
}

fn skipped(entry: &str, slot: UnixMs, reason: SkipReason) -> Line {
    line(entry, slot, Outcome::Skipped(reason))
}

/// A slot to send.
fn write(entry: &str, slot: UnixMs, queue: &str) -> Write {
    let queue = queue_of(queue);
    let message = Some(message(&queue, entry, slot));
    Write { line: sent(entry, slot), queue, message, guards: Guards::default() }
}

/// A slot to leave out.
fn skip(entry: &str, slot: UnixMs, queue: &str, reason: SkipReason) -> Write {
    let (line, queue) = (skipped(entry, slot, reason), queue_of(queue));
    Write { line, queue, message: None, guards: Guards::default() }
}

fn intent(entry: &str, slot: UnixMs, queue: &str) -> Intent {
    Intent { entry: entry.into(), slot, queue: queue_of(queue), guards: Guards::default() }
}

fn settled(entry: &str, line: Option<Line>, queue: &str) -> Settled {
    let (entry, queue, guards) = (entry.into(), queue_of(queue), Guards::default());
    Settled { entry, queue, line, task_id: Uuid::nil(), guards }
}
