//! Checks whether a message can be sent to the workers of its queue.

use super::message::Message;
use super::queue::Queue;
use super::unsendable::Unsendable;

/// Accepts a message if every key has a meaning for the queue's kind of worker.
///
/// # Errors
/// The first key without a meaning.
pub fn validate(message: &Message) -> Result<(), Unsendable> {
    let kind = message.queue.worker.kind();
    if let Some(options) = message.options.as_deref().filter(|options| options.kind() != kind) {
        let why = format!("the options are for {} workers, the queue's are {kind}", options.kind());
        return Err(Unsendable::new("options", why));
    }
    if let (None, Some(route)) = (&message.queue.amqp, &message.route) {
        let field = if route.exchange.is_some() { "exchange" } else { "routing_key" };
        return Err(Unsendable::new(field, "only an AMQP broker routes messages"));
    }
    message.queue.worker.protocol().validate(message)
}

/// Accepts a message that every supported worker of its queue's kind can read. The loader checks
/// schedule files key by key; this is for all other sources.
///
/// # Errors
/// The first thing found that a worker cannot handle.
pub fn check(message: &Message) -> Result<(), Unsendable> {
    validate(message)?;
    message.queue.worker.protocol().check(message)
}

/// Accepts a queue if its length says how many messages wait in it.
///
/// # Errors
/// Why it does not.
pub fn counts_waiting(queue: &Queue) -> Result<(), Unsendable> {
    if queue.is_fanout() {
        let why = "nothing waits in a fanout: whoever listens gets each message at once";
        return Err(Unsendable::new("max_queued", why));
    }
    if queue.keeps_read_messages() {
        let why = "a stream keeps what has been read, so nobody can tell how much waits in it";
        return Err(Unsendable::new("max_queued", why));
    }
    Ok(())
}

/// Accepts a message whose worker records, in the store of the messages, when the task has ended.
///
/// # Errors
/// Why it does not.
pub fn records_end(message: &Message) -> Result<(), Unsendable> {
    message.queue.worker.protocol().records_end(message)
}

/// Whether the worker kind would read a header of this name as its own.
#[must_use]
pub fn is_reserved_header(queue: &Queue, name: &str) -> bool {
    name.starts_with("downbeat_") || queue.worker.protocol().is_reserved_header(name)
}

impl Message {
    /// Refuses a priority, for kinds without priorities.
    pub(super) fn refuse_priority(&self, why: &str) -> Result<(), Unsendable> {
        match self.priority {
            None => Ok(()),
            Some(_) => Err(Unsendable::new("priority", why)),
        }
    }

    /// Refuses an expiry, for kinds whose messages do not expire.
    pub(super) fn refuse_expiry(&self, why: &str) -> Result<(), Unsendable> {
        match self.expires {
            None => Ok(()),
            Some(_) => Err(Unsendable::new("expires", why)),
        }
    }
}
