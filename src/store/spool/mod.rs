//! The spool, an embedded broker: a folder of message files that a Celery worker reads as its `filesystem://`
//! broker, with a log of records beside it. It needs no server; one process at a time holds it.
//!
//! ```text
//! PATH/lock        held while a process uses the spool
//! PATH/records     what is live and how far each entry has come, one JSON line a write
//! PATH/stage/      messages that are not recorded yet
//! PATH/queue/      messages for workers
//! ```
//!
//! A message is staged (and synced), then recorded (and synced), then renamed into the queue. What a crash
//! leaves in the stage is renamed if it is recorded and deleted if not, so it is in the queue exactly once, and
//! nothing can be consumed before its record.
//!
//! Folders have mode 0700 and files 0600, so workers run as the same user. If the administrator lets the group
//! of `queue` write in it, messages have mode 0660. Only regular files are messages; others are skipped, and
//! refused as `lock` or `records`. A folder that somebody else could swap, or alter staged messages in, is
//! refused.

mod files;
mod history;
mod log;
mod staged_queues;
mod store;

use std::path::{Path, PathBuf};

pub use self::store::SpoolStore;
use super::contract::StoreError;
use crate::regular_file;

/// Why a spool cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it open.
    #[error("the spool {0} is in use by another process; stop it, or name another spool")]
    Locked(PathBuf),
    /// A file or folder cannot be created, read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path that it was tried on.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Something unexpected is in the place of a file or folder.
    #[error("{path}: {source}; move it away")]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// What it is.
        source: std::io::Error,
    },
    /// A folder belongs to another user.
    #[error(
        "{path} belongs to uid {owner}, not to uid {us}; run this as that user, or name another spool"
    )]
    Foreign {
        /// The folder, or the lock in it.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// Our uid.
        us: u32,
    },
    /// Others can add or swap files in a folder.
    #[error("other users may write to {path} (mode {mode:04o}); `chmod {remedy}` it")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The change of mode that closes the folder.
        remedy: &'static str,
    },
    /// The log of records is damaged before its end.
    #[error(
        "{path}:{line}: not a record ({reason}); restore the file, or move it away to start every \
         entry anew"
    )]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with the line.
        reason: String,
    },
    /// The log of records was written by a newer version.
    #[error(
        "{path} has format {format}, which this version of downbeat does not know; install the version \
         that wrote it"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// The format's number.
        format: u64,
    },
    /// The lock is no longer the file that we hold.
    #[error(
        "{path} was {what} while the spool was in use, so that another process may use it as well: nothing \
         more is written; stop all processes that use the spool, and start one"
    )]
    LockGone {
        /// The lock.
        path: PathBuf,
        /// `deleted` or `replaced`.
        what: &'static str,
    },
}

/// Adds to an I/O error what was tried on which path.
fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> SpoolError + use<'a> {
    move |source| {
        let path = path.to_owned();
        if regular_file::is_wrong_kind(&source) {
            return SpoolError::InTheWay { path, source };
        }
        SpoolError::Io { action, path, source }
    }
}

impl From<SpoolError> for StoreError {
    fn from(error: SpoolError) -> StoreError {
        match error {
            SpoolError::LockGone { .. } => StoreError::Unusable(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}
