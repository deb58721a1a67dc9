//! Unquoted scalars by the core schema of YAML 1.2.

/// The meaning of a scalar under the core schema of YAML 1.2.
///
/// Unlike in YAML 1.1, `no` and `on` are text, `0o17` is fifteen, and neither `1_000` nor `12:30`
/// is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    /// An integer beyond 64 bits.
    Huge,
    Float(f64),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    /// Section 10.3.2 of the YAML 1.2.2 specification. JSON's scalars mean the same.
    pub(crate) fn core(text: &'a str) -> Scalar<'a> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            _ => Scalar::number(text).unwrap_or(Scalar::Text(text)),
        }
    }

    fn number(text: &'a str) -> Option<Scalar<'a>> {
        // Most scalars are names, which the first byte settles.
        if !text.as_bytes()[0].is_ascii_digit() && !matches!(text.as_bytes()[0], b'-' | b'+' | b'.')
        {
            return None;
        }
        if let Some(digits) = text.strip_prefix("0o") {
            return radix(digits, 8, |b| matches!(b, b'0'..=b'7'));
        }
        if let Some(digits) = text.strip_prefix("0x") {
            return radix(digits, 16, |b| b.is_ascii_hexdigit());
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return Some(integer(text.parse().ok()));
        }
        match unsigned {
            ".inf" | ".Inf" | ".INF" if text.starts_with('-') => {
                Some(Scalar::Float(f64::NEG_INFINITY))
            }
            ".inf" | ".Inf" | ".INF" => Some(Scalar::Float(f64::INFINITY)),
            ".nan" | ".NaN" | ".NAN" if unsigned == text => Some(Scalar::Float(f64::NAN)),
            _ if is_decimal(unsigned) => text.parse().ok().map(Scalar::Float),
            _ => None,
        }
    }
}

fn radix(digits: &str, radix: u32, is_digit: fn(u8) -> bool) -> Option<Scalar<'static>> {
    let valid = !digits.is_empty() && digits.bytes().all(is_digit);
    valid.then(|| integer(i128::from_str_radix(digits, radix).ok()))
}

fn integer(value: Option<i128>) -> Scalar<'static> {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    value.filter(|value| range.contains(value)).map_or(Scalar::Huge, Scalar::Int)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0 && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_follow_the_core_schema_of_yaml_1_2() {
        let table = [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("null", Scalar::Null),
            ("True", Scalar::Bool(true)),
            ("FALSE", Scalar::Bool(false)),
            ("12", Scalar::Int(12)),
            ("-3", Scalar::Int(-3)),
            ("+3", Scalar::Int(3)),
            ("010", Scalar::Int(10)),
            ("0o17", Scalar::Int(15)),
            ("0xff", Scalar::Int(255)),
            ("18446744073709551615", Scalar::Int(u64::MAX.into())),
            ("18446744073709551616", Scalar::Huge),
            ("-9223372036854775809", Scalar::Huge),
            ("1.5", Scalar::Float(1.5)),
            (".5", Scalar::Float(0.5)),
            ("1.", Scalar::Float(1.0)),
            ("1e3", Scalar::Float(1000.0)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
        ];
        for (text, meaning) in table {
            assert_eq!(Scalar::core(text), meaning, "{text}");
        }
        let texts = ["no", "on", "Yes", "1_000", "12:30", "2026-12-24", "1h", ".", "-", "e1", "1e"];
        for text in texts.into_iter().chain(["+.nan", "0o", "0x", "0o8", "-0o7", "1.5.2", "--1"]) {
            assert_eq!(Scalar::core(text), Scalar::Text(text));
        }
    }
}
