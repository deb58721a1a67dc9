//! Escapes hidden characters in texts that leave the process: a terminal would act on them, or nobody
//! would see them.
//!
//! Texts are escaped where they leave (standard output, standard error, log, STATUS, `/status`), so no
//! message has to escape its parts. Such a text is one line: a newline in it is data, and code that lays
//! out several lines prints each separately.
//! The notation is JSON's, `\n` and `\u202e`: within a string of JSON or logfmt it means the same
//! character, so such texts can be escaped as a whole.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Maximum bytes shown of a line for people, and of a value in the log before escaping. rsyslog accepts
/// lines of 8 KiB (`maxMessageSize`) and journald of 48 KiB (`LineMax=`), the most that 8 KiB here can
/// become.
pub const MAX_SHOWN: usize = 8 << 10;

/// Puts a text on one line, with hidden characters escaped.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_if(text, is_hidden)
}

/// The same for a text that is laid out in lines and has no foreign newlines, such as JSON.
#[must_use]
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_if(text, |c| c != '\n' && is_hidden(c))
}

fn escape_if(text: &str, is_hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly every text is plain, and the log has many: this compares sixteen bytes at once.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(&is_hidden) else { return Cow::Borrowed(text) };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            c if !is_hidden(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character moves the cursor, breaks or reverses a line, or is invisible.
///
/// These are Unicode's control characters (Cc), line and paragraph separators, bidirectional controls
/// ("Trojan Source", CVE-2021-42574; UTS #55), and those other invisible characters
/// (Default_Ignorable_Code_Point) that no script or emoji needs: the joiners U+200C and U+200D, the
/// variation selectors and the conjoining Hangul fillers stay.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}'
        | '\u{e01f0}'..='\u{e0fff}')
}

/// The text, or its beginning and `…` if it is longer than this many bytes.
#[must_use]
pub fn shorten(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_all_others_stay() {
        for (text, escaped) in [
            ("\u{1b}[2J\u{9b}31m\u{7}\u{7f}", r"\u001b[2J\u009b31m\u0007\u007f"),
            ("a\r\nb\tc\0", r"a\r\nb\tc\u0000"),
            ("\u{202e}gpj\u{202c}\u{2066}\u{200f}\u{61c}", r"\u202egpj\u202c\u2066\u200f\u061c"),
            ("a\u{2028}b\u{2029}c\u{85}d", r"a\u2028b\u2029c\u0085d"),
            ("ad\u{200b}min\u{feff}\u{3164}", r"ad\u200bmin\ufeff\u3164"),
            ("hi\u{e0041}", r"hi\udb40\udc41"),
        ] {
            assert_eq!(escape(text), escaped);
            let string = format!("\"{escaped}\"");
            assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text);
        }
        for text in [
            "",
            "plain \\ \"x\"",
            "이름 ᄒ\u{1160}",
            "❤\u{fe0f} 👩\u{200d}💻",
            "e\u{301}",
            "می\u{200c}خواهم",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn layout_keeps_its_newlines_and_nothing_else() {
        assert_eq!(escape_lines("a\nb\r\n\tc"), "a\nb\\r\n\\tc");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten("이름", 6), "이름");
        assert_eq!(shorten("이름", 5), "이…");
        assert_eq!(shorten("", 0), "");
    }

    proptest! {
        #[test]
        fn escaped_texts_hide_nothing_and_stay_when_escaped_again(text in r"(\PC|\p{C}|\p{Z}){0,20}") {
            let escaped = escape(&text).into_owned();
            prop_assert!(!escaped.contains(is_hidden));
            prop_assert_eq!(escape(&escaped), escaped.as_str());
        }

        #[test]
        fn escaped_json_has_the_same_meaning(text in r"(\PC|\p{C}|\p{Z}){0,20}") {
            let json = serde_json::to_string_pretty(&[&text]).unwrap();
            let read: Vec<String> = serde_json::from_str(&escape_lines(&json)).unwrap();
            prop_assert_eq!(read, [text]);
        }
    }
}
