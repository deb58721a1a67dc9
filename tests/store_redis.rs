//! What is specific to the Redis store, with a real Redis.

mod batches;
mod connection;
mod damage;
mod first_format;
mod guards;
mod history;
mod hostile;
mod kinds;
mod leases;
mod pauses;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use downbeat::address::RedisAddress;
use downbeat::schedule::outcome::{Line, Outcome, SkipReason};
use downbeat::schedule::progress::{Completeness, Progress};
use downbeat::schedule::registration::RegistrationChange;
use downbeat::schedule::{Guards, Kind};
use downbeat::store::contract::{
    Acquire, Acquired, BackfillNote, BackfillStep, Batch, Exception, Fold, FoldedThrough,
    HistoryQuery, Intend, Intent, MAX_ANNOUNCEMENT, MAX_COUNTED_QUEUES, MAX_REPLICAS,
    ManualMessage, OTHER_QUEUES, OpenBackfill, PausesMark, Register, Remembered, Reply, Sent,
    Settle, Settled, Snapshot, Store, StoreError, Trim, Write,
};
use downbeat::store::journal::RecordId;
use downbeat::store::redis::RedisStore;
use downbeat::store::{Fence, Outgoing};
use downbeat::tls::Tls;
use downbeat::worker::{Push, Queue, RedisCommand, Writes};
use downbeat_time::UnixMs;
use redis::{Commands as _, Connection};
use uuid::Uuid;

use crate::support::redis::{Options, RedisServer, redis_address};
use crate::support::wait::wall_clock;

const TIMEOUT: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(15);

/// A leader that registered the entries `a` and `b`.
struct Leader {
    server: RedisServer,
    store: RedisStore,
    lease: Arc<str>,
    sequence: u64,
    head: Option<RecordId>,
}

impl Leader {
    async fn start() -> Leader {
        Leader::on(RedisServer::start()).await
    }

    async fn on(server: RedisServer) -> Leader {
        let address = server.address();
        Leader::at(server, &address).await
    }

    /// Reaches the server at another address than its own.
    async fn at(server: RedisServer, address: &RedisAddress) -> Leader {
        let mut store = store_at(address);
        let lease = acquire(&mut store, "one").await;
        let sequence = store.read().await.unwrap().sequence;
        let mut leader = Leader { server, store, lease, sequence, head: None };
        leader.register(vec![begin("a"), begin("b")], true).await;
        leader
    }

    fn redis(&self) -> Connection {
        self.server.connect()
    }

    fn fence(&self) -> Fence {
        Fence::after(&self.lease, self.sequence)
    }

    async fn dispatch(&mut self, writes: Vec<Write>) -> Result<Reply, StoreError> {
        let fence = self.fence();
        let reply =
            self.store.dispatch(Batch { pauses: PausesMark::default(), fence, writes }).await;
        self.note(reply)
    }

    async fn register(&mut self, changes: Vec<RegistrationChange>, last: bool) -> Reply {
        let fence = self.fence();
        let request = Register { fence, changes, ended: Vec::new(), last };
        let reply = self.store.register(request).await;
        self.note(reply).unwrap()
    }

    async fn fold(&mut self, progress: &[(&str, UnixMs)], through: FoldedThrough) -> Reply {
        let fence = self.fence();
        let progress = progress.iter().map(|(entry, slot)| ((*entry).into(), through_slot(*slot)));
        let request = Fold { fence, progress: progress.collect(), through };
        let reply = self.store.fold(request).await;
        self.note(reply).unwrap()
    }

    fn note(&mut self, reply: Result<Reply, StoreError>) -> Result<Reply, StoreError> {
        if let Ok(Reply::Written { sequence, head, .. }) = &reply {
            (self.sequence, self.head) = (*sequence, *head);
        }
        reply
    }

    async fn snapshot(&mut self) -> Snapshot {
        self.store.read().await.unwrap()
    }

    /// What a new leader would find.
    async fn completeness(&mut self) -> Completeness {
        self.snapshot().await.take_state(GRACE).completeness
    }

    /// Everything that the namespace holds but for the sequence.
    fn dump(&self) -> Vec<(String, Vec<u8>)> {
        let mut redis = self.redis();
        let mut keys: Vec<String> = redis.keys("*").unwrap();
        keys.retain(|key| key != "test:sequence");
        keys.sort();
        let dumped = |key: String| {
            let dump = redis::cmd("DUMP").arg(&key).query(&mut redis).unwrap();
            (key, dump)
        };
        keys.into_iter().map(dumped).collect()
    }

    fn queued(&self, queue: &str) -> Vec<String> {
        let items: Vec<String> = self.redis().lrange(queue, 0, -1).unwrap();
        items.into_iter().rev().collect()
    }
}

fn store(server: &RedisServer) -> RedisStore {
    store_at(&server.address())
}

fn store_at(address: &RedisAddress) -> RedisStore {
    RedisStore::new(address, &Tls::default(), "test", TIMEOUT)
}

async fn acquire(store: &mut RedisStore, holder: &str) -> Arc<str> {
    match ask_for_lease(store, holder, TTL).await.unwrap() {
        Acquired::Ours { lease, .. } => lease,
        other => panic!("not acquired: {other:?}"),
    }
}

async fn ask_for_lease(
    store: &mut RedisStore,
    holder: &str,
    ttl: Duration,
) -> Result<Acquired, StoreError> {
    let holder = holder.into();
    store.acquire(Acquire { holder, ttl, even_unmarked: true, replaces: None }).await
}

fn begin(entry: &str) -> RegistrationChange {
    RegistrationChange::Begin {
        entry: entry.into(),
        timing: "1 every 1000+0".into(),
        since: UnixMs(5),
        progress: None,
    }
}

fn through_slot(slot: UnixMs) -> Progress {
    Progress { dispatched: Some(slot), ..Progress::through(slot) }
}

fn command(words: &[&str]) -> RedisCommand {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn sent(entry: &str, slot: UnixMs) -> Line {
    Line::new(entry.into(), slot, Outcome::Dispatched(Kind::Scheduled))
}

/// A slot whose message goes to a list of the queue's name.
fn send(entry: &str, slot: UnixMs, queue: &str) -> Write {
    let element = format!("{entry}@{}", slot.0).into_bytes();
    let writes = Writes { before: Vec::new(), push: Push::Left, key: queue.to_owned(), element };
    let queue = Queue::unconfigured(queue);
    let message = Some(Outgoing { queue: Arc::clone(&queue), writes, event: None });
    Write { line: sent(entry, slot), queue, message, guards: Guards::default() }
}

fn skip(entry: &str, slot: UnixMs, queue: &str) -> Write {
    let outcome = Outcome::Skipped(SkipReason::TooLate);
    let line = Line { outcome, ..sent(entry, slot) };
    Write { line, queue: Queue::unconfigured(queue), message: None, guards: Guards::default() }
}

fn exceptions(reply: Result<Reply, StoreError>) -> Vec<(usize, Exception)> {
    match reply {
        Ok(Reply::Written { exceptions, .. }) => exceptions,
        other => panic!("not written: {other:?}"),
    }
}

fn ago(secs: u64) -> UnixMs {
    wall_clock() - Duration::from_secs(secs)
}
