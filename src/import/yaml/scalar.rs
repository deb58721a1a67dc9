//! Unquoted scalars as Ruby's Psych reads them: by YAML 1.1, with symbols.
//!
//! The rules are those of `Psych::ScalarScanner`
//! (<https://github.com/ruby/psych/blob/master/lib/psych/scalar_scanner.rb>).

use serde_json::{Number, Value};

/// Longer words are no constants.
const MAX_WORD: usize = 5;

/// The value of an unquoted scalar; a symbol becomes a text, as in JSON.
///
/// # Errors
///
/// In one clause, if Ruby's value has no counterpart in JSON.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    if begins_with_a_word(text) {
        return Ok(constant(text).unwrap_or_else(|| text.into()));
    }
    if is_date(text) {
        return Err(format!("Ruby reads `{text}` as a date"));
    }
    if let Some(symbol) = text.strip_prefix(':').filter(|symbol| !symbol.is_empty()) {
        return Ok(without_quotes(symbol).into());
    }
    match number(text) {
        None => Ok(text.into()),
        Some(Some(number)) => Ok(Value::Number(number)),
        Some(None) => Err(format!("`{text}` is a number that JSON cannot hold")),
    }
}

/// Whether it begins with a letter or one of some signs, perhaps after another character.
fn begins_with_a_word(text: &str) -> bool {
    let of_word =
        |c: char| c.is_alphabetic() || c.is_whitespace() || r"_!@#$%^&*(){}<>|/\~;=".contains(c);
    let mut chars = text.chars();
    let first = chars.next();
    let skips_first = first.is_some_and(|c| !c.is_ascii_digit() && !".:-".contains(c));
    first.is_some_and(of_word) || (skips_first && chars.next().is_some_and(of_word))
}

fn constant(text: &str) -> Option<Value> {
    if text.len() > MAX_WORD {
        return None;
    }
    match &*text.to_ascii_lowercase() {
        "~" | "null" => Some(Value::Null),
        "yes" | "true" | "on" => Some(true.into()),
        "no" | "false" | "off" => Some(false.into()),
        _ => None,
    }
}

/// `2026-01-01`, perhaps with a time of day.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time.trim_start()),
        None => (text, ""),
    };
    let parts: Vec<Option<u16>> = date.split('-').map(|part| part.parse().ok()).collect();
    let is_day =
        matches!(parts[..], [Some(_), Some(1..=12), Some(1..=31)]) && date.find('-') == Some(4);
    let mut parts = time.split(':').map(|part| part.parse::<u8>().is_ok());
    is_day && (time.is_empty() || (parts.next() == Some(true) && parts.next() == Some(true)))
}

/// A symbol may be quoted: `:"a b"`.
fn without_quotes(symbol: &str) -> &str {
    let inner = |quote| symbol.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(symbol)
}

/// `None` if it is not a number, `Some(None)` if it is one that JSON cannot hold.
fn number(text: &str) -> Option<Option<Number>> {
    let (sign, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text),
    };
    if unsigned.eq_ignore_ascii_case(".inf") || text.eq_ignore_ascii_case(".nan") {
        return Some(None);
    }
    if unsigned.contains(':') {
        return sexagesimal(sign, unsigned);
    }
    if unsigned.contains('.') {
        return float(sign, unsigned).map(Number::from_f64);
    }
    let digits = unsigned.replace([',', '_'], "");
    let (radix, digits, is_digit): (_, _, fn(u8) -> bool) = match unsigned.as_bytes() {
        [b'0', b'b', ..] => (2, &digits[2..], |b| matches!(b, b'0' | b'1')),
        [b'0', b'x', ..] => (16, &digits[2..], |b| b.is_ascii_hexdigit()),
        [b'0', _, ..] => (8, &digits[1..], |b| matches!(b, b'0'..=b'7')),
        [b'0'..=b'9', ..] if unsigned.split([',', '_']).all(|part| !part.is_empty()) => {
            (10, &*digits, |b| b.is_ascii_digit())
        }
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(is_digit);
    is_number
        .then(|| Number::from_i128(i128::from_str_radix(&format!("{sign}{digits}"), radix).ok()?))
}

/// A number with a dot; an exponent needs a sign.
fn float(sign: &str, unsigned: &str) -> Option<f64> {
    let digits = unsigned.replace([',', '_'], "");
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if exponent.starts_with(['-', '+']) => (mantissa, exponent),
        Some(_) => return None,
        None => (&*digits, "0"),
    };
    let is_number = mantissa.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    is_number.then(|| format!("{sign}{mantissa}e{exponent}").parse().ok())?
}

/// Hours, minutes and perhaps seconds, in seconds: `12:30` is 45000.
fn sexagesimal(sign: &str, unsigned: &str) -> Option<Option<Number>> {
    let is_float = unsigned.contains('.');
    let parts: Vec<&str> = unsigned.split(':').collect();
    let (first, rest) = parts.split_first()?;
    let is_part = |part: &&str| {
        let whole = part.split('.').next().unwrap_or_default();
        matches!(whole.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    };
    let is_whole = first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b == b'_' || b.is_ascii_digit());
    if !is_whole || rest.len() > 2 || !rest.iter().all(is_part) {
        return None;
    }
    let mut sum = 0.0;
    for (part, unit) in parts.iter().zip([3600.0, 60.0, 1.0]) {
        sum += part.replace('_', "").parse::<f64>().ok()? * unit;
    }
    // Ruby gives the sign to the hours only.
    let hours = first.replace('_', "").parse::<f64>().ok()? * 3600.0;
    let sum = if sign == "-" { sum - 2.0 * hours } else { sum };
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    Some(if is_float { Number::from_f64(sum) } else { Number::from_i128(sum as i128) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_what_ruby_makes_of_them() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("no", json!(false)),
            ("OFF", json!(false)),
            ("y", json!("y")),
            ("nothing", json!("nothing")),
            (":low", json!("low")),
            (":\"a b\"", json!("a b")),
            ("-12", json!(-12)),
            ("012", json!(10)),
            ("08", json!("08")),
            ("0o7", json!("0o7")),
            ("1_000", json!(1000)),
            ("1,000", json!(1000)),
            ("1_", json!("1_")),
            ("1__0", json!("1__0")),
            ("0,1", json!(1)),
            ("-0", json!(0)),
            ("0b11", json!(3)),
            ("0x1F", json!(31)),
            ("18446744073709551615", json!(u64::MAX)),
            ("12:30", json!(45000)),
            ("1:00:01", json!(3601)),
            ("-1:30", json!(-1800)),
            ("1:30.5", json!(5430.0)),
            ("12:60", json!("12:60")),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1.5e+3", json!(1500.0)),
            ("1.5e3", json!("1.5e3")),
            ("1e3", json!("1e3")),
            (".", json!(".")),
            ("0 5 * * *", json!("0 5 * * *")),
            ("*/5 * * * *", json!("*/5 * * * *")),
            ("1.2.3", json!("1.2.3")),
            ("é", json!("é")),
            ("2026-1", json!("2026-1")),
            ("2026-13-01", json!("2026-13-01")),
            ("1-2", json!("1-2")),
            ("+:a", json!("+:a")),
        ] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for text in [".inf", "-.INF", ".nan", "1.0e+400", "18446744073709551616"] {
            assert!(read(text).unwrap_err().contains("JSON"), "{text}");
        }
        for text in ["2026-01-01", "2026-1-1", "2026-01-01 10:00:00 +0100", "2026-01-01T10:00:00Z"]
        {
            assert!(read(text).unwrap_err().contains("a date"), "{text}");
        }
    }
}
