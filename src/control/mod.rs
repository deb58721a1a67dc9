//! The control socket, over which `status`, `list`, `reload`, `resign`, `trigger`, `backfill`, `pause`,
//! `resume`, `peek`, `check --workers` and `trigger --wait` ask the running service.
//!
//! It speaks HTTP/1.1 over a unix socket in the runtime directory: `api` has the routes, and commands
//! send requests through `client`. The service itself asks its brokers, so a command need not know
//! their passwords: no secret crosses the socket, and the headers of every response name the service's
//! broker.

mod api;
mod body;
mod client;
mod request;
mod runtime_dir;
mod server;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::api::Api;
pub(crate) use self::api::{Refusal, acting, index, method_not_allowed, not_found, reading};
pub use self::client::{AskError, ask};
pub use self::runtime_dir::Untrusted;
pub use self::server::{Server, Serving};
use crate::config::Identity;
use crate::manual::{Backfill, Trigger};
use crate::pausing;
use crate::service::history;

/// A command for a running service.
#[derive(Clone, Debug)]
pub enum Command {
    /// Returns [`crate::service::status::Status`].
    Status,
    /// Returns a list of [`crate::service::status::EntryStatus`].
    List,
    /// Returns [`crate::service::detail::EntryDetail`] of the entry with this name, or
    /// [`crate::refused::Refused`].
    Entry(String),
    /// Returns what changed, or the problems found; without `wait`, at once.
    Reload {
        /// Whether to wait until the new schedule is live or refused.
        wait: bool,
    },
    /// Returns once the lease is given up, or why it is not.
    Resign,
    /// Returns [`crate::manual::Triggered`] or [`crate::refused::Refused`].
    Trigger(Box<Trigger>),
    /// Returns [`crate::manual::Backfilled`] or [`crate::refused::Refused`].
    Backfill(Box<Backfill>),
    /// Pauses or resumes; returns [`crate::pausing::Response`] or [`crate::refused::Refused`].
    Pause(Box<pausing::Request>),
    /// Returns what the question asks for, without the service loop.
    Look(Question),
}

/// A question about the service's brokers, answered over separate connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The first messages that wait in a queue.
    Peek {
        /// The queue's name, as entries use it.
        queue: String,
        /// Maximum number of messages.
        count: usize,
    },
    /// The tasks and queues of live Celery workers that serve these queues.
    Workers {
        /// The queues' names, as entries use them.
        queues: Vec<String>,
        /// How long they may take to respond.
        timeout: Duration,
    },
    /// The result of a task; returned when the task has ended or the time is up.
    Outcome {
        /// The queue that it was sent to.
        queue: String,
        /// Its id.
        task_id: String,
        /// How long to wait for the end; at most a second.
        within: Duration,
    },
    /// The outcomes of slots.
    History(history::HistoryRequest),
    /// Who leads; answered with a [`LeaderAnswer`].
    Leader,
}

/// Who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderAnswer {
    /// `"<term> <holder>"`, as in the status; `None` if nobody leads.
    pub leader: Option<String>,
}

/// Answers questions on a thread that may block.
pub type Look = dyn Fn(Question) -> Result<Value, LookError> + Send + Sync;

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LookError {
    /// The cause.
    pub kind: LookErrorKind,
    /// For people.
    pub message: String,
    /// For the command that asked.
    pub detail: Value,
}

/// The cause of a missing answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookErrorKind {
    /// What was asked for cannot be shown at present.
    Conflict,
    /// The question is invalid.
    Invalid,
    /// The broker did not answer.
    Broker,
    /// The service failed.
    Internal,
}

/// Answers questions outside the service loop.
#[derive(Clone)]
pub struct Backend {
    /// Identifies the service in every response.
    pub identity: Identity,
    /// Asks the brokers.
    pub look: Arc<Look>,
}

/// The path of the socket of a service with this runtime directory.
#[must_use]
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}
