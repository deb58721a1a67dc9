//! Pure: a due slot becomes what a worker takes. One file per kind of worker.
//!
//! Nothing here reads a clock or draws a random number: whatever changes from push to push comes
//! in with the [`Task`], so equal tasks give equal bytes.

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

/// One message to be rendered: everything that decides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The entry whose slot this is.
    pub entry_name: &'a str,
    /// What the entry sends, templates already replaced.
    pub message: &'a Message,
    /// The same for every push of one slot.
    pub task_id: Uuid,
    /// The nominal instant, without jitter.
    pub slot: UnixMs,
    /// Why it is sent.
    pub kind: Kind,
    /// After this instant a worker drops the message; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// When this push happens. Only lengths of time in the envelope are counted from it.
    pub now: UnixMs,
    /// Who sends it: `downbeat@<host>`.
    pub origin: &'a str,
    /// What must differ in every push.
    pub fresh: Fresh,
}

/// The random numbers of one push: drawn anew each time, also when a slot is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Tells this push from all others to the worker's book of unacknowledged messages.
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

/// A message for an AMQP broker. All are persistent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The exchange's name; empty for the default one, which routes to the queue of the key's name.
    pub exchange: Box<str>,
    /// Where the exchange is to route it.
    pub routing_key: Box<str>,
    /// A JSON object.
    pub headers: Vec<u8>,
    /// 0 to 255, higher is more urgent; only queues with `x-max-priority` look at it.
    pub priority: u8,
    /// The task's id. There is no `reply_to`: nobody waits for an answer.
    pub correlation_id: Uuid,
    /// The broker drops the message after so many milliseconds.
    pub expiration_ms: Option<u64>,
    /// A JSON text.
    pub body: Vec<u8>,
    /// What to tell Celery's event consumers once it is published; see [`event`].
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

/// Exchange and routing key. What the entry says of its route goes before what the queue says;
/// without either, the default exchange routes a message to the queue itself.
fn route(message: &Message, amqp: &AmqpQueue) -> (Box<str>, Box<str>) {
    let route = message.route.as_deref();
    let exchange = route.and_then(|route| route.exchange.as_ref()).or(amqp.exchange.as_ref());
    let key = route.and_then(|route| route.routing_key.as_ref()).or(amqp.routing_key.as_ref());
    let key = key.map_or(&*message.queue.name, |key| key);
    (exchange.cloned().unwrap_or_default(), key.into())
}

/// One JSON object, with headers and body in it as they are.
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

/// What one message writes into Redis, all of it in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Whole commands that come first, such as that of a hash which the list's element names. They
    /// can be repeated without harm.
    pub before: Vec<Command>,
    /// How the element gets into its list or stream.
    pub push: Push,
    /// The list or stream.
    pub key: String,
    /// What a worker takes from there.
    pub element: Vec<u8>,
}

/// A Redis command: its name and its arguments.
pub type Command = Vec<Vec<u8>>;

/// How an element gets where workers take it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// In front of a list, of which workers take the end: `LPUSH`.
    Left,
    /// At the end of a list, of which workers take the front: `RPUSH`.
    Right,
    /// As an id of BullMQ's: in front of the list for the queue's state, after waking a worker.
    Bullmq,
    /// As the field `message` of a stream's entry: `XADD`.
    Stream,
}

impl Push {
    /// The Redis command, or the script's own word.
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
    /// One element, and nothing beside it.
    fn element(push: Push, key: String, element: Vec<u8>) -> Writes {
        Writes { before: Vec::new(), push, key, element }
    }

    /// How many bytes it carries.
    #[must_use]
    pub fn size(&self) -> usize {
        let before: usize = self.before.iter().flatten().map(Vec::len).sum();
        before + self.element.len()
    }
}

/// The commands as they could be typed, or the element alone where it is all there is.
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

/// What `task` writes for the workers of its queue.
///
/// It is what they can read for every message that [`check`] accepts.
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

/// The same for a queue on an AMQP broker.
#[must_use]
pub fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    match &task.message.queue.worker {
        Worker::Dramatiq(_) => dramatiq::publish(task, amqp),
        // No other kind's queue can be on one.
        _ => celery::publish(task, amqp),
    }
}

/// That a message was sent, for whoever watches Celery's workers, such as Flower; `None` for other
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
        // Its length tells nothing: what has been read stays in it.
        Worker::Stream(_) => Vec::new(),
    }
}

/// A key of each sort that messages to `queue` are written to: all others begin like one of these, up to
/// their first colon at least.
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

/// Why a message cannot go to its queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsendable {
    /// The key of the entry that is to blame.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Unsendable {
    fn new(field: &'static str, message: impl Into<String>) -> Unsendable {
        Unsendable { field, message: message.into() }
    }
}

/// Accepts a message, and what must hold for it to be sent, of which every key has a meaning to its
/// queue's kind of worker.
///
/// # Errors
/// The first key that has none.
pub fn fits(message: &Message, guards: Guards) -> Result<(), Unsendable> {
    if guards.max_queued.is_some() && lists(&message.queue).is_empty() {
        let why = "a stream keeps what has been read, so nobody can tell how much waits in it";
        return Err(Unsendable::new("max_queued", why));
    }
    if guards.overlap.is_some() {
        answer::shows_its_end(message)?;
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
        Worker::Rq(_) => rq::fits(message),
        Worker::Dramatiq(_) => dramatiq::fits(message),
        Worker::Sidekiq(_) => sidekiq::fits(message),
        Worker::Bullmq(_) => bullmq::fits(message),
        Worker::Json => plain::fits(message, "a plain list"),
        Worker::Stream(_) => plain::fits(message, "a stream"),
    }
}

/// Accepts a message that every supported worker of its queue's kind can read. What comes from a
/// schedule file was checked there, each value in its place; this is for all else.
///
/// # Errors
/// The first thing found that a worker would choke on.
pub fn check(message: &Message) -> Result<(), Unsendable> {
    fits(message, Guards::default())?;
    match &message.queue.worker {
        Worker::Celery(settings) => celery::check(message, settings),
        Worker::Rq(_) => rq::check(message),
        _ => Ok(()),
    }
}

/// Whether a header of this name would be taken for one of the kind's own.
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
