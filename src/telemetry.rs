//! The log: one line an event, on standard error.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

/// Sends events to standard error from here on. `RUST_LOG` chooses levels (default: `info`).
///
/// Under journald, which stamps each line itself, lines carry no time.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let journald = std::env::var_os("JOURNAL_STREAM").is_some();
    // A subscriber that is set already stays: only tests do that.
    let _ = match (format, journald) {
        (LogFormat::Json, true) => builder.json().flatten_event(true).without_time().try_init(),
        (LogFormat::Json, false) => builder.json().flatten_event(true).try_init(),
        (LogFormat::Text, true) => builder.without_time().try_init(),
        (LogFormat::Text, false) => builder.try_init(),
    };
}

/// While it lives, lines are gathered; they are written when it is dropped, or when there are many.
///
/// A burst writes a line a slot: a system call for each would cost as much as the slot itself.
#[derive(Debug)]
pub struct Gathering(());

/// Lines not written yet. `None`: lines are written at once.
static GATHERED: Mutex<Option<Vec<u8>>> = Mutex::new(None);
/// No more than this is held back.
const GATHERED_BYTES: usize = 64 << 10;

impl Gathering {
    /// Gathers lines from now on.
    #[must_use]
    pub fn start() -> Gathering {
        GATHERED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        Gathering(())
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if let Some(lines) = GATHERED.lock().unwrap_or_else(PoisonError::into_inner).take() {
            write_out(&lines);
        }
    }
}

fn write_out(lines: &[u8]) {
    // There is nobody left to tell of a log that cannot be written.
    let _ = io::stderr().lock().write_all(lines);
}

/// Standard error, or the gathered lines.
#[derive(Clone, Copy, Debug)]
struct Stderr;

impl Write for Stderr {
    /// Takes whole lines: the formatter writes each event in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *GATHERED.lock().unwrap_or_else(PoisonError::into_inner) {
            None => write_out(line),
            Some(lines) => {
                lines.extend_from_slice(line);
                if lines.len() > GATHERED_BYTES {
                    write_out(lines);
                    lines.clear();
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Stderr;

    fn make_writer(&'a self) -> Stderr {
        Stderr
    }
}
