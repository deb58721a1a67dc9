//! The log: one line an event, on standard error.

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

/// Whatever `levels` does not name: the AMQP library logs whole messages that come back to it.
const QUIET: &str = "lapin=off,amq_protocol=off";

/// Sends events to standard error from here on, those that `levels` chooses: a level, or
/// directives such as `info,downbeat::leader=debug`.
///
/// Under journald, which stamps each line itself, lines carry no time; they begin with their
/// priority (`<4>`), which it takes off (`SyslogLevelPrefix=` of systemd.exec).
pub fn init(format: LogFormat, levels: &str) {
    let levels = format!("{QUIET},{levels}");
    let levels: Targets = levels.parse().expect("the configuration has checked it");
    let journald = is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref());
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(Stderr { journald })
        .event_format(Line { format, time: !journald, colour });
    // A subscriber that is set already stays: only tests do that.
    let _ = tracing_subscriber::registry().with(levels).with(layer).try_init();
}

/// Whether standard error is the stream that `JOURNAL_STREAM` names, by device and inode: the
/// variable is passed on to children whose output goes elsewhere.
fn is_journal(stream: Option<&str>) -> bool {
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else { return false };
    stream.is_some_and(|stream| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
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

/// How syslog and journald grade a line.
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

/// Takes the line of one event.
#[derive(Clone, Copy, Debug)]
struct Lines {
    priority: Option<Priority>,
}

impl Write for Lines {
    /// Takes a whole line: the formatter writes each event in one piece.
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

/// The one way of a line into the log, so that no password goes with it.
fn write_or_gather(lines: &[u8]) {
    // The check alone is much quicker than what replaces invalid bytes.
    let text = std::str::from_utf8(lines).map(Cow::Borrowed);
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(lines));
    let masked = mask(&text);
    let lines = masked.as_bytes();
    match &mut *GATHERED.lock().unwrap_or_else(PoisonError::into_inner) {
        None => write_out(lines),
        Some(gathered) => {
            gathered.extend_from_slice(lines);
            if gathered.len() > GATHERED_BYTES {
                write_out(gathered);
                gathered.clear();
            }
        }
    }
}
