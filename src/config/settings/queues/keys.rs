//! The keys of a queue's `options`.

use crate::config::foreign::words;
use crate::text::Keys;
use crate::worker::WorkerKind;

/// The keys of the options of every kind.
pub(in crate::config::settings) fn all_options() -> impl Iterator<Item = &'static Keys> {
    WorkerKind::ALL.into_iter().flat_map(|kind| [of(kind, false), of(kind, true)])
}

/// Those of a kind of worker.
pub(super) fn of(kind: WorkerKind, on_amqp: bool) -> &'static Keys {
    match kind {
        WorkerKind::Celery if on_amqp => &CELERY_AMQP,
        WorkerKind::Celery => &CELERY,
        WorkerKind::Rq => &RQ,
        WorkerKind::Dramatiq if on_amqp => &DRAMATIQ_AMQP,
        WorkerKind::Dramatiq => &DRAMATIQ,
        WorkerKind::Arq => &ARQ,
        WorkerKind::Taskiq => &TASKIQ,
        WorkerKind::Sidekiq => &SIDEKIQ,
        WorkerKind::Bullmq => &BULLMQ,
        WorkerKind::Json => &NONE,
        WorkerKind::Stream => &STREAM,
    }
}

static CELERY_AMQP: Keys = Keys {
    of: "`options` of a Celery queue on AMQP",
    known: &["exchange", "routing_key", "declare", "results", "result_prefix"],
    foreign: words::CELERY_QUEUE_ON_AMQP,
};

/// Only Dramatiq's own workers know the arguments with which to declare their queues.
static DRAMATIQ_AMQP: Keys = Keys {
    of: "`options` of a Dramatiq queue on AMQP",
    known: &["exchange", "routing_key"],
    foreign: &[],
};

static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &[
        "priority_steps",
        "separator",
        "key_prefix",
        "fanout_prefix",
        "fanout_patterns",
        "control_exchange",
        "routing_key",
        "results",
        "result_prefix",
    ],
    foreign: words::CELERY_QUEUE,
};

static RQ: Keys = Keys { of: "`options` of an RQ queue", known: &["serializer"], foreign: &[] };

static DRAMATIQ: Keys =
    Keys { of: "`options` of a Dramatiq queue", known: &["namespace"], foreign: &[] };

static ARQ: Keys =
    Keys { of: "`options` of an arq queue", known: &["serializer"], foreign: words::ARQ_QUEUE };

static TASKIQ: Keys = Keys {
    of: "`options` of a taskiq queue",
    known: &["stream", "group", "maxlen", "results", "result_prefix"],
    foreign: words::TASKIQ_QUEUE,
};

static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["namespace"], foreign: &[] };

static BULLMQ: Keys = Keys { of: "`options` of a BullMQ queue", known: &["prefix"], foreign: &[] };

static STREAM: Keys = Keys { of: "`options` of a stream", known: &["maxlen"], foreign: &[] };

static NONE: Keys = Keys { of: "`options` of this queue", known: &[], foreign: &[] };
