//! The log: one line an event, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Sends events to standard error from here on. `RUST_LOG` chooses levels (default: `info`).
///
/// Under journald, which stamps each line itself, lines carry no time.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let journald = std::env::var_os("JOURNAL_STREAM").is_some();
    // A subscriber that is set already stays: only tests do that.
    let _ = match (format, journald) {
        (LogFormat::Json, true) => builder.json().flatten_event(true).without_time().try_init(),
        (LogFormat::Json, false) => builder.json().flatten_event(true).try_init(),
        (LogFormat::Text, true) => builder.without_time().try_init(),
        (LogFormat::Text, false) => builder.try_init(),
    };
}
