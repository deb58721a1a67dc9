//! The names of the kinds of workers.

use std::fmt;

/// The name of a kind of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerKind {
    /// Celery, protocol 2.
    Celery,
    /// RQ.
    Rq,
    /// Dramatiq.
    Dramatiq,
    /// Sidekiq.
    Sidekiq,
    /// BullMQ.
    Bullmq,
    /// Whatever takes JSON objects off a list.
    Json,
    /// Whatever reads JSON objects from a stream.
    Stream,
}

impl WorkerKind {
    /// Every kind, in the order in which they are suggested.
    pub const ALL: [WorkerKind; 7] = [
        WorkerKind::Celery,
        WorkerKind::Rq,
        WorkerKind::Dramatiq,
        WorkerKind::Sidekiq,
        WorkerKind::Bullmq,
        WorkerKind::Json,
        WorkerKind::Stream,
    ];

    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerKind::Celery => "celery",
            WorkerKind::Rq => "rq",
            WorkerKind::Dramatiq => "dramatiq",
            WorkerKind::Sidekiq => "sidekiq",
            WorkerKind::Bullmq => "bullmq",
            WorkerKind::Json => "json",
            WorkerKind::Stream => "stream",
        }
    }

    /// The kind with this word; `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<WorkerKind> {
        WorkerKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether its workers can take messages from an AMQP broker.
    #[must_use]
    pub fn takes_amqp(self) -> bool {
        match self {
            WorkerKind::Celery | WorkerKind::Dramatiq => true,
            WorkerKind::Rq
            | WorkerKind::Sidekiq
            | WorkerKind::Bullmq
            | WorkerKind::Json
            | WorkerKind::Stream => false,
        }
    }

    /// Whether its workers take messages from a spool.
    #[must_use]
    pub fn takes_spool(self) -> bool {
        match self {
            WorkerKind::Celery => true,
            WorkerKind::Rq
            | WorkerKind::Dramatiq
            | WorkerKind::Sidekiq
            | WorkerKind::Bullmq
            | WorkerKind::Json
            | WorkerKind::Stream => false,
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
