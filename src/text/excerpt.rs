//! The line where a problem is, as a terminal shows it.

use unicode_width::UnicodeWidthChar as _;

use crate::escape::{escape, is_hidden};
use crate::mask;

/// A source line as shown, cut around the caret if it is long.
///
/// Tabs are widened, hidden characters escaped and passwords in URLs masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The visible part of the line.
    pub line: String,
    /// Terminal columns left of the caret.
    pub caret: usize,
    /// Terminal columns that the caret underlines, at least 1.
    pub width: usize,
}

/// Lines up to this many characters are shown in full.
const SHOWN_WHOLE: usize = 160;
/// Of longer lines, how many characters are shown before and after the caret's start.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 100;
/// How many characters beyond the shown ones are searched for a password.
const MASK_MARGIN: usize = 1000;

impl Excerpt {
    /// The line of `text` with byte `start`, underlining `len` bytes from there.
    pub(crate) fn of(text: &str, start: usize, len: usize) -> Excerpt {
        let (before, after) = text.split_at(start);
        let before = before.rsplit(is_line_end).next().unwrap_or_default();
        let pointed = text.get(start..start + len).unwrap_or_default();
        let pointed = pointed.split(is_line_end).next().unwrap_or_default().chars().count();
        let left = before.chars().rev().take(SHOWN_BEFORE + MASK_MARGIN).collect::<Vec<_>>();
        let right = after.chars().take_while(|c| !is_line_end(*c)).take(SHOWN_AFTER + MASK_MARGIN);
        let at = left.len();
        let line: String = left.into_iter().rev().chain(right).collect();
        let secrets = mask::secrets_in_source(&line);
        let is_secret = |at: usize| secrets.iter().any(|secret| secret.contains(&at));
        let shown = line.char_indices().map(|(at, c)| if is_secret(at) { '*' } else { c });
        Excerpt::cut(&shown.collect::<Vec<_>>(), at, pointed)
    }

    /// The known key that begins, or whose value begins, at byte `start`, with `…` for the value;
    /// `None` if there is no such key. Shows nothing else of `text`.
    pub(crate) fn of_key(
        text: &str,
        start: usize,
        is_known: impl Fn(&str) -> bool,
    ) -> Option<Excerpt> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (before, after) = text.split_at(start);
        let after = after.trim_start_matches(['"', '\'']);
        let key = &after[..after.find(|c| !is_name(c)).unwrap_or(after.len())];
        if is_known(key) && after[key.len()..].trim_start_matches(['"', '\'', ' ']).starts_with(':')
        {
            return Some(Excerpt { line: format!("{key}: …"), caret: 0, width: key.len() });
        }
        // An absent value is reported at the colon.
        let before = if after.starts_with(':') {
            before
        } else {
            before.trim_end_matches(['"', '\'', ' ', '\r', '\n']).strip_suffix(':')?
        };
        let before = before.trim_end_matches(['"', '\'', ' ']);
        let key = before.rsplit(|c| !is_name(c)).next()?;
        is_known(key).then(|| Excerpt::of_value(key))
    }

    /// A known key with `…` for its value.
    pub(crate) fn of_value(key: &str) -> Excerpt {
        Excerpt { line: format!("{key}: …"), caret: key.len() + 2, width: 1 }
    }

    fn cut(line: &[char], at: usize, pointed: usize) -> Excerpt {
        let short = line.len() <= SHOWN_WHOLE;
        let from = if short { 0 } else { at.saturating_sub(SHOWN_BEFORE) };
        let to = if short { line.len() } else { line.len().min(at + SHOWN_AFTER) };
        let mut shown = Excerpt { line: String::new(), caret: 0, width: 0 };
        if from > 0 {
            shown.line.push('…');
            shown.caret = 1;
        }
        for (index, &c) in line.iter().enumerate().take(to).skip(from) {
            let columns = push_shown(&mut shown.line, c);
            if index < at {
                shown.caret += columns;
            } else if index < at + pointed {
                shown.width += columns;
            }
        }
        if to < line.len() {
            shown.line.push('…');
        }
        shown.line.truncate(shown.line.trim_end().len());
        shown.width = shown.width.max(1);
        shown
    }
}

/// Appends a character as it is shown; returns its width in terminal columns.
fn push_shown(line: &mut String, c: char) -> usize {
    match c {
        '\t' => {
            line.push_str("    ");
            4
        }
        c if is_hidden(c) => {
            let escaped = escape(c.encode_utf8(&mut [0; 4])).into_owned();
            line.push_str(&escaped);
            escaped.len()
        }
        c => {
            line.push(c);
            c.width().unwrap_or(0)
        }
    }
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}X{}", "a".repeat(10_000), "b".repeat(10_000));
        let excerpt = Excerpt::of(&line, 10_000, 1);
        assert_eq!(excerpt.line.chars().count(), 162);
        assert_eq!(excerpt.line.chars().nth(excerpt.caret), Some('X'));
    }

    #[test]
    fn a_caret_does_not_run_over_the_line_end() {
        let excerpt = Excerpt::of("ab\ncd", 1, 4);
        assert_eq!((excerpt.line.as_str(), excerpt.caret, excerpt.width), ("ab", 1, 1));
        assert_eq!(Excerpt::of("", 0, 0).width, 1);
    }

    #[test]
    fn neither_passwords_nor_escape_sequences_reach_the_terminal() {
        let line = "broker: redis://me:s3:cr@t@host/0 # \x1b[31m";
        let excerpt = Excerpt::of(line, 0, 6);
        assert_eq!(excerpt.line, "broker: redis://me:*******@host/0 # \\u001b[31m");
        let shown = |line: &str| Excerpt::of(line, 0, 1).line;
        assert_eq!(shown("a: redis://:s3 cret@host"), "a: redis://:*******@host");
        assert_eq!(
            shown("{a: unix:///s?db=1&pass=s3cret&x=1}"),
            "{a: unix:///s?db=1&pass=***********"
        );
        assert_eq!(shown("a: [http://x/, me@mail.com]"), "a: [http://x/, me@mail.com]");
    }

    #[test]
    fn of_a_text_with_secrets_only_a_known_key_is_shown() {
        let shown = |text: &str, start: usize| {
            Excerpt::of_key(text, start, |word| word == "grace").map(|it| (it.line, it.caret))
        };
        let (key, value) = (Some(("grace: …".to_owned(), 0)), Some(("grace: …".to_owned(), 7)));
        assert_eq!(shown("grace: 1m", 0), key);
        assert_eq!(shown("{\"grace\" : \"1m\"}", 1), key);
        assert_eq!(shown("a: b\n  grace:\n    'é'", 18), value);
        assert_eq!(shown("grace:", 5), value);
        for (text, start) in
            [("égrace: é", 9), ("é: x", 4), ("é", 2), ("grace é", 8), ("brokr: x", 0)]
        {
            let found = shown(text, start);
            assert!(found.is_none() || found == value, "{text}: {found:?}");
        }
        assert_eq!(shown("tracé: x", 0), None);
    }
}
