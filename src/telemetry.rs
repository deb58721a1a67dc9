//! The log: one line per event, on standard error.

mod line;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::Line;
use crate::config::LogFormat;
use crate::mask::mask;

/// Always off unless `levels` names it: the AMQP library logs whole messages that it gets back.
const QUIET: &str = "lapin=off,amq_protocol=off";

/// Starts to log the events that `levels` selects to standard error: a level, or directives such as
/// `info,downbeat::core=debug`.
///
/// Under journald, which adds the time itself, lines have none; they begin with their priority (`<4>`),
/// which journald removes (`SyslogLevelPrefix=` in systemd.exec).
pub fn init(format: LogFormat, levels: &str) {
    let levels = format!("{QUIET},{levels}");
    let levels: Targets = levels.parse().expect("the configuration has checked it");
    let journald = is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref());
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(Stderr { journald })
        .event_format(Line { format, time: !journald, colour });
    // An existing subscriber stays: only tests set one.
    let _ = tracing_subscriber::registry().with(levels).with(layer).try_init();
}

/// Whether standard error is the stream that `JOURNAL_STREAM` names by device and inode: children
/// inherit the variable even if their output goes elsewhere.
fn is_journal(stream: Option<&str>) -> bool {
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else { return false };
    stream.is_some_and(|stream| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Buffers log lines while it lives; they are written when it is dropped, or when there are many.
///
/// A burst writes a line per slot: a system call for each would cost as much as the slot itself.
#[derive(Debug)]
pub struct BufferedLog(());

/// Buffered lines; `None` if lines are written at once.
static BUFFER: Mutex<Option<Vec<u8>>> = Mutex::new(None);
/// Maximum bytes to buffer.
const MAX_BUFFERED: usize = 64 << 10;

impl BufferedLog {
    /// Starts to buffer lines.
    #[must_use]
    pub fn start() -> BufferedLog {
        BUFFER.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
        BufferedLog(())
    }
}

impl Drop for BufferedLog {
    fn drop(&mut self) {
        if let Some(lines) = BUFFER.lock().unwrap_or_else(PoisonError::into_inner).take() {
            write_out(&lines);
        }
    }
}

fn write_out(lines: &[u8]) {
    // If the log cannot be written, nobody can be told.
    let _ = io::stderr().lock().write_all(lines);
}

/// Writes to standard error, or to the buffer.
#[derive(Clone, Copy, Debug)]
struct Stderr {
    journald: bool,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines { priority: None }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Lines {
        Lines { priority: self.journald.then(|| Priority::of(*event.level())) }
    }
}

/// The priority of a line for syslog and journald.
#[derive(Clone, Copy, Debug)]
struct Priority(u8);

impl Priority {
    fn of(level: Level) -> Priority {
        match level {
            Level::ERROR => Priority(3),
            Level::WARN => Priority(4),
            Level::INFO => Priority(6),
            _ => Priority(7),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// Receives the line of one event.
#[derive(Clone, Copy, Debug)]
struct Lines {
    priority: Option<Priority>,
}

impl Write for Lines {
    /// Receives a whole line: the formatter writes each event in one piece.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let Some(priority) = self.priority else {
            write_or_gather(lines);
            return Ok(lines.len());
        };
        write_or_gather(&[priority.to_string().as_bytes(), lines].concat());
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The only way for a line into the log, so that passwords are always masked.
fn write_or_gather(lines: &[u8]) {
    // Checking alone is much faster than replacing invalid bytes.
    let text = std::str::from_utf8(lines).map(Cow::Borrowed);
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(lines));
    let masked = mask(&text);
    let lines = masked.as_bytes();
    match &mut *BUFFER.lock().unwrap_or_else(PoisonError::into_inner) {
        None => write_out(lines),
        Some(gathered) => {
            gathered.extend_from_slice(lines);
            if gathered.len() > MAX_BUFFERED {
                write_out(gathered);
                gathered.clear();
            }
        }
    }
}
