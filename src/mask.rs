//! Hides passwords in texts that leave the process.
//!
//! This is the second line of defence. The first is that a password is a
//! [`Secret`](crate::address::Secret) as soon as it is read, and that no message quotes a value of the
//! configuration. But texts in arguments, in paths and from servers can look like anything.

use std::borrow::Cow;
use std::ops::Range;

use crate::address::is_scheme;

/// Replaces a password.
const HIDDEN: &str = "***";
/// Words in the name of a parameter with a secret value.
const SECRET_NAMES: [&str; 4] = ["pass", "pwd", "secret", "token"];

/// Replaces the password of each address (`redis://me:***@host`), and the value of each parameter that
/// sounds like a password (`?password=***`), with `***`.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let ranges = secrets(text);
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut masked, mut shown_to) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        masked.push_str(&text[shown_to..range.start]);
        masked.push_str(HIDDEN);
        shown_to = range.end;
    }
    masked.push_str(&text[shown_to..]);
    Cow::Owned(masked)
}

/// The byte ranges to hide, in order.
pub(crate) fn secrets(text: &str) -> Vec<Range<usize>> {
    if !may_have_secret(text) {
        return Vec::new();
    }
    let mut ranges = Vec::new();
    for word in words(text) {
        ranges.extend(login(text, word.start..end_past_quotes(text, &word)));
        ranges.extend(parameter(text, word));
    }
    merged(ranges)
}

/// Whether the text has a login, or a word that begins like one of [`SECRET_NAMES`]. Every line of the log
/// is checked, and almost none has: this compares sixteen bytes at once.
fn may_have_secret(text: &str) -> bool {
    let bytes = text.as_bytes();
    let [second, third] = [1, 2].map(|from| bytes.get(from..).unwrap_or_default());
    let begins = bytes.iter().zip(second).zip(third).fold(false, |found, ((a, b), c)| {
        let is = |begin: &[u8; 3]| {
            (a | 0x20 == begin[0]) & (b | 0x20 == begin[1]) & (c | 0x20 == begin[2])
        };
        found | is(b"pas") | is(b"pwd") | is(b"sec") | is(b"tok")
    });
    begins || bytes.contains(&b'@')
}

/// The ranges to hide in a line that somebody wrote: a password may contain unencoded white space, and
/// keys have values, too.
pub(crate) fn secrets_in_source(line: &str) -> Vec<Range<usize>> {
    let mut ranges = secrets(line);
    for word in words(line) {
        let end = line.rfind('@').unwrap_or(0);
        // Skips a host with only a port.
        if let Some(start) = address(line, word.clone())
            && !line[start..word.end].contains('@')
            && let Some(colon) = line[start..word.end].find(':')
            && start + colon < end
        {
            ranges.push(start + colon + 1..end);
        }
    }
    ranges.extend(values(line));
    merged(ranges)
}

/// Runs of characters without white space or quotes; an escaped quote does not end one.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_end = move |at: usize| ends_word(bytes, at);
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && is_end(at) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && !is_end(at) {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
}

fn ends_word(text: &[u8], at: usize) -> bool {
    is_quote(text, at)
        || text[at].is_ascii_whitespace()
        || text[at] == b',' && text.get(at + 1) == Some(&b' ')
}

/// Whether there is an unescaped quote.
fn is_quote(text: &[u8], at: usize) -> bool {
    let is_escaped = || {
        let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\');
        backslashes.count() % 2 == 1
    };
    matches!(text[at], b'"' | b'\'' | b'`') && !is_escaped()
}

/// The end of a word that may continue after a quote, as a password may contain one. The kind of quote
/// that opened the word closes it. So does a quote that is followed by the end of a word, as the end of
/// a JSON string always is; but not a single quote in a word that another kind opened.
fn end_past_quotes(text: &str, word: &Range<usize>) -> usize {
    let bytes = text.as_bytes();
    let opening = word.start.checked_sub(1).map(|before| bytes[before]);
    let is_opened = opening.is_some_and(|byte| b"\"'`".contains(&byte));
    let closes = |at: usize| {
        let follows = bytes.get(at + 1).copied().unwrap_or(b' ');
        let is_followed = follows.is_ascii_whitespace() || b"\"'`,:;)]}".contains(&follows);
        opening == Some(bytes[at]) || is_followed && (bytes[at] == b'"' || !is_opened)
    };
    let mut end = word.end;
    while end < bytes.len() && is_quote(bytes, end) && !closes(end) {
        end += 1;
        while end < bytes.len() && !ends_word(bytes, end) {
            end += 1;
        }
    }
    end
}

/// Where the part after an address's scheme and slashes begins. With one slash too few, it still counts
/// as an address.
fn address(text: &str, word: Range<usize>) -> Option<usize> {
    let mut from = word.start;
    while let Some(colon) = text[from..word.end].find(':').map(|colon| from + colon) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let scheme = text[word.start..colon].rsplit(|c| !is_name(c)).next().unwrap_or_default();
        let after = text[colon + 1..word.end].trim_start_matches('/');
        let start = word.end - after.len();
        if !scheme.is_empty() && (start > colon + 1 || is_scheme(scheme)) {
            return Some(start);
        }
        from = colon + 1;
    }
    None
}

/// The password before the host, or the whole login if no colon separates it from a user.
fn login(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let at = word.start + text[word.clone()].rfind('@')?;
    let start = address(text, word)?;
    let colon = text.get(start..at)?.find(':').map_or(start, |colon| start + colon + 1);
    (colon < at).then_some(colon..at)
}

/// Everything after the first parameter whose name sounds secret.
fn parameter(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let mut equals = text[word.clone()].match_indices('=').map(|(at, _)| word.start + at);
    let is_secret = |equals: &usize| is_secret_name(&text[word.start..*equals]);
    let value = equals.find(is_secret)? + 1;
    (value < word.end).then_some(value..word.end)
}

/// Whether the name at the end of the text sounds secret.
fn is_secret_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let start = bytes.iter().rposition(|byte| !is_name(byte)).map_or(0, |before| before + 1);
    let name = &bytes[start..];
    SECRET_NAMES.iter().any(|secret| {
        name.windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret.as_bytes()))
    })
}

/// The values of keys that sound secret: `password: …`.
fn values(line: &str) -> Vec<Range<usize>> {
    let shown = line.to_ascii_lowercase();
    let value = |at: usize| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\'');
        let colon = at + shown[at..].find(|c| !is_name(c))?;
        let after = shown[colon..].strip_prefix(':')?.trim_start();
        let start = line.len() - after.len();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quote {
            Some(quote) => after[1..].find(quote).map(|end| end + 2),
            None => after.find([',', '}', ']']),
        };
        Some(start..start + end.unwrap_or(after.len()))
    };
    let named = SECRET_NAMES.iter().flat_map(|name| shown.match_indices(name));
    named.filter_map(|(at, _)| value(at)).filter(|range| !range.is_empty()).collect()
}

/// Merges overlapping ranges, in order.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_secret_name_is_looked_at_in_either_case() {
        for name in SECRET_NAMES {
            assert!(
                may_have_secret(name) && may_have_secret(&format!("a_{}=", name.to_uppercase()))
            );
        }
        assert!(
            may_have_secret("me@host")
                && !may_have_secret("")
                && !may_have_secret("entry=\"a\" slot=1")
        );
    }

    #[test]
    fn passwords_are_hidden_and_all_else_is_shown() {
        for (text, shown) in [
            ("redis://me:pw@host:6379/0", "redis://me:***@host:6379/0"),
            ("broker redis://:pw@host: refused", "broker redis://:***@host: refused"),
            ("redis:/me:pw@host", "redis:/me:***@host"),
            ("redis:me:pw@host", "redis:me:***@host"),
            ("unix:me:pw@/run/redis.sock", "unix:me:***@/run/redis.sock"),
            ("redis://pw@host", "redis://***@host"),
            ("redis://me:p@w@host", "redis://me:***@host"),
            ("postgres://me:p:w@host/db", "postgres://me:***@host/db"),
            ("spool:redis://me:pw@host", "spool:redis://me:***@host"),
            ("/etc/redis://me:pw@host is no file", "/etc/redis://me:***@host is no file"),
            ("unix:/s?pass=pw", "unix:/s?pass=***"),
            ("unix:///s?db=1&Password=a&b=1 x", "unix:///s?db=1&Password=*** x"),
            ("sentinel_password=abc&pw", "sentinel_password=***"),
            ("api-token=pw, x=1", "api-token=***, x=1"),
            (
                r#"{"url": "redis://me:pw@host", "a": "b@c"}"#,
                r#"{"url": "redis://me:***@host", "a": "b@c"}"#,
            ),
            (r#"{"url": "redis://me:p\"w@host"}"#, r#"{"url": "redis://me:***@host"}"#),
            ("redis://a:p@h;redis://b:w@h", "redis://a:***@h"),
            ("redis://me:p'w@host", "redis://me:***@host"),
            ("redis://me:p@x'w@host", "redis://me:***@host"),
            ("no redis://me:p`w\"x@host: refused", "no redis://me:***@host: refused"),
            ("error=\"no redis://me:p'w@h\" a=b@c", "error=\"no redis://me:***@h\" a=b@c"),
            (r#""redis://me:p',w@host""#, r#""redis://me:***@host""#),
            (r#"["unix:/s?pass=p\\","a"]"#, r#"["unix:/s?pass=***","a"]"#),
            (r#"["redis://me:p\\\"w@host"]"#, r#"["redis://me:***@host"]"#),
            (
                r#"{"no":"not 'redis://me:pw@host","mail":"b@c"}"#,
                r#"{"no":"not 'redis://me:***@host","mail":"b@c"}"#,
            ),
            ("`unix:/s?pass=pw` is no socket", "`unix:/s?pass=***` is no socket"),
            ("redis://이름:비밀@host", "redis://이름:***@host"),
        ] {
            assert_eq!(mask(text), shown);
            assert_eq!(mask(shown), shown, "masked again, it stays as it is");
        }
        for text in [
            "",
            "redis://host:6379/0",
            "http://x/, me@mail.com",
            "a.yaml:1:1: unknown key `password` in an entry",
            "became leader term=3 holder=host/1/2",
            "celery@host did not answer",
            "passwords must be percent-encoded",
            "pass=",
            "0 3 * * mon@x",
            r#"{"url":"redis://host:6379","mail":"b@c"}"#,
            "['redis://host:6379','me@x']",
            "see \"redis://host:6379\" for me@x",
            "either `redis://host:6379` or`me@x`",
        ] {
            assert!(matches!(mask(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_masked_and_masked_again_stays(
            text in r#"([a-z]{0,3}|redis|password|[:/@=?&,"' ]|\\|이|\n){0,20}"#
        ) {
            let masked = mask(&text).into_owned();
            prop_assert_eq!(mask(&masked), masked.as_str(), "{}", text);
            let mut end = 0;
            for range in secrets_in_source(&text) {
                prop_assert!(end <= range.start && range.start < range.end);
                end = range.end;
                prop_assert!(text.get(range).is_some());
            }
        }
    }

    proptest! {
        #[test]
        fn masked_json_is_json_still(
            texts in prop::collection::vec(
                r#"([a-z]{0,3}|redis:(//)?|password=|[:/@=?&,"' {}\[\]]|\\|이|\n){0,12}"#, 1..6
            )
        ) {
            let nested = serde_json::json!({"a": texts, "redis:": {&texts[0]: texts.concat()}});
            for json in [nested.to_string(), format!("{nested:#}")] {
                let masked = mask(&json);
                let read = serde_json::from_str::<serde_json::Value>(&masked);
                prop_assert!(read.is_ok(), "{} {}", json, masked);
            }
        }
    }

    #[test]
    fn in_a_source_line_values_of_keys_are_hidden_too() {
        let shown = |line: &str| {
            let mut shown = line.as_bytes().to_vec();
            secrets_in_source(line).into_iter().for_each(|range| shown[range].fill(b'*'));
            String::from_utf8(shown).unwrap()
        };
        assert_eq!(shown("a: redis://:s3 cret@host"), "a: redis://:*******@host");
        assert_eq!(shown("{password: pw, x: 1}"), "{password: **, x: 1}");
        assert_eq!(shown("{\"api_token\": \"p,w\", x: 1}"), "{\"api_token\": *****, x: 1}");
        assert_eq!(shown("db_passwd:  pw"), "db_passwd:  **");
        assert_eq!(shown("a: [http://x/, me@mail.com]"), "a: [http://x/, me@mail.com]");
        assert_eq!(shown("- redis://h:1 # me"), "- redis://h:1 # me");
    }
}
