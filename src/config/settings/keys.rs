//! The keys of the configuration file.

use super::{history, log, queues, tls};
use crate::text::Keys;

pub(super) static SERVICE: Keys = Keys {
    of: "the configuration",
    known: &[
        "broker",
        "broker_file",
        "state",
        "tls",
        "schedules",
        "namespace",
        "queues",
        "events",
        "leader",
        "grace",
        "http",
        "history",
        "log",
        "state_dir",
        "runtime_dir",
    ],
    aliases: &[("broker_url", "broker"), ("schedule", "schedules"), ("ttl", "leader: {ttl: …}")],
};

pub(super) static LEADER: Keys = Keys { of: "`leader`", known: &["ttl"], aliases: &[] };

/// Whether the word is the name of a key: problems quote nothing else of the file, as any value could be
/// a misplaced password.
pub(super) fn is_key(word: &str) -> bool {
    KEYS.iter().any(|keys| keys.names(word))
}

static KEYS: [&Keys; 15] = [
    &SERVICE,
    &tls::TLS,
    &LEADER,
    &history::HISTORY,
    &log::LOG,
    &queues::QUEUE,
    &queues::CELERY,
    &queues::CELERY_AMQP,
    &queues::RQ,
    &queues::DRAMATIQ,
    &queues::DRAMATIQ_AMQP,
    &queues::SIDEKIQ,
    &queues::BULLMQ,
    &queues::STREAM,
    &queues::NONE,
];
