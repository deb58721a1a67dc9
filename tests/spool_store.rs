//! What is specific to the spool store: its files, whatever a crash or another user does to them.

mod first_format;
mod history;
mod records;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use downbeat::schedule::outcome::{Line, Outcome, SkipReason};
use downbeat::schedule::progress::{Progress, State};
use downbeat::schedule::registration::RegistrationChange;
use downbeat::schedule::{Guards, Kind};
use downbeat::store::contract::{
    Acquire, Acquired, Batch, HistoryQuery, ManualMessage, PastEvent, PausesMark, Register, Reply,
    Sent, Store, StoreError, Trim, Write,
};
use downbeat::store::spool::{SpoolError, SpoolStore};
use downbeat::store::{Fence, Outgoing};
use downbeat::worker::{Push, Queue, Writes};
use downbeat_time::UnixMs;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::spool::{files, open_released, try_open_released};
use crate::support::wait::wall_clock;

const GRACE: Duration = Duration::from_secs(60);
/// The first slot of a test.
const START: UnixMs = UnixMs(1_750_000_000_000);

/// A spool, and what its leader keeps in mind.
struct Bench {
    folder: TempDir,
    store: Option<SpoolStore>,
    lease: Arc<str>,
    sequence: u64,
}

impl Bench {
    /// Nobody has it open.
    fn new() -> Bench {
        let folder = tempfile::Builder::new().prefix("spool").tempdir().unwrap();
        Bench { folder, store: None, lease: "".into(), sequence: 0 }
    }

    async fn open_new() -> Bench {
        let mut bench = Bench::new();
        bench.open().await;
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_open(&self) -> Result<SpoolStore, SpoolError> {
        SpoolStore::open(self.folder.path(), "test")
    }

    /// Why it cannot be opened.
    fn refusal(&self) -> SpoolError {
        try_open_released(|| self.try_open()).map(drop).unwrap_err()
    }

    /// Opens it and leads.
    async fn open(&mut self) {
        let store = open_released(|| self.try_open());
        let store = self.store.insert(store);
        let request =
            Acquire { holder: "sole".into(), ttl: GRACE, even_unmarked: false, replaces: None };
        let Acquired::Ours { lease, .. } = store.acquire(request).await.unwrap() else {
            panic!("whoever has it open leads");
        };
        (self.lease, self.sequence) = (lease, store.read().await.unwrap().sequence);
    }

    /// Ends the process, and gives a path in what it leaves.
    fn close(&mut self) {
        self.store = None;
    }

    async fn reopen(&mut self) {
        self.close();
        self.open().await;
    }

    fn store(&mut self) -> &mut SpoolStore {
        self.store.as_mut().unwrap()
    }

    fn fence(&self) -> Fence {
        Fence::after(&self.lease, self.sequence)
    }

    fn note(&mut self, reply: Result<Reply, StoreError>) -> Result<Reply, StoreError> {
        if let Ok(Reply::Written { sequence, .. }) = reply {
            self.sequence = sequence;
        }
        reply
    }

    async fn try_dispatch(&mut self, writes: Vec<Write>) -> Result<Reply, StoreError> {
        let request = Batch { pauses: PausesMark::default(), fence: self.fence(), writes };
        let reply = self.store().dispatch(request).await;
        self.note(reply)
    }

    async fn dispatch(&mut self, writes: Vec<Write>) {
        let reply = self.try_dispatch(writes).await.unwrap();
        assert!(matches!(&reply, Reply::Written { exceptions, .. } if exceptions.is_empty()));
    }

    async fn register(&mut self, changes: Vec<RegistrationChange>) {
        let fence = self.fence();
        let request = Register { fence, changes, ended: Vec::new(), last: true };
        let reply = self.store().register(request).await;
        let reply = self.note(reply);
        assert!(matches!(reply, Ok(Reply::Written { .. })), "{reply:?}");
    }

    async fn send(&mut self, place: u64) -> Result<Sent, StoreError> {
        let line = Line {
            task_id: Some(Uuid::from_u128(place.into())),
            ..Line::new("a".into(), START, Outcome::Dispatched(Kind::Manual))
        };
        let message = message(&Queue::unconfigured("q"), "manual", START);
        self.store().send(ManualMessage { message, line, run: (Uuid::nil(), place) }).await
    }

    async fn state(&mut self) -> State {
        self.store().read().await.unwrap().take_state(GRACE)
    }

    async fn history(&mut self) -> Vec<PastEvent> {
        let query = HistoryQuery { limit: 1_000_000, ..HistoryQuery::default() };
        self.store().history(query).await.unwrap().events
    }

    /// The slots in the history.
    async fn slots(&mut self) -> Vec<i64> {
        let history = self.history().await;
        history.iter().map(|event| (event.line.slot.0 - START.0) / 1000).collect()
    }

    /// The messages in the queue.
    fn queued(&self) -> Vec<String> {
        let folder = self.path("queue");
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        files(&folder).into_iter().map(read).collect()
    }

    /// Puts the newest message of the queue back into the stage, as if it had not been renamed yet.
    fn unmove_newest(&self) {
        let name = files(&self.path("queue")).pop().unwrap();
        fs::rename(self.path("queue").join(&name), self.path("stage").join(&name)).unwrap();
    }
}

fn slot(second: i64) -> UnixMs {
    UnixMs(START.0 + second * 1000)
}

fn message(queue: &Arc<Queue>, entry: &str, slot: UnixMs) -> Outgoing {
    let element = format!("{entry}@{}", slot.0).into_bytes();
    let writes = Writes { before: Vec::new(), push: Push::Left, key: "q".to_owned(), element };
    Outgoing { queue: Arc::clone(queue), writes, event: None }
}

fn write(entry: &str, second: i64) -> Write {
    let (queue, slot) = (Queue::unconfigured("q"), slot(second));
    let line = Line::new(entry.into(), slot, Outcome::Dispatched(Kind::Scheduled));
    let message = Some(message(&queue, entry, slot));
    Write { line, queue, message, guards: Guards::default() }
}

fn text(entry: &str, second: i64) -> String {
    format!("{entry}@{}", slot(second).0)
}

fn begin(entry: &str) -> RegistrationChange {
    let (entry, timing) = (entry.into(), "1 every 1000+0".into());
    RegistrationChange::Begin { entry, timing, since: UnixMs(5), progress: None }
}

#[tokio::test]
async fn one_process_at_a_time_has_a_spool() {
    let mut bench = Bench::open_new().await;
    assert!(matches!(bench.try_open(), Err(SpoolError::Locked(path)) if path == bench.path("")));
    let other = bench.store().clone();
    bench.close();
    assert!(bench.try_open().is_err(), "another handle still has it");
    drop(other);
    bench.open().await;
}

#[tokio::test]
async fn nothing_is_written_once_the_lock_is_not_ours_any_more() {
    for replace in [false, true] {
        let mut bench = Bench::open_new().await;
        bench.register(vec![begin("a")]).await;
        bench.dispatch(vec![write("a", 1)]).await;
        let records = fs::read(bench.path("records")).unwrap();
        fs::remove_file(bench.path("lock")).unwrap();
        if replace {
            fs::write(bench.path("lock"), "").unwrap();
        }
        let what = if replace { "was replaced" } else { "was deleted" };
        let lease = Arc::clone(&bench.lease);
        for result in [
            bench.try_dispatch(vec![write("a", 2)]).await.map(drop),
            bench.send(1).await.map(drop),
            bench.store().renew(lease, GRACE).await.map(drop),
            bench.store().read().await.map(drop),
        ] {
            let Err(StoreError::Unusable(text)) = result else { panic!("{result:?}") };
            assert!(text.contains(what) && text.contains("nothing more is written"), "{text}");
        }
        assert_eq!(fs::read(bench.path("records")).unwrap(), records);
        assert_eq!((bench.queued(), files(&bench.path("stage"))), (vec![text("a", 1)], vec![]));
        // Another process can have it now, and goes on where this one stopped.
        drop(open_released(|| bench.try_open()));
        bench.reopen().await;
        bench.dispatch(vec![write("a", 2)]).await;
        assert_eq!(bench.queued().len(), 2);
    }
}

#[tokio::test]
async fn what_a_crash_leaves_in_the_stage_goes_if_it_is_recorded_and_only_then() {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a")]).await;
    bench.dispatch(vec![write("a", 1), write("b", 1)]).await;
    bench.close();
    // Killed between two renames.
    bench.unmove_newest();
    // Staged and not recorded: by its name, not by what is in it.
    let name = format!("{:021}_{}.q.msg", 1, Uuid::from_u128(1));
    fs::write(bench.path("stage").join(&name), text("a", 1)).unwrap();
    let strange = bench.path("stage/notes.txt");
    fs::write(&strange, "not ours").unwrap();
    bench.open().await;
    assert_eq!(bench.queued(), [text("a", 1), text("b", 1)]);
    assert_eq!(fs::read_dir(bench.path("stage")).unwrap().count(), 1, "what is not ours stays");
    // Later writes do not speak of it any more.
    bench.dispatch(vec![write("a", 2)]).await;
    bench.reopen().await;
    assert_eq!(bench.queued().len(), 3);
}

#[tokio::test]
async fn a_manual_message_is_sent_once_whatever_a_crash_left() {
    let mut bench = Bench::open_new().await;
    assert_eq!(bench.send(1).await, Ok(Sent::Now));
    bench.close();
    bench.unmove_newest();
    bench.open().await;
    assert_eq!(bench.queued().len(), 1);
    assert_eq!(bench.send(1).await, Ok(Sent::Already));
    bench.reopen().await;
    assert_eq!(bench.send(1).await, Ok(Sent::Already));
    assert_eq!((bench.queued().len(), bench.history().await.len()), (1, 1));
}

#[tokio::test]
async fn what_is_recorded_and_cannot_be_moved_is_moved_later_once() {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a")]).await;
    let (queue, aside) = (bench.path("queue"), bench.path("aside"));
    fs::rename(&queue, &aside).unwrap();
    let reply = bench.try_dispatch(vec![write("a", 1), write("b", 1)]).await;
    assert!(matches!(reply, Err(StoreError::Unanswered(_))), "it is recorded: {reply:?}");
    let reply = bench.try_dispatch(vec![write("a", 2)]).await;
    assert!(matches!(reply, Err(StoreError::Unavailable(_))), "nothing was done: {reply:?}");
    fs::rename(&aside, &queue).unwrap();
    assert_eq!(bench.try_dispatch(vec![write("a", 2)]).await, Ok(Reply::Stale));
    assert_eq!(bench.queued(), [text("a", 1), text("b", 1)]);
    let state = bench.state().await;
    assert_eq!(state.progress["a"].through, slot(1));
    bench.sequence = state.sequence;
    bench.dispatch(vec![write("a", 2)]).await;
    bench.reopen().await;
    assert_eq!(bench.queued(), [text("a", 1), text("b", 1), text("a", 2)]);
}

#[tokio::test]
async fn what_cannot_be_staged_is_refused_and_leaves_nothing() {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a")]).await;
    let (stage, aside) = (bench.path("stage"), bench.path("aside"));
    fs::rename(&stage, &aside).unwrap();
    let reply = bench.try_dispatch(vec![write("a", 1)]).await.unwrap();
    assert!(matches!(&reply, Reply::Written { exceptions, .. } if exceptions.len() == 1));
    fs::rename(&aside, &stage).unwrap();
    assert_eq!((bench.queued().len(), bench.history().await.len()), (0, 0));
    bench.dispatch(vec![write("a", 1)]).await;
    assert_eq!(bench.queued(), [text("a", 1)]);
}

#[tokio::test]
async fn a_spool_is_read_without_being_held() {
    let mut bench = Bench::open_new().await;
    bench.register(vec![begin("a")]).await;
    bench.dispatch(vec![write("a", 1)]).await;
    let folder = bench.folder.path();
    let mut snapshot = SpoolStore::peek(folder, "test", wall_clock()).unwrap();
    assert_eq!(snapshot.take_state(GRACE).progress["a"].through, slot(1));
    assert!(snapshot.now >= UnixMs(wall_clock().0 - 60_000));
    let counters = SpoolStore::peek_counters(folder, "test").unwrap();
    assert_eq!(counters.0[&("q".into(), "scheduled")], 1);
    let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
    assert_eq!(SpoolStore::peek_history(folder, &query).unwrap().events.len(), 1);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(SpoolStore::peek(nothing.path(), "test", wall_clock()).unwrap().sequence, 0);
    assert!(SpoolStore::peek_history(nothing.path(), &query).unwrap().events.is_empty());
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0, "looking makes nothing");
}
