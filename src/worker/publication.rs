//! A message for an AMQP broker.

use std::fmt;

use uuid::Uuid;

use super::json_writer::JsonWriter;
use super::message::Message;
use super::queue::AmqpQueue;
use super::task::Task;

/// A message for an AMQP broker, always persistent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The exchange's name; the empty default exchange routes to the queue named by the routing key.
    pub exchange: Box<str>,
    /// The routing key.
    pub routing_key: Box<str>,
    /// A JSON object.
    pub headers: Vec<u8>,
    /// 0 to 255, higher is more urgent; only queues with `x-max-priority` use it.
    pub priority: u8,
    /// The task id. There is no `reply_to`: nobody waits for an answer.
    pub correlation_id: Uuid,
    /// The broker drops the message after this many milliseconds.
    pub expiration_ms: Option<u64>,
    /// A JSON text.
    pub body: Vec<u8>,
    /// The event for Celery's event consumers once it is published; see [`event`](super::event).
    pub event: Option<Vec<u8>>,
}

impl Publication {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.headers.len() + self.body.len()
    }

    /// A message without a body.
    pub(super) fn routed(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
        let (exchange, routing_key) = route(task.message, amqp);
        Publication {
            exchange,
            routing_key,
            headers: b"{}".to_vec(),
            priority: task.message.priority.unwrap_or(0),
            correlation_id: task.task_id,
            expiration_ms: None,
            body: Vec::new(),
            event: None,
        }
    }
}

/// Exchange and routing key. The entry's route wins over the queue's; without either, the default
/// exchange routes a message to the queue itself.
pub(super) fn route(message: &Message, amqp: &AmqpQueue) -> (Box<str>, Box<str>) {
    let route = message.route.as_deref();
    let exchange = route.and_then(|route| route.exchange.as_ref()).or(amqp.exchange.as_ref());
    let key = route.and_then(|route| route.routing_key.as_ref()).or(amqp.routing_key.as_ref());
    let key = key.map_or(&*message.queue.name, |key| key);
    (exchange.cloned().unwrap_or_default(), key.into())
}

/// One JSON object that contains headers and body.
impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = JsonWriter::with_capacity(512 + self.headers.len() + self.body.len());
        json.raw(r#"{"exchange":"#).string(&self.exchange);
        json.raw(r#","routing_key":"#).string(&self.routing_key);
        json.raw(r#","properties":{"content_type":"application/json","content_encoding":"utf-8","#);
        json.raw(r#""delivery_mode":2,"priority":"#).display(self.priority);
        json.raw(r#","correlation_id":""#).uuid(self.correlation_id);
        if let Some(left) = self.expiration_ms {
            json.raw(r#"","expiration":""#).display(left);
        }
        json.raw(r#""},"headers":"#).raw(&String::from_utf8_lossy(&self.headers));
        json.raw(r#","body":"#).raw(&String::from_utf8_lossy(&self.body)).raw("}");
        f.write_str(&String::from_utf8_lossy(&json.into_bytes()))
    }
}
