//! JSON in the texts of a store, read without losing digits.

use serde_json::Value;

/// Reads a JSON text.
///
/// # Errors
///
/// In one clause, if the text is not JSON, or has a whole number that would lose digits.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match lossy_number(text) {
        Some(number) => Err(format!("{number} does not fit into 64 bits")),
        None => Ok(value),
    }
}

/// The first whole number of a valid text that serde_json would read as a float.
fn lossy_number(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(string) = rest.strip_prefix('"') {
            rest = after_string(string);
            continue;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let (number, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        let is_whole = !number.contains(['.', 'e', 'E']);
        if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
            return Some(number);
        }
        rest = after;
    }
    None
}

/// What follows a string whose first quote has been read.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    end.map_or("", |end| &text[end + 1..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_keeps_all_its_digits_or_is_refused() {
        assert_eq!(
            read(r#"["\"99999999999999999999\\", -5, 1e3]"#),
            Ok(json!(["\"99999999999999999999\\", -5, 1e3]))
        );
        assert_eq!(read("[18446744073709551615]"), Ok(json!([u64::MAX])));
        for text in ["[1, 18446744073709551616]", r#"{"99": -9223372036854775809}"#] {
            assert!(read(text).unwrap_err().contains("64 bits"), "{text}");
        }
        assert!(read("[NaN]").is_err());
    }
}
