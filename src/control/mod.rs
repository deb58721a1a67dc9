//! The control socket: `status`, `list`, `reload`, `resign`, `trigger`, `backfill`, `pause`, `resume`, `peek`,
//! `check --workers` and `trigger --wait` ask the running service.
//!
//! It speaks HTTP/1.1 over a unix socket in the runtime directory: `api` has the routes, `client` asks
//! them for the commands. The service itself asks its brokers, whose passwords a command need not know:
//! no secret goes over the socket, and the headers of every answer name the service's broker.

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

use serde_json::Value;

pub use self::api::Api;
pub(crate) use self::api::{RESOURCES, Refusal, acting, method_not_allowed, not_found, reading};
pub use self::client::{AskError, ask};
pub use self::runtime_dir::Untrusted;
pub use self::server::{Server, Serving};
use crate::config::Identity;
use crate::manual::{Backfill, Trigger};
use crate::pausing;
use crate::service::history;

/// What can be asked of a running service.
#[derive(Clone, Debug)]
pub enum Command {
    /// Answers [`crate::service::status::Status`].
    Status,
    /// Answers a list of [`crate::service::status::EntryStatus`].
    List,
    /// Answers [`crate::service::detail::EntryDetail`] of the entry of that name, or
    /// [`crate::manual::Refused`].
    Entry(String),
    /// Answers what changed, or the problems found; without `wait`, at once.
    Reload {
        /// Until the new schedule is live or refused.
        wait: bool,
    },
    /// Answers once the lease is given up, or why it is not.
    Resign,
    /// Answers [`crate::manual::Triggered`] or [`crate::manual::Refused`].
    Trigger(Box<Trigger>),
    /// Answers [`crate::manual::Backfilled`] or [`crate::manual::Refused`].
    Backfill(Box<Backfill>),
    /// Pauses or resumes; answers [`crate::pausing::Response`] or [`crate::manual::Refused`].
    Pause(Box<pausing::Request>),
    /// Answers as the question says; answered outside the service loop.
    Look(Question),
}

/// What can be seen on the service's brokers, over connections of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The first messages that wait in a queue.
    Peek {
        /// As entries name it.
        queue: String,
        /// At most so many.
        count: usize,
    },
    /// What live Celery workers have, of those that serve queues such as these.
    Workers {
        /// As entries name them.
        queues: Vec<String>,
        /// How long they may take to answer.
        timeout: Duration,
    },
    /// What became of a task; answered when it has come to an end, and in time in any case.
    Outcome {
        /// The queue that it was sent to.
        queue: String,
        /// Its id.
        task_id: String,
        /// How long to look for the end; at most a second.
        within: Duration,
    },
    /// What became of slots.
    History(history::Asked),
    /// The lease, if anybody holds it.
    Leader,
}

/// Answers questions on a thread that may wait.
pub type Look = dyn Fn(Question) -> Result<Value, LookError> + Send + Sync;

/// Why a question has no answer.
#[derive(Clone, Debug)]
pub struct LookError {
    /// Whose fault it is.
    pub kind: LookErrorKind,
    /// For people.
    pub message: String,
    /// For the command that asked.
    pub detail: Value,
}

/// Whose fault it is that a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookErrorKind {
    /// What was asked for cannot be shown as things are.
    Conflict,
    /// The question makes no sense.
    Invalid,
    /// The broker did not answer.
    Broker,
    /// The service failed.
    Internal,
}

/// What answers outside the service loop.
#[derive(Clone)]
pub struct Backend {
    /// Goes along with every answer.
    pub identity: Identity,
    /// Looks at the brokers.
    pub look: Arc<Look>,
}

/// Where the socket of a service with this runtime directory is.
#[must_use]
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}
