//! Redis, on a server of its own whose clock can be set.

use std::sync::Arc;
use std::time::Duration;

use downbeat::store::contract::Store;
use downbeat::store::memory::Damage;
use downbeat::store::redis::RedisStore;
use downbeat::tls::Tls;
use downbeat::worker::{CeleryQueue, Queue, ResultBackend, Worker};
use redis::Commands as _;
use uuid::Uuid;

use super::REFUSING;
use super::troubled::TroubledStore;
use crate::conformance::rig::Rig;
use crate::support::redis::{Options, RedisServer, Snapshot, redis_address};

const TIMEOUT: Duration = Duration::from_secs(5);
/// What is told of short lengths of time is measured by other clocks as well.
const SHORT: Duration = Duration::from_secs(1);

/// A server, in trouble or not.
pub(in crate::conformance) struct Rigged<const TROUBLED: bool> {
    server: RedisServer,
    ahead: Duration,
}

/// A server where one queue is a key of another type.
pub(in crate::conformance) type RedisRig = Rigged<false>;
/// A server in trouble at every step, where one queue is forbidden.
pub(in crate::conformance) type TroubledRig = Rigged<true>;

impl<const TROUBLED: bool> Rigged<TROUBLED> {
    pub(in crate::conformance) fn new() -> Rigged<TROUBLED> {
        let user = ["--user", "store", "on", ">secret", "allkeys", "allchannels", "+@all"];
        let args = user.map(str::to_owned).into();
        let options = Options { settable_clock: true, args, ..Options::default() };
        Rigged { server: RedisServer::start_with(options), ahead: Duration::ZERO }
    }

    fn store(&self) -> RedisStore {
        let mut address = self.server.url();
        if TROUBLED {
            address += "?user=store&pass=secret";
        }
        RedisStore::new(&redis_address(&address), &Tls::default(), "test", TIMEOUT)
    }

    fn run(&self, words: &[&str]) {
        redis::cmd(words[0]).arg(&words[1..]).exec(&mut self.server.connect()).unwrap();
    }

    /// The ids of all records; none where something else is in the journal's place.
    fn records(&self) -> Vec<String> {
        let mut range = redis::cmd("XRANGE");
        range.arg("test:journal").arg("-").arg("+");
        let records: Vec<(String, Vec<String>)> =
            range.query(&mut self.server.connect()).unwrap_or_default();
        records.into_iter().map(|(id, _)| id).collect()
    }
}

/// What differs between a server in trouble and another.
pub(in crate::conformance) trait Kind {
    type Store: Store;

    fn opened(&self) -> Self::Store;
    fn refuse_queue(&self);
    fn take_queue(&self);
}

impl Kind for RedisRig {
    type Store = RedisStore;

    fn opened(&self) -> RedisStore {
        self.store()
    }

    fn refuse_queue(&self) {
        self.run(&["SET", REFUSING, "text"]);
    }

    fn take_queue(&self) {
        self.run(&["DEL", REFUSING]);
    }
}

impl Kind for TroubledRig {
    type Store = TroubledStore;

    fn opened(&self) -> TroubledStore {
        TroubledStore::new(self.store(), self.server.client())
    }

    fn refuse_queue(&self) {
        self.run(&["ACL", "SETUSER", "store", "resetkeys", "~test:*", "~[qs]*", "~r", "~_kombu*"]);
    }

    fn take_queue(&self) {
        self.run(&["ACL", "SETUSER", "store", "allkeys"]);
    }
}

impl<const TROUBLED: bool> Rig for Rigged<TROUBLED>
where
    Rigged<TROUBLED>: Kind,
{
    type Store = <Self as Kind>::Store;
    type Checkpoint = Snapshot;

    fn open(&mut self) -> Self::Store {
        self.opened()
    }

    fn another(&mut self, _: &Self::Store) -> Self::Store {
        self.open()
    }

    fn queue_with_results(&self) -> Arc<Queue> {
        let results = ResultBackend { url: self.server.address(), databases: Some((0, 0)) };
        let settings = CeleryQueue { results: Some(Arc::new(results)), ..CeleryQueue::default() };
        Arc::new(Queue {
            name: "q".into(),
            worker: Worker::Celery(settings),
            amqp: None,
            catch_up_rate: None,
        })
    }

    fn reopen(&mut self, store: Self::Store) -> Self::Store {
        drop(store);
        self.open()
    }

    fn messages(&mut self, queue: &str) -> Vec<String> {
        let mut found: Vec<String> = self.server.connect().lrange(queue, 0, -1).unwrap();
        found.reverse();
        found
    }

    fn take(&mut self, queue: &str) {
        self.run(&["DEL", queue]);
    }

    fn refuse(&mut self) -> &'static str {
        self.refuse_queue();
        REFUSING
    }

    fn stop_refusing(&mut self) -> bool {
        self.take_queue();
        true
    }

    fn damage(&mut self, damage: Damage) -> bool {
        match damage {
            Damage::JournalDeleted => self.run(&["DEL", "test:journal"]),
            Damage::JournalReplaced => self.run(&["SET", "test:journal", "text"]),
            Damage::OldestRecordsDeleted(count) => {
                let records = self.records();
                for id in records.iter().take(count) {
                    self.run(&["XDEL", "test:journal", id]);
                }
            }
            Damage::NewestRecordDeleted => {
                if let Some(id) = self.records().last() {
                    self.run(&["XDEL", "test:journal", id]);
                }
            }
            Damage::HeadDeleted => self.run(&["DEL", "test:head"]),
            Damage::FoldedDeleted => self.run(&["DEL", "test:folded"]),
            Damage::TermDeleted => self.run(&["DEL", "test:term"]),
            Damage::MarkerDeleted => self.run(&["DEL", "test:marker"]),
            Damage::RegistrationsDeleted => self.run(&["DEL", "test:registrations"]),
            Damage::ProgressDeleted => self.run(&["DEL", "test:progress"]),
            Damage::Flushed => self.run(&["FLUSHALL"]),
        }
        true
    }

    fn checkpoint(&mut self) -> Snapshot {
        self.server.snapshot()
    }

    fn roll_back(&mut self, store: Self::Store, checkpoint: &Snapshot) -> Self::Store {
        drop(store);
        self.server.restore(checkpoint);
        self.open()
    }

    async fn pass(&mut self, time: Duration) {
        self.ahead += time;
        self.server.set_clock(i64::try_from(self.ahead.as_millis()).unwrap());
        if time < SHORT {
            tokio::time::sleep(time).await;
        }
    }

    fn set_endless_lease(&mut self, text: &str) -> bool {
        self.run(&["SET", "test:lease", text]);
        true
    }

    fn end_task(&mut self, task_id: Uuid) {
        let key = format!("celery-task-meta-{task_id}");
        self.run(&["SET", &key, r#"{"status": "SUCCESS", "result": null}"#]);
    }
}
