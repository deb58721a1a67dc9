//! Why nothing could be imported.

use std::path::PathBuf;

/// Why nothing could be imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The source cannot be imported; the text says where, why, and what to do.
    #[error("{0}")]
    Invalid(String),
    /// The program that has the old scheduler's code could not be run, or failed; the text says what to do.
    #[error("{0}")]
    Interpreter(String),
    /// The broker did not answer, or refused.
    #[error("{0}")]
    Broker(String),
}

impl ImportError {
    pub(crate) fn of_file(path: &std::path::Path, source: std::io::Error) -> ImportError {
        ImportError::File { path: path.to_owned(), source }
    }
}
