//! Renders a due slot as the bytes that a worker takes, with one file per kind of worker. Pure: nothing
//! here reads a clock or draws a random number. Whatever differs between pushes is part of the
//! [`Task`], so equal tasks render to equal bytes.

pub mod answer;
mod bullmq;
pub mod celery;
mod dramatiq;
mod json;
pub mod peek;
mod pickle;
mod place;
mod plain;
mod python_repr;
mod rq;
#[cfg(test)]
mod sample;
mod sidekiq;
mod unpickle;

use std::fmt;

use uuid::Uuid;

use crate::escape::is_hidden;
use crate::queue::{AmqpQueue, Queue, Worker};

pub use self::place::{Misplaced, check_place};
pub use crate::schedule::Kind;
use crate::schedule::{Guards, Message, UnixMs};

/// A message to render, with everything that determines its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The entry of the slot.
    pub entry_name: &'a str,
    /// The entry's message, with its templates filled in.
    pub message: &'a Message,
    /// The same for every push of a slot.
    pub task_id: Uuid,
    /// The nominal instant, without jitter.
    pub slot: UnixMs,
    /// Why it is sent.
    pub kind: Kind,
    /// The instant after which workers drop the message; `None` means never.
    pub expires_at: Option<UnixMs>,
    /// When this push happens. Only durations in the envelope are counted from it.
    pub now: UnixMs,
    /// The sender: `downbeat@<host>`.
    pub origin: &'a str,
    /// What must differ in every push.
    pub fresh: Fresh,
}

/// Random numbers of one push, drawn again when a slot is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Distinguishes this push in the worker's record of unacknowledged messages.
    pub delivery_tag: Uuid,
    /// The W3C trace that the task starts; never 0.
    pub trace_id: u128,
    /// The root span of that trace; never 0.
    pub span_id: u64,
}

impl Fresh {
    /// Draws the numbers of one push.
    ///
    /// `rng` must have been seeded from the operating system (as `fastrand::Rng::new` does), or
    /// two replicas may draw the same tags.
    #[must_use]
    pub fn draw(rng: &mut fastrand::Rng) -> Fresh {
        let tag = rng.u128(..).to_be_bytes();
        Fresh {
            delivery_tag: uuid::Builder::from_random_bytes(tag).into_uuid(),
            trace_id: rng.u128(1..),
            span_id: rng.u64(1..),
        }
    }
}

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
    /// The event for Celery's event consumers once it is published; see [`event`].
    pub event: Option<Vec<u8>>,
}

impl Publication {
    /// A message without a body.
    fn routed(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
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
fn route(message: &Message, amqp: &AmqpQueue) -> (Box<str>, Box<str>) {
    let route = message.route.as_deref();
    let exchange = route.and_then(|route| route.exchange.as_ref()).or(amqp.exchange.as_ref());
    let key = route.and_then(|route| route.routing_key.as_ref()).or(amqp.routing_key.as_ref());
    let key = key.map_or(&*message.queue.name, |key| key);
    (exchange.cloned().unwrap_or_default(), key.into())
}

/// One JSON object that contains headers and body.
impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = json::Json::with_capacity(512 + self.headers.len() + self.body.len());
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

/// What one message writes to Redis, all in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Commands that come first, such as one that writes a hash which the list's element names.
    /// Repeating them does no harm.
    pub before: Vec<Command>,
    /// How to push the element.
    pub push: Push,
    /// The list or stream.
    pub key: String,
    /// What a worker takes from there.
    pub element: Vec<u8>,
}

/// A Redis command: its name and arguments.
pub type Command = Vec<Vec<u8>>;

/// How an element is pushed to where workers take it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// At the head of a list from whose tail workers take: `LPUSH`.
    Left,
    /// At the tail of a list from whose head workers take: `RPUSH`.
    Right,
    /// As an id of BullMQ: at the head of the list for the queue's state, after waking a worker.
    Bullmq,
    /// As the field `message` of a stream entry: `XADD`.
    Stream,
}

impl Push {
    /// The Redis command, or the word that the script uses.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Push::Left => "LPUSH",
            Push::Bullmq => "BULLMQ",
            Push::Right => "RPUSH",
            Push::Stream => "XADD",
        }
    }
}

impl Writes {
    /// One element and no other commands.
    fn element(push: Push, key: String, element: Vec<u8>) -> Writes {
        Writes { before: Vec::new(), push, key, element }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let before: usize = self.before.iter().flatten().map(Vec::len).sum();
        before + self.element.len()
    }
}

/// The commands as one could type them, or only the element if there are no commands.
impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before.is_empty() {
            return f.write_str(&String::from_utf8_lossy(&self.element));
        }
        for command in &self.before {
            let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
            writeln!(f, "{}", words.join(" "))?;
        }
        let (mut command, key) = (self.push.command(), quoted(self.key.as_bytes()));
        if self.push == Push::Bullmq {
            let marker = self.key.trim_end_matches(":wait").to_owned() + ":marker";
            writeln!(f, "ZADD {} 0 0", quoted(marker.as_bytes()))?;
            command = Push::Left.command();
        }
        write!(f, "{command} {key} {}", quoted(&self.element))
    }
}

/// A word as `redis-cli` reads it.
fn quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/*+".contains(byte);
    match std::str::from_utf8(word) {
        Ok(text) if !word.is_empty() && word.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.contains(|c: char| is_hidden(c) || c == '\'') => format!("'{text}'"),
        _ => format!("\"{}\"", word.escape_ascii()),
    }
}

/// Renders `task` for the workers of its queue.
///
/// They can read it for every message that [`check`] accepts.
#[must_use]
pub fn render(task: &Task<'_>) -> Writes {
    match &task.message.queue.worker {
        Worker::Celery(settings) => celery::render(task, settings),
        Worker::Rq(settings) => rq::render(task, *settings),
        Worker::Dramatiq(settings) => dramatiq::render(task, settings),
        Worker::Sidekiq(settings) => sidekiq::render(task, settings),
        Worker::Bullmq(settings) => bullmq::render(task, settings),
        Worker::Json => plain::render(task),
        Worker::Stream(_) => plain::render_for_stream(task),
    }
}

/// Renders `task` for a queue on an AMQP broker.
#[must_use]
pub fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    match &task.message.queue.worker {
        Worker::Dramatiq(_) => dramatiq::publish(task, amqp),
        // Other kinds than these two are never on AMQP.
        Worker::Celery(_)
        | Worker::Rq(_)
        | Worker::Sidekiq(_)
        | Worker::Bullmq(_)
        | Worker::Json
        | Worker::Stream(_) => celery::publish(task, amqp),
    }
}

/// The event that a message was sent, for monitors of Celery's workers such as Flower; `None` for other
/// kinds.
#[must_use]
pub fn event(task: &Task<'_>) -> Option<Vec<u8>> {
    matches!(task.message.queue.worker, Worker::Celery(_)).then(|| celery::event(task))
}

/// Every list in which messages of `queue` wait for workers.
#[must_use]
pub fn lists(queue: &Queue) -> Vec<String> {
    match &queue.worker {
        Worker::Celery(settings) => celery::list_keys(&queue.name, settings),
        Worker::Rq(_) => vec![rq::list_key(&queue.name)],
        Worker::Dramatiq(settings) => vec![dramatiq::list_key(&queue.name, settings)],
        Worker::Sidekiq(settings) => vec![sidekiq::list_key(&queue.name, settings)],
        Worker::Bullmq(settings) => bullmq::list_keys(&queue.name, settings).into(),
        Worker::Json => vec![queue.name.to_string()],
        // Its length says nothing: entries stay after they were read.
        Worker::Stream(_) => Vec::new(),
    }
}

/// A key of each sort that messages to `queue` are written to: all others share a prefix with one of
/// these, at least up to the first colon.
fn keys(queue: &Queue) -> Vec<String> {
    let mut keys = lists(queue);
    match &queue.worker {
        Worker::Celery(settings) => keys.extend(celery::binding_keys(&queue.name, settings)),
        Worker::Stream(_) => keys.push(queue.name.to_string()),
        Worker::Rq(_)
        | Worker::Dramatiq(_)
        | Worker::Sidekiq(_)
        | Worker::Bullmq(_)
        | Worker::Json => {}
    }
    keys
}

/// Why a message cannot be sent to its queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsendable {
    /// The key of the entry that is wrong.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Unsendable {
    fn new(field: &'static str, message: impl Into<String>) -> Unsendable {
        Unsendable { field, message: message.into() }
    }
}

/// Accepts a message and its guards if every key has a meaning for the queue's kind of worker.
///
/// # Errors
/// The first key without a meaning.
pub fn validate(message: &Message, guards: Guards) -> Result<(), Unsendable> {
    if guards.max_queued.is_some() && lists(&message.queue).is_empty() {
        let why = "a stream keeps what has been read, so nobody can tell how much waits in it";
        return Err(Unsendable::new("max_queued", why));
    }
    if guards.overlap.is_some() {
        answer::records_end(message)?;
    }
    let kind = message.queue.worker.kind();
    if let Some(options) = message.options.as_deref().filter(|options| options.kind() != kind) {
        let why = format!("the options are for {} workers, the queue's are {kind}", options.kind());
        return Err(Unsendable::new("options", why));
    }
    if let (None, Some(route)) = (&message.queue.amqp, &message.route) {
        let field = if route.exchange.is_some() { "exchange" } else { "routing_key" };
        return Err(Unsendable::new(field, "only an AMQP broker routes messages"));
    }
    match &message.queue.worker {
        Worker::Celery(_) => Ok(()),
        Worker::Rq(_) => rq::validate(message),
        Worker::Dramatiq(_) => dramatiq::validate(message),
        Worker::Sidekiq(_) => sidekiq::validate(message),
        Worker::Bullmq(_) => bullmq::validate(message),
        Worker::Json => plain::validate(message, "a plain list"),
        Worker::Stream(_) => plain::validate(message, "a stream"),
    }
}

/// Accepts a message that every supported worker of its queue's kind can read. The loader checks
/// schedule files key by key; this is for all other sources.
///
/// # Errors
/// The first thing found that a worker cannot handle.
pub fn check(message: &Message) -> Result<(), Unsendable> {
    validate(message, Guards::default())?;
    match &message.queue.worker {
        Worker::Celery(settings) => celery::check(message, settings),
        Worker::Rq(_) => rq::check(message),
        _ => Ok(()),
    }
}

/// Whether the worker kind would read a header of this name as its own.
#[must_use]
pub fn is_reserved_header(queue: &Queue, name: &str) -> bool {
    name.starts_with("downbeat_")
        || match &queue.worker {
            Worker::Celery(_) => celery::is_reserved_header(name),
            Worker::Dramatiq(_) => dramatiq::is_reserved_header(name),
            Worker::Sidekiq(_) => sidekiq::is_reserved_header(name),
            Worker::Bullmq(_) => bullmq::is_reserved_header(name),
            Worker::Rq(_) | Worker::Json | Worker::Stream(_) => name == "traceparent",
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_push_draws_other_numbers() {
        let rng = &mut fastrand::Rng::with_seed(7);
        let (one, other) = (Fresh::draw(rng), Fresh::draw(rng));
        assert_ne!(one.delivery_tag, other.delivery_tag);
        assert_ne!(one.trace_id, other.trace_id);
        assert_ne!(one.span_id, other.span_id);
        assert_eq!(one.delivery_tag.get_version_num(), 4);
    }
}
