//! Logs problems.

use tracing::{error, warn};

use crate::text::{Problem, Severity};

/// Logs a problem without its excerpt, which is for people at a terminal.
pub fn log(problem: &Problem) {
    let (line, hint) = (problem.line(), problem.hint.as_deref());
    match problem.severity {
        Severity::Error => error!(hint, "{line}"),
        Severity::Warning => warn!(hint, "{line}"),
    }
}
