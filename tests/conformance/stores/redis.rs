//! Redis, on a server of its own whose clock can be set.

use std::sync::Arc;
use std::time::Duration;

use downbeat::queue::{CeleryQueue, Queue, ResultBackend, Worker};
use downbeat::store::memory::Damage;
use downbeat::store::redis::RedisStore;
use downbeat::tls::Tls;
use redis::Commands as _;
use uuid::Uuid;

use super::REFUSING;
use crate::conformance::rig::Rig;
use crate::support::redis::{Options, RedisServer, Snapshot};

const TIMEOUT: Duration = Duration::from_secs(5);
/// What is told of short lengths of time is measured by other clocks as well.
const SHORT: Duration = Duration::from_secs(1);

/// A server.
pub(in crate::conformance) struct RedisRig {
    server: RedisServer,
    ahead: Duration,
}

impl RedisRig {
    pub(in crate::conformance) fn new() -> RedisRig {
        let options = Options { settable_clock: true, ..Options::default() };
        RedisRig { server: RedisServer::start_with(options), ahead: Duration::ZERO }
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

impl Rig for RedisRig {
    type Store = RedisStore;
    type Checkpoint = Snapshot;

    fn open(&mut self) -> RedisStore {
        RedisStore::new(&self.server.address(), &Tls::default(), "test", TIMEOUT)
    }

    fn another(&mut self, _: &RedisStore) -> RedisStore {
        self.open()
    }

    fn queue_with_results(&self) -> Arc<Queue> {
        let results = ResultBackend { url: self.server.address(), databases: Some((0, 0)) };
        let settings = CeleryQueue { results: Some(Arc::new(results)), ..CeleryQueue::default() };
        Arc::new(Queue { name: "q".into(), worker: Worker::Celery(settings), amqp: None })
    }

    fn reopen(&mut self, store: RedisStore) -> RedisStore {
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
        self.run(&["SET", REFUSING, "text"]);
        REFUSING
    }

    fn stop_refusing(&mut self) -> bool {
        self.run(&["DEL", REFUSING]);
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

    fn roll_back(&mut self, store: RedisStore, checkpoint: &Snapshot) -> RedisStore {
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
