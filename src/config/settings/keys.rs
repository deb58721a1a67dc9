//! The keys of the configuration file.

use super::{history, log, queues, tls};
use crate::config::foreign::words;
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
    foreign: words::SERVICE,
};

pub(super) static LEADER: Keys = Keys { of: "`leader`", known: &["ttl"], foreign: &[] };

/// Whether the word is the name of a key: problems quote nothing else of the file, as any value could be
/// a misplaced password.
pub(super) fn is_key(word: &str) -> bool {
    KEYS.into_iter().chain(queues::all_options()).any(|keys| keys.names(word))
}

/// Apart from the options of queues.
static KEYS: [&Keys; 6] =
    [&SERVICE, &tls::TLS, &LEADER, &history::HISTORY, &log::LOG, &queues::QUEUE];
