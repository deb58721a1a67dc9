//! The names of the kinds of workers.

use std::fmt;

/// Declares [`WorkerKind`] from a row for each kind: its name, and its word in the configuration.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)+) => {
        /// The name of a kind of worker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum WorkerKind {
            $($(#[$doc])* $kind,)+
        }

        impl WorkerKind {
            /// Every kind, in the order in which they are suggested.
            pub const ALL: [WorkerKind; [$($word),+].len()] = [$(WorkerKind::$kind),+];

            /// The word for it in the configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(WorkerKind::$kind => $word,)+
                }
            }
        }
    };
}

kinds! {
    /// Celery, protocol 2.
    Celery = "celery",
    /// RQ.
    Rq = "rq",
    /// Dramatiq.
    Dramatiq = "dramatiq",
    /// arq.
    Arq = "arq",
    /// taskiq.
    Taskiq = "taskiq",
    /// Sidekiq.
    Sidekiq = "sidekiq",
    /// BullMQ.
    Bullmq = "bullmq",
    /// Whatever takes JSON objects off a list.
    Json = "json",
    /// Whatever reads JSON objects from a stream.
    Stream = "stream",
}

impl WorkerKind {
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
            | WorkerKind::Arq
            | WorkerKind::Taskiq
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
            | WorkerKind::Arq
            | WorkerKind::Taskiq
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
