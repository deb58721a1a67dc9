//! What is asked of a worker: a task, its arguments, and how to run it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::arq::ArqOptions;
use super::bullmq::BullmqOptions;
use super::celery::CeleryOptions;
use super::dramatiq::DramatiqOptions;
use super::rq::RqOptions;
use super::sidekiq::SidekiqOptions;
use super::taskiq::TaskiqOptions;
use super::{Queue, WorkerKind};

/// The message that an entry sends: its own arguments, and a call that it may share with other entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// A JSON array, as compact text.
    pub args: Arc<str>,
    /// A JSON object, as compact text.
    pub kwargs: Arc<str>,
    /// The rest. There may be a million messages, and few different calls.
    pub call: Arc<Call>,
}

impl Deref for Message {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

impl DerefMut for Message {
    fn deref_mut(&mut self) -> &mut Call {
        Arc::make_mut(&mut self.call)
    }
}

/// The task to run, on which queue, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The task's registered name.
    pub task: Arc<str>,
    /// The queue that a worker takes it from.
    pub queue: Arc<Queue>,
    /// A JSON object with the user's own headers, as compact text; `None` when there are none.
    pub headers: Option<Arc<str>>,
    /// 0 to 255; the worker kind decides on the meaning.
    pub priority: Option<u8>,
    /// How an AMQP broker routes it, if not by its queue's settings.
    pub route: Option<Box<Route>>,
    /// How long the message may wait for a worker.
    pub expires: Option<Expires>,
    /// Settings of the worker kind; `None` leaves all to the worker.
    pub options: Option<Box<Options>>,
    /// Whether the worker should keep the task's result, unless the options say otherwise.
    pub wants_result: bool,
}

impl Call {
    /// Creates a call with defaults.
    #[must_use]
    pub fn new(task: impl Into<Arc<str>>, queue: Arc<Queue>) -> Call {
        Call {
            task: task.into(),
            queue,
            headers: None,
            priority: None,
            route: None,
            expires: None,
            options: None,
            wants_result: false,
        }
    }
}

/// A message's own route through an AMQP broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The exchange, if not the queue's.
    pub exchange: Option<Box<str>>,
    /// The routing key, if not the queue's.
    pub routing_key: Option<Box<str>>,
}

/// A message's lifetime, counted from the slot's due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// A fixed duration.
    After(Duration),
    /// Until the entry's next slot.
    Next,
}

/// `options:` of an entry, by the kind of worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// On a Celery queue.
    Celery(CeleryOptions),
    /// On an RQ queue.
    Rq(RqOptions),
    /// On a Dramatiq queue.
    Dramatiq(DramatiqOptions),
    /// On an arq queue.
    Arq(ArqOptions),
    /// On a taskiq queue.
    Taskiq(TaskiqOptions),
    /// On a Sidekiq queue.
    Sidekiq(SidekiqOptions),
    /// On a BullMQ queue.
    Bullmq(BullmqOptions),
}

impl Options {
    /// The kind of worker that they are for.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        match self {
            Options::Celery(_) => WorkerKind::Celery,
            Options::Rq(_) => WorkerKind::Rq,
            Options::Dramatiq(_) => WorkerKind::Dramatiq,
            Options::Arq(_) => WorkerKind::Arq,
            Options::Taskiq(_) => WorkerKind::Taskiq,
            Options::Sidekiq(_) => WorkerKind::Sidekiq,
            Options::Bullmq(_) => WorkerKind::Bullmq,
        }
    }

    /// The JSON text in them that may have templates.
    pub fn templated(&mut self) -> Option<&mut Arc<str>> {
        match self {
            Options::Celery(options) => options.embed.as_mut(),
            Options::Rq(_)
            | Options::Dramatiq(_)
            | Options::Arq(_)
            | Options::Taskiq(_)
            | Options::Sidekiq(_)
            | Options::Bullmq(_) => None,
        }
    }
}
