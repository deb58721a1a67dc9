//! Formats JSON as Python's `repr` shows the value: Celery's log and Flower display it as a task's
//! arguments. Nothing is computed from it, so it favours speed over completeness.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Celery's own maximum length of `argsrepr` and `kwargsrepr`, in characters.
const LIMIT: usize = 1024;

/// The `repr` of the value of `json` (valid and compact); after 1024 characters, `...` replaces the
/// rest.
///
/// Celery's producer leaves newlines and backslashes in strings unescaped, and omits what is nested
/// more than three levels deep. This shows what Python itself would, so that an argument cannot look
/// like two log lines.
pub(in crate::worker) fn repr(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 4 + 16);
    let mut rest = json;
    // A character has at most four bytes: beyond this length, the limit is reached in any case.
    while !rest.is_empty() && out.len() <= 4 * LIMIT {
        rest = push_token(&mut out, rest);
    }
    if let Some((end, _)) = out.char_indices().nth(LIMIT) {
        out.truncate(end);
        out.push_str("...");
    }
    out
}

/// Writes the first token of `json`, which is not empty; returns the rest.
fn push_token<'a>(out: &mut String, json: &'a str) -> &'a str {
    match json.as_bytes()[0] {
        b'"' => return push_json_string(out, json),
        b',' => out.push_str(", "),
        b':' => out.push_str(": "),
        b'[' | b']' | b'{' | b'}' => out.push_str(&json[..1]),
        b' ' | b'\t' | b'\n' | b'\r' => {}
        _ => return push_scalar(out, json),
    }
    &json[1..]
}

fn push_scalar<'a>(out: &mut String, json: &'a str) -> &'a str {
    let ends = |byte| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t');
    let end = json.bytes().position(ends).unwrap_or(json.len());
    let (scalar, rest) = json.split_at(end);
    match scalar {
        "true" => out.push_str("True"),
        "false" => out.push_str("False"),
        "null" => out.push_str("None"),
        "-0" => out.push('0'),
        float if float.contains(['.', 'e', 'E']) => push_float(out, float),
        integer => out.push_str(integer),
    }
    rest
}

/// Rust switches to the exponent form at the same magnitudes as Python, but writes it shorter.
fn push_float(out: &mut String, text: &str) {
    let Ok(number) = text.parse::<f64>() else { return out.push_str(text) };
    let shown = format!("{number:?}");
    let Some((digits, exponent)) = shown.split_once('e') else { return out.push_str(&shown) };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
}

/// `json` begins with a quote.
fn push_json_string<'a>(out: &mut String, json: &'a str) -> &'a str {
    let end = string_end(json);
    let (quoted, rest) = json.split_at(end);
    let inner = quoted.get(1..end - 1).unwrap_or_default();
    push_string(out, &unescaped(quoted, inner));
    rest
}

/// The end of the string that `json` begins with, including its closing quote.
fn string_end(json: &str) -> usize {
    let bytes = json.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn unescaped<'a>(quoted: &str, inner: &'a str) -> Cow<'a, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
}

fn push_string(out: &mut String, text: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\'' && byte != b'\\';
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    if text.bytes().all(plain) {
        out.push_str(text);
    } else {
        text.chars().for_each(|character| push_char(out, character, quote));
    }
    out.push(quote);
}

fn push_char(out: &mut String, character: char, quote: char) {
    let code = u32::from(character);
    // Writing to a String cannot fail.
    let _ = match character {
        '\t' => out.write_str("\\t"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\\' => out.write_str("\\\\"),
        _ if character == quote => write!(out, "\\{quote}"),
        _ if is_printable(character) => out.write_char(character),
        _ if code < 0x100 => write!(out, "\\x{code:02x}"),
        _ if code < 0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Python's `str.isprintable`, up to the Unicode version.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // The standard library escapes the same categories as Python, but a combining mark only at the
    // start: hence the letter in front.
    let mut text = [b'a'; 5];
    let end = 1 + character.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..end]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right side is `repr(json.loads(left))` in Python 3.11; an integration test compares many
    /// more values with the installed interpreter.
    const SHOWN: &[(&str, &str)] = &[
        ("null", "None"),
        ("true", "True"),
        ("[false,true,null]", "[False, True, None]"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1.0", "1.0"),
        ("2.5", "2.5"),
        ("1e5", "100000.0"),
        ("1e16", "1e+16"),
        ("123456789012345680.0", "1.2345678901234568e+17"),
        ("1e-4", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.5E-7", "1.5e-07"),
        ("1e400", "inf"),
        ("-1e400", "-inf"),
        ("5e-324", "5e-324"),
        ("1180591620717411303424", "1180591620717411303424"),
        (r#""plain""#, "'plain'"),
        (r#""""#, "''"),
        (r#""it's""#, r#""it's""#),
        (r#""say \"hi\"""#, r#"'say "hi"'"#),
        (r#""it's \"both\"""#, r#"'it\'s "both"'"#),
        (r#""back\\slash""#, r#"'back\\slash'"#),
        (r#""a\nb\tc\rd""#, r#"'a\nb\tc\rd'"#),
        (r#""\u0000\u001f\u007f""#, r#"'\x00\x1f\x7f'"#),
        (r#""\u00e9\u2603""#, "'é☃'"),
        (r#""日本語 🎉""#, "'日本語 🎉'"),
        (r#""\u00a0\u00ad""#, r#"'\xa0\xad'"#),
        (r#""\u200b\u2028\ufeff""#, r#"'\u200b\u2028\ufeff'"#),
        (r#""e\u0301""#, "'é'"),
        (r#""\u0301""#, "'́'"),
        (r#""\ud83c\udf89""#, "'🎉'"),
        (r#""\ue000""#, r#"'\ue000'"#),
        (r#""\udb40\udc01""#, r#"'\U000e0001'"#),
        (r#""~\/""#, "'~/'"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[1,[2,[3,[4,[]]]]]", "[1, [2, [3, [4, []]]]]"),
        (r#"{"a":{"b":[1,"x"]},"it's":null}"#, r#"{'a': {'b': [1, 'x']}, "it's": None}"#),
        ("[1, 2]", "[1, 2]"),
    ];

    #[test]
    fn values_are_shown_as_python_shows_them() {
        for (json, shown) in SHOWN {
            assert_eq!(repr(json), *shown, "{json}");
        }
    }

    #[test]
    fn long_values_are_cut_by_characters() {
        let exact = "é".repeat(LIMIT - 2);
        assert_eq!(repr(&format!("\"{exact}\"")), format!("'{exact}'"));
        let longer = format!("\"{exact}é\"");
        assert_eq!(repr(&longer), format!("'{exact}é..."));
        let many = format!("[{}0]", "1,".repeat(100_000));
        assert_eq!(repr(&many).len(), LIMIT + 3);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(json in ".*") {
            repr(&json);
        }
    }
}
