//! Prints results: aligned columns on a terminal, tab-separated lines in a pipe.
//!
//! Passwords are hidden in what the service says about itself; what goes to workers or other programs
//! is printed exactly. Hidden characters are escaped everywhere, which does not change the meaning of
//! JSON. A line is printed as one line, whatever newlines it contains, and is cut if too long.

mod table;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Exit, Failure};
use crate::escape::{MAX_SHOWN, escape, escape_lines, shorten};
use crate::mask::mask;
use crate::text::{Problem, Severity};

pub(super) use self::table::{Column, table};

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Failure::new(Exit::No, error))?;
    own(&mask(&escape_lines(&text)))
}

/// Prints a value as indented JSON, with no password hidden.
pub(super) fn exact_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map_or_else(|error| Err(Failure::new(Exit::No, error)), |text| exact(&text))
}

/// Prints a value as one line of JSON, with no password hidden.
pub(super) fn exact_json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value);
    text.map_or_else(|error| Err(Failure::new(Exit::No, error)), |text| exact(&text))
}

/// Prints a text on its own lines, without hiding passwords or cutting.
pub(super) fn exact(text: &str) -> Result<(), Failure> {
    own(&escape_lines(text))
}

/// Prints a line.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    own(&as_line(text))
}

/// Like [`line`] for output that must not be lost: a closed pipe is an error, too.
pub(super) fn try_line(text: &str) -> io::Result<()> {
    write(&as_line(text))
}

/// Like [`exact`] for output that must not be lost.
pub(super) fn try_exact(text: &str) -> io::Result<()> {
    write(&escape_lines(text))
}

fn as_line(text: &str) -> String {
    mask(&shorten(&escape(text), MAX_SHOWN)).into_owned()
}

/// Prints a line for people to standard error.
pub(super) fn complain(text: &str) {
    complain_escaped(&mask(&shorten(&escape(text), MAX_SHOWN)));
}

/// Does the same for each line of a text.
pub(super) fn complain_lines(text: &str) {
    text.lines().for_each(complain);
}

/// Prints problems with the input for people to standard error.
pub(super) fn problems(problems: &[Problem]) {
    let colour = is_coloured(&io::stderr());
    for problem in problems {
        complain_escaped(&mask(&problem.render(colour)));
    }
    if problems.len() > MAX_UNCOUNTED {
        complain(&format!("{} in all", counted(problems)));
    }
}

/// Lists of more problems than this end with their number.
const MAX_UNCOUNTED: usize = 3;

/// The number of problems: `3 errors, 1 warning`.
fn counted(problems: &[Problem]) -> String {
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let counts = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    counts.map(|(count, what)| number(count, what)).collect::<Vec<_>>().join(", ")
}

/// `1 error`, `2 errors`.
pub(super) fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `1 entry`, `2 entries`.
pub(super) fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// A local time as a terminal shows it: `2026-11-30 03:00+09:00`, with seconds only if there are any.
pub(super) fn short_time(rfc3339: &str) -> String {
    let text = rfc3339.replacen('T', " ", 1);
    match text.get(16..19) {
        Some(":00") if !text[19..].starts_with('.') => format!("{}{}", &text[..16], &text[19..]),
        _ => text,
    }
}

fn complain_escaped(text: &str) {
    // If standard error fails, nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints text that contains no foreign text, or has it escaped, unchanged. A closed pipe is not an
/// error.
pub(super) fn own(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(write_failure(&error)),
        _ => Ok(()),
    }
}

fn write(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// The failure to write to standard output.
pub(super) fn write_failure(error: &io::Error) -> Failure {
    let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::ClosedPipe } else { Exit::No };
    Failure::new(exit, format!("cannot write to standard output: {error}"))
}

/// Fails if nobody reads standard output any more.
pub(super) fn check_reader() -> io::Result<()> {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default()))?;
    match polled[0].revents().contains(PollFlags::ERR) {
        true => Err(io::ErrorKind::BrokenPipe.into()),
        false => Ok(()),
    }
}

/// A word quoted for a shell.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

/// The broker that a message went to, at the end of a line.
pub(super) fn on_broker(broker: Option<&str>) -> String {
    broker.map_or_else(String::new, |broker| format!(" on {broker}"))
}

/// Whether output to the stream may have colours.
pub(super) fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Columns of the terminal, or 80 without one.
pub(super) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Maximum columns of a fact.
const MAX_FACT: usize = 1000;

/// Prints a fact after its name, which takes this many columns; on a terminal on several lines if
/// needed. A text that is too long to read is cut.
pub(super) fn fact(columns: usize, mut name: &str, value: &str) -> Result<(), Failure> {
    for text in wrapped(&cut(&escape(value), MAX_FACT), columns) {
        line(&format!("{name:<columns$}{text}"))?;
        name = "";
    }
    Ok(())
}

/// The text, cut to this many columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| match left.checked_sub(c.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// The text in lines that fit the terminal next to this many columns; in a pipe, one line.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    if io::stdout().is_terminal() {
        wrap(text, width().saturating_sub(indent).max(20))
    } else {
        vec![text.to_owned()]
    }
}

/// Breaks between words; a word that is too long gets its own line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_text_is_wrapped_between_words() {
        let lines = super::wrap("the last reload (a.yaml:1:1: 전화 전화) was refused", 12);
        assert_eq!(lines, ["the last", "reload", "(a.yaml:1:1:", "전화 전화)", "was refused"]);
        assert_eq!(super::wrap("averylongword b", 3), ["averylongword", "b"]);
    }

    use super::*;

    #[test]
    fn times_on_a_terminal_have_seconds_only_if_there_are_any() {
        for (time, shown) in [
            ("2026-11-30T03:00:00+09:00", "2026-11-30 03:00+09:00"),
            ("2026-11-30T03:00:05+09:00", "2026-11-30 03:00:05+09:00"),
            ("2026-11-30T03:00:00.5Z", "2026-11-30 03:00:00.5Z"),
            ("-", "-"),
        ] {
            assert_eq!(short_time(time), shown);
        }
    }

    #[test]
    fn wide_text_is_cut_by_its_width_on_a_terminal() {
        for (width, text) in
            [(9, "a 전화 bc"), (8, "a 전화 …"), (7, "a 전화…"), (6, "a 전…"), (1, "…")]
        {
            assert_eq!(cut("a 전화 bc", width), text);
        }
    }
}
