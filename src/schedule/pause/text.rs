//! Pauses of one subject as stored text: one line per pause, `"<from> <until> <JSON>"`. The instants are in UTC
//! milliseconds, the second one `-` if there is none; the JSON has `by` and `note`, if set.

use std::fmt::Write as _;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

use super::edit::AT_WRITE;
use super::{MAX_KEPT, Pause};

/// The maximum number of characters kept of who paused.
pub const MAX_BY: usize = 100;
/// The maximum length of a note in bytes.
pub const MAX_NOTE: usize = 500;
/// The maximum length of the text in bytes.
pub const MAX_TEXT: usize = MAX_KEPT * 2_048;
/// The placeholder for an instant that the store fills in when it writes.
const NOW: &str = "now";

#[derive(Default, Serialize, Deserialize)]
struct Words {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Box<str>>,
}

/// Who paused, made fit to be stored.
#[must_use]
pub fn sanitize_by(by: &str) -> Option<Box<str>> {
    let by: String = plain(by).take(MAX_BY).collect();
    (!by.is_empty()).then(|| by.into())
}

/// A note, made fit to be stored.
#[must_use]
pub fn sanitize_note(note: &str) -> Option<Box<str>> {
    let mut note: String = plain(note.trim()).collect();
    if note.len() > MAX_NOTE {
        let end = (0..=MAX_NOTE).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
        note.truncate(end);
    }
    (!note.is_empty()).then(|| note.into())
}

/// Turns line breaks into spaces.
fn plain(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control())
}

/// Writes pauses; the store fills in [`AT_WRITE`].
#[must_use]
pub fn write(pauses: &[Pause]) -> String {
    let mut text = String::new();
    for (n, pause) in pauses.iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        write_instant(pause.from, &mut text);
        text.push(' ');
        match pause.until {
            Some(until) => write_instant(until, &mut text),
            None => text.push('-'),
        }
        let words = Words { by: pause.by.clone(), note: pause.note.clone() };
        text.push(' ');
        // JSON can represent all of it.
        text += &serde_json::to_string(&words).unwrap_or_default();
    }
    text
}

fn write_instant(instant: UnixMs, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match instant {
        AT_WRITE => write!(text, "{NOW}"),
        instant => write!(text, "{}", instant.0),
    };
}

/// Reads pauses; `None` if the text is not understood.
#[must_use]
pub fn read(text: &str) -> Option<Vec<Pause>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let pauses: Vec<Pause> = text.split('\n').map(read_line).collect::<Option<_>>()?;
    (pauses.len() <= MAX_KEPT).then_some(pauses)
}

fn read_line(line: &str) -> Option<Pause> {
    let mut fields = line.splitn(3, ' ');
    let from = read_instant(fields.next()?)?;
    let until = match fields.next()? {
        "-" => None,
        until => Some(read_instant(until)?),
    };
    let Words { by, note } = serde_json::from_str(fields.next()?).ok()?;
    let by = by.as_deref().and_then(sanitize_by);
    let note = note.as_deref().and_then(sanitize_note);
    Some(Pause { from, until, by, note })
}

fn read_instant(text: &str) -> Option<UnixMs> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).map(UnixMs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(from: i64, until: Option<i64>, by: &str, note: &str) -> Pause {
        let (by, note) = (sanitize_by(by), sanitize_note(note));
        Pause { from: UnixMs(from), until: until.map(UnixMs), by, note }
    }

    #[test]
    fn pauses_are_read_back_as_they_were_written() {
        let long = "é\"\\".repeat(400);
        let pauses = vec![
            pause(1_798_761_600_000, None, "", ""),
            pause(1_798_761_600_000, Some(1_798_761_700_000), "ann@host", "on\nholiday\t\u{1b}[1m"),
            pause(-5, Some(-7), &long, &long),
        ];
        assert_eq!(pauses[1].note.as_deref(), Some("on holiday [1m"));
        let text = write(&pauses);
        assert!(
            text.starts_with("1798761600000 - {}\n1798761600000 1798761700000 {\"by\""),
            "{text}"
        );
        assert_eq!(read(&text), Some(pauses.clone()));
        let most = vec![pauses[2].clone(); MAX_KEPT];
        assert_eq!(read(&write(&most)), Some(most));
    }

    #[test]
    fn an_instant_that_the_store_fills_in_cannot_be_read() {
        let text = write(&[pause(AT_WRITE.0, Some(AT_WRITE.0), "", "")]);
        assert_eq!(text, "now now {}");
        assert_eq!(read(&text), None);
    }

    #[test]
    fn texts_that_are_not_pauses_are_not_understood() {
        let many = ["1 2 {}"; MAX_KEPT + 1].join("\n");
        let long = format!("1 2 {{\"note\": \"{}\"}}", "x".repeat(MAX_TEXT));
        for text in [
            "",
            "1",
            "1 2",
            "1 2 ",
            "1 2 {",
            "1 2 {}\n",
            "x 2 {}",
            "1 x {}",
            "- 2 {}",
            "1e3 2 {}",
            "1 2 {\"by\": 7}",
            "1234567890123456 - {}",
            &many,
            &long,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(read("1 2 {\"later\": true}").is_some());
    }
}
