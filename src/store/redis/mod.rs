//! Redis: lists that workers read, and beside them the lease and the progress, so that one script
//! can check, push and record in one step.

mod batch;
mod calls;
mod connect;
mod counted;
mod failure;
mod first_format;
mod history;
mod inspect;
mod keys;
mod lease;
mod link;
mod lock;
mod look;
mod lua;
mod merge;
mod notify;
mod peek;
mod reading;
mod reply;
mod requests;
mod results;
mod scripts;
mod sentinel;
mod store;
mod workers;
mod writing;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::time::Instant;

use self::connect::Connection;
use self::failure::explain;
use self::keys::Keys;
use self::link::Link;
pub use self::lock::{Attempt, Lock};
pub use self::results::Results;
pub use self::store::RedisStore;
pub use self::workers::Asked;
use super::contract::Announcement;
use super::{Batch, Broker, BrokerError, Fence, Note, Outgoing, Parcel, Publish, Reply};
use crate::address::RedisAddress;
use crate::envelope::celery;
use crate::queue::{StreamQueue, Worker};
use crate::schedule::UnixMs;
use crate::schedule::legacy::{Life, LifeChange, State};
use crate::tls::Tls;

/// Changes to lives are written in parts of this size, so that no script holds Redis for long.
const ADOPT_AT_ONCE: usize = 500;

/// How long after a batch the streams that it went to are trimmed, and others with it.
const TRIM_AFTER: Duration = Duration::from_secs(2);

/// The state and the queues of one namespace on one Redis server.
#[derive(Debug)]
pub struct RedisBroker {
    link: Link,
    keys: Keys,
    inspected: bool,
    /// Queues whose bindings were written over the present connection.
    bound: HashSet<Arc<str>>,
    /// When each stream is trimmed next, or was last.
    trims: HashMap<Arc<str>, Instant>,
}

impl RedisBroker {
    /// Connects later, when first asked.
    #[must_use]
    pub fn new(
        address: &RedisAddress,
        tls: &Tls,
        namespace: &str,
        deadline: Duration,
    ) -> RedisBroker {
        RedisBroker {
            link: Link::new(address, tls, deadline),
            keys: Keys::new(namespace),
            inspected: false,
            bound: HashSet::new(),
            trims: HashMap::new(),
        }
    }

    /// Warns of settings of the server, once.
    async fn look_at_settings(&mut self) -> Result<(), BrokerError> {
        if self.inspected {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INFO").ignore_errors();
        // An ACL may forbid INFO; that is not our business.
        let answers: Vec<Value> = self.link.ask(&pipeline).await?;
        if let Some(Ok(info)) = answers.into_iter().next().map(redis::from_redis_value::<String>) {
            for warning in inspect::warnings(&info) {
                tracing::warn!("{warning}");
            }
        }
        self.inspected = true;
        Ok(())
    }

    /// The holder of the lease as `"<term> <holder>"`, and how long it is still good for.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn leader(&mut self) -> Result<Option<(String, Duration)>, BrokerError> {
        let key = self.keys.lease();
        let mut pipeline = Pipeline::new();
        pipeline.atomic().cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let (lease, ttl): (Option<String>, i64) = self.link.ask(&pipeline).await?;
        let ttl = Duration::from_millis(u64::try_from(ttl).unwrap_or(0));
        Ok(lease.map(|lease| (lease, ttl)))
    }

    /// What the replicas say of themselves.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn replicas(&mut self) -> Result<Vec<Announcement>, BrokerError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME").cmd("HGETALL").arg(self.keys.replicas());
        let ((seconds, micros), all): ((u64, u64), Vec<(String, String)>) =
            self.link.ask(&pipeline).await?;
        let now = seconds * 1_000 + micros / 1_000;
        let said = |(replica, text): (String, String)| {
            let (at, said) = text.split_once(' ')?;
            let age = Duration::from_millis(now.checked_sub(at.parse().ok()?)?);
            Some(Announcement { replica, said: said.to_owned(), age })
        };
        Ok(all.into_iter().filter_map(said).collect())
    }
}

impl Broker for RedisBroker {
    async fn read(&mut self) -> Result<State, BrokerError> {
        // Whoever reads everything anew may do so because the old connection is of no use.
        self.link.drop_connection();
        self.bound.clear();
        self.look_at_settings().await?;
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        pipeline.cmd("TIME").cmd("GET").arg(self.keys.sequence());
        pipeline.cmd("EXISTS").arg(self.keys.marker());
        pipeline.cmd("HGETALL").arg(self.keys.lives());
        pipeline.cmd("HGETALL").arg(self.keys.progress());
        pipeline.cmd("HGETALL").arg(self.keys.sent());
        pipeline.cmd("HGETALL").arg(self.keys.intents());
        type Hash = Vec<(String, String)>;
        type Answer = ((i64, i64), Option<u64>, bool, Hash, Hash, Hash, Hash);
        let answer: Answer = self.link.ask(&pipeline).await?;
        let (time, sequence, marked, lives, progress, sent, intents) = answer;
        let slots = |records: Hash| {
            let slot =
                |(name, record): (String, String)| Some((name.into(), recorded_slot(&record)?));
            records.into_iter().filter_map(slot).collect()
        };
        Ok(State {
            now: UnixMs(time.0 * 1000 + time.1 / 1000),
            sequence: sequence.unwrap_or(0),
            marked,
            lives: lives
                .into_iter()
                .filter_map(|(name, text)| Some((name.into(), life(&text)?)))
                .collect(),
            progress: slots(progress),
            intents: slots(intents),
            sent: sent
                .into_iter()
                .filter_map(|(name, count)| Some((name.into(), count.parse().ok()?)))
                .collect(),
        })
    }

    async fn adopt(&mut self, fence: &Fence, changes: &[LifeChange]) -> Result<Reply, BrokerError> {
        let mut fence = fence.clone();
        // Also when nothing changes: the marker is written with the last part.
        let mut rest = changes;
        loop {
            let (part, after) = rest.split_at(rest.len().min(ADOPT_AT_ONCE));
            let call = calls::adopt(&self.keys, &fence, part, after.is_empty());
            let mut pipeline = Pipeline::new();
            pipeline.add_command(call);
            let (answer,): (Value,) = self.link.ask(&pipeline).await?;
            let reply = calls::parse(answer, fence.next)?;
            let Reply::Written { sequence, .. } = reply else { return Ok(reply) };
            if after.is_empty() {
                return Ok(reply);
            }
            (fence, rest) = (Fence::after(&fence.lease, sequence), after);
        }
    }

    fn dispatch(
        &mut self,
        fence: &Fence,
        batch: Batch,
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static {
        let lists = calls::by_list(&batch);
        let (call, next) = (calls::dispatch(&self.keys, fence, &batch, &lists), fence.next);
        let connection = self.link.current();
        self.bind(&batch);
        self.trim(&batch);
        let database = self.link.database();
        async move {
            let mut connection = connection.ok_or_else(lost)?;
            let answer = call.query_async(&mut connection).await;
            let mut reply = calls::parse(answer.map_err(explain)?, next)?;
            if let Reply::Written { exceptions, .. } = &mut reply {
                // The script counts in the order in which it got the items.
                let order: Vec<usize> = lists.into_iter().flat_map(|(_, items)| items).collect();
                exceptions.iter_mut().for_each(|(item, _)| *item = order[*item]);
                let sent = batch
                    .iter()
                    .enumerate()
                    .filter(|(item, _)| !exceptions.iter().any(|(excepted, _)| excepted == item));
                let sent = sent.filter_map(|(_, write)| write.message.as_ref());
                tell(sent, database, connection);
            }
            Ok(reply)
        }
    }

    fn note(
        &mut self,
        fence: &Fence,
        notes: &[Note],
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static {
        let (call, next) = (calls::note(&self.keys, fence, notes), fence.next);
        let connection = self.link.current();
        async move {
            let answer = call.query_async(&mut connection.ok_or_else(lost)?).await;
            calls::parse(answer.map_err(explain)?, next)
        }
    }
}

impl Publish for RedisBroker {
    async fn publish(&mut self, message: Parcel) -> Result<(), BrokerError> {
        let message = message.for_store()?;
        let mut pipeline = Pipeline::new();
        pipeline.add_command(calls::publish(&message.writes));
        let (refusal,): (String,) = self.link.ask(&pipeline).await?;
        if !refusal.is_empty() {
            return Err(BrokerError::Unavailable(refusal));
        }
        if let Some(pipeline) = events([&message].into_iter(), self.link.database()) {
            // Nobody may listen, and a refusal is nobody's trouble.
            let _ = self.link.ask::<Value>(&pipeline).await;
        }
        Ok(())
    }
}

/// What is told of messages that were sent, if anything is.
fn events<'m>(sent: impl Iterator<Item = &'m Outgoing>, database: i64) -> Option<Pipeline> {
    let mut pipeline = Pipeline::new();
    pipeline.ignore_errors();
    for message in sent {
        if let (Some(event), Worker::Celery(settings)) = (&message.event, &message.queue.worker) {
            pipeline.publish(celery::event::channel(settings, database), event);
        }
    }
    (!pipeline.is_empty()).then_some(pipeline)
}

/// Tells of messages that were sent; nothing waits for it.
fn tell<'m>(sent: impl Iterator<Item = &'m Outgoing>, database: i64, mut connection: Connection) {
    if let Some(pipeline) = events(sent, database) {
        tokio::spawn(async move { pipeline.query_async::<Value>(&mut connection).await });
    }
}

impl RedisBroker {
    /// Notes each queue's binding to its exchange, once a connection, as kombu's producer does.
    /// Workers do without, so nothing waits for it, and a refusal is nobody's trouble.
    fn bind(&mut self, batch: &Batch) {
        let mut pipeline = Pipeline::new();
        for queue in batch.iter().filter_map(|write| Some(&write.message.as_ref()?.queue)) {
            let Worker::Celery(settings) = &queue.worker else { continue };
            if self.bound.contains(&queue.name) {
                continue;
            }
            self.bound.insert(Arc::clone(&queue.name));
            for key in celery::binding_keys(&queue.name, settings) {
                pipeline.sadd(key, celery::binding_member(&queue.name, settings)).ignore();
            }
        }
        if let Some(mut connection) = self.link.current().filter(|_| !pipeline.is_empty()) {
            tokio::spawn(async move { pipeline.query_async::<()>(&mut connection).await });
        }
    }

    /// Sees to it that streams do not grow for ever, soon after each batch that went to them. An add
    /// that trims as well takes five times as long; a trim of its own holds Redis for a millisecond.
    fn trim(&mut self, batch: &Batch) {
        for queue in batch.iter().filter_map(|write| Some(&write.message.as_ref()?.queue)) {
            let Worker::Stream(StreamQueue { maxlen: Some(maxlen) }) = queue.worker else {
                continue;
            };
            let now = Instant::now();
            if self.trims.get(&queue.name).is_some_and(|at| *at > now) {
                continue;
            }
            let Some(mut connection) = self.link.current() else { return };
            let (key, at) = (Arc::clone(&queue.name), now + TRIM_AFTER);
            self.trims.insert(Arc::clone(&key), at);
            tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                let mut call = redis::cmd("XTRIM");
                call.arg(&*key).arg("MAXLEN").arg("~").arg(maxlen.get());
                // Each call removes ten thousand entries at the most.
                while let Ok(1..) = call.query_async::<u64>(&mut connection).await {}
            });
        }
    }
}

fn lost() -> BrokerError {
    BrokerError::Unavailable("the connection to redis was lost".to_owned())
}

fn life(text: &str) -> Option<Life> {
    let (since, timing) = text.split_once('\t')?;
    let since = UnixMs(since.parse().ok()?);
    Some(Life { since, timing: (timing != "-").then(|| timing.into()) })
}

fn recorded_slot(record: &str) -> Option<UnixMs> {
    record.split(' ').next()?.parse().ok().map(UnixMs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_and_records_are_read_back() {
        let live = Life { timing: Some("1 every 1000+0".into()), since: UnixMs(5) };
        assert_eq!(life("5\t1 every 1000+0"), Some(live));
        assert_eq!(life("7\t-"), Some(Life { timing: None, since: UnixMs(7) }));
        assert_eq!(life("garbage"), None);
        assert_eq!(recorded_slot("1700000000000 dispatched x"), Some(UnixMs(1_700_000_000_000)));
    }
}
