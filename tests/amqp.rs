//! Celery over RabbitMQ, with lease and progress on Redis.

mod carried;
mod faults;
mod paused;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::runtime::Runtime;

use crate::support::downbeat::Place;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::wait::{SOON, eventually};

/// RabbitMQ as an administrator and a worker see it.
struct Client {
    runtime: Runtime,
    _connection: Connection,
    channel: Channel,
}

/// A message that was taken from a queue.
#[derive(Clone, Debug)]
struct Taken {
    entry: String,
    slot_ms: i64,
    kind: String,
    id: String,
    priority: u8,
}

impl Client {
    fn connect(server: &RabbitMq) -> Client {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (connection, channel) = runtime.block_on(async {
            let properties = ConnectionProperties::default();
            let connection = Connection::connect(&server.url(), properties).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            (connection, channel)
        });
        Client { runtime, _connection: connection, channel }
    }

    fn declare(&self, queue: &str) {
        self.declare_with(queue, FieldTable::default());
    }

    fn declare_with(&self, queue: &str, arguments: FieldTable) {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let declared = self.channel.queue_declare(queue.into(), durable, arguments);
        self.runtime.block_on(declared).unwrap();
    }

    /// A topic exchange, with a queue for everything that `pattern` matches.
    fn bind_topic(&self, exchange: &str, pattern: &str, queue: &str) {
        self.declare(queue);
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let (kind, none) = (ExchangeKind::Topic, FieldTable::default);
        let options = QueueBindOptions::default();
        self.runtime.block_on(async {
            self.channel.exchange_declare(exchange.into(), kind, durable, none()).await.unwrap();
            let bound = self.channel.queue_bind(
                queue.into(),
                exchange.into(),
                pattern.into(),
                options,
                none(),
            );
            bound.await.unwrap();
        });
    }

    fn count(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = self.channel.queue_declare(queue.into(), passive, FieldTable::default());
        self.runtime.block_on(found).unwrap().message_count()
    }

    fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions::default());
        let got = self.runtime.block_on(got).unwrap()?;
        self.runtime.block_on(got.ack(BasicAckOptions::default())).unwrap();
        Some(got)
    }

    /// Takes all that is in the queue.
    fn take(&self, queue: &str) -> Vec<Taken> {
        std::iter::from_fn(|| self.get(queue)).map(|message| Taken::read(&message)).collect()
    }

    /// Takes from the queue until there were so many.
    fn wait_for(&self, queue: &str, count: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        eventually(SOON, &format!("{count} messages in {queue}"), || {
            taken.extend(self.take(queue));
            (taken.len() >= count).then_some(())
        });
        taken
    }
}

impl Taken {
    fn read(message: &BasicGetMessage) -> Taken {
        let properties = &message.properties;
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().as_ref().unwrap().inner();
        let header = |name: &str| match &headers[name] {
            AMQPValue::LongString(text) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        let id = header("id");
        assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), id);
        assert_eq!(properties.reply_to(), &None);
        Taken {
            entry: header("downbeat_entry"),
            slot_ms: instant(&header("downbeat_slot")).0,
            kind: header("downbeat_kind"),
            id,
            priority: properties.priority().unwrap(),
        }
    }
}

/// By entry and slot: every message of that slot.
fn by_slot(taken: &[Taken]) -> BTreeMap<(String, i64), Vec<Taken>> {
    let mut slots: BTreeMap<_, Vec<Taken>> = BTreeMap::new();
    for message in taken {
        slots.entry((message.entry.clone(), message.slot_ms)).or_default().push(message.clone());
    }
    slots
}

/// No slot between the first and the last of an entry is missing, and a repeated one is the same
/// task; gives how many were repeated.
fn assert_whole(taken: &[Taken], step_ms: i64) -> usize {
    let slots = by_slot(taken);
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut repeated = 0;
    for ((entry, slot), messages) in &slots {
        if let Some(before) = last.insert(entry, *slot) {
            assert_eq!(slot - before, step_ms, "{entry} has a gap before {slot}");
        }
        assert!(messages.iter().all(|message| message.id == messages[0].id), "{messages:?}");
        repeated += messages.len() - 1;
        assert!(messages[1..].iter().all(|message| message.kind == "resent"), "{messages:?}");
    }
    repeated
}

/// A place for downbeat with everything on RabbitMQ but the state.
fn place(amqp: &str, redis: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", amqp).env("DOWNBEAT_STATE", redis);
    place.env("DOWNBEAT_LEADER_TTL", "1s")
}

/// Writes a service configuration beside the schedules.
fn configure(place: Place, text: &str) -> Place {
    let path = place.path().join("downbeat.yaml");
    fs::write(&path, text).unwrap();
    place.env("DOWNBEAT_CONFIG", path.to_str().unwrap())
}

fn servers() -> (Arc<RabbitMq>, RedisServer) {
    (RabbitMq::shared(), RedisServer::start())
}
