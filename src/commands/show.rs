//! Prints results: aligned columns on a terminal, tab-separated lines in a pipe.
//!
//! Passwords are hidden in what the service says about itself; what goes to workers or other programs
//! is printed exactly. Hidden characters are escaped everywhere, which does not change the meaning of
//! JSON. A line is printed as one line, whatever newlines it contains, and is cut if too long.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write as _};
use std::iter;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Exit, Failure};
use crate::escape::{MAX_SHOWN, escape, escape_lines, shorten};
use crate::mask::mask;
use crate::text::Problem;

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

/// Prints rows under a heading: aligned on a terminal, else tab-separated and without heading.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let cell = |cell: &String| cut(&escape(cell), MAX_CELL);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let lines = if io::stdout().is_terminal() {
        let heading = heading.iter().map(ToString::to_string).collect();
        aligned(heading, &rows, width())
    } else {
        rows.iter().map(|row| row.join("\t")).collect()
    };
    lines.iter().try_for_each(|line| own(&mask(line)))
}

/// Maximum columns of a cell or a fact.
const MAX_CELL: usize = 1000;

/// Prints a fact after its name, which takes this many columns; on a terminal on several lines if
/// needed. A text that is too long to read is cut.
pub(super) fn fact(columns: usize, mut name: &str, value: &str) -> Result<(), Failure> {
    for text in wrapped(&cut(&escape(value), MAX_CELL), columns) {
        line(&format!("{name:<columns$}{text}"))?;
        name = "";
    }
    Ok(())
}

/// Separates columns, and indents continued rows.
const GAP: &str = "  ";

/// The lines of a table. Columns that do not fit next to the others continue on an indented line below,
/// so that nothing is cut.
fn aligned(heading: Vec<String>, rows: &[Vec<String>], width: usize) -> Vec<String> {
    let columns = columns(&heading, rows, width);
    let mut lines = Vec::new();
    for row in [&heading].into_iter().chain(rows) {
        let mut text = String::new();
        for (column, (cell, place)) in row.iter().zip(&columns).enumerate() {
            if place.is_below {
                lines.push(text.trim_end().to_owned());
                text.clear();
            }
            text += if column > 0 { GAP } else { "" };
            text += cell;
            text.extend(iter::repeat_n(' ', place.width - cell.width()));
        }
        lines.push(text.trim_end().to_owned());
    }
    lines
}

/// The position of a table column.
struct Column {
    width: usize,
    /// Whether it begins a continuation line.
    is_below: bool,
}

fn columns(heading: &[String], rows: &[Vec<String>], width: usize) -> Vec<Column> {
    let mut end = 0;
    let place = |column: usize| {
        let cells = rows.iter().map(Vec::as_slice).chain([heading]);
        let widest = cells.filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let widest = widest.unwrap_or(0);
        let gap = if column > 0 { GAP.len() } else { 0 };
        let is_below = column > 0 && end + gap + widest > width;
        end = gap + widest + if is_below { 0 } else { end };
        Column { width: widest, is_below }
    };
    (0..heading.len()).map(place).collect()
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

    fn lines(width: usize) -> Vec<String> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "전화", "three words long"]), row(["longer", "b", "-"])];
        aligned(row(["ONE", "TWO", "THREE"]), &rows, width)
    }

    #[test]
    fn columns_are_aligned_by_their_width_on_a_terminal() {
        let wide = ["ONE     TWO   THREE", "a       전화  three words long", "longer  b     -"];
        assert_eq!(lines(80), wide);
        assert_eq!(lines(30), wide);
    }

    #[test]
    fn columns_that_do_not_fit_go_on_below() {
        let narrow =
            ["ONE     TWO", "  THREE", "a       전화", "  three words long", "longer  b", "  -"];
        assert_eq!(lines(29), narrow);
        assert_eq!(lines(12), narrow);
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
