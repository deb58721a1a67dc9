//! YAML files of other programs as JSON values.

use serde_json::{Map, Number, Value};

use super::ImportError;
use crate::text::{Node, Report, Scalar, read_all, summary};

/// Maximum number of values, including those that aliases repeat.
const MAX_VALUES: usize = 5_000_000;

/// Reads a document, with anchors, aliases and the merge keys of YAML 1.1; null if it is empty.
///
/// # Errors
///
/// If the text is not YAML, or its aliases repeat too much; `file` is its name.
pub(crate) fn read(file: &str, text: &str) -> Result<Value, ImportError> {
    let mut report = Report::new(file, text);
    let Ok(root) = read_all(false, &mut report) else {
        return Err(ImportError::Invalid(format!("{file}: {}", summary(&report.finish()))));
    };
    let mut left = MAX_VALUES;
    match root.map(|root| value(&root, &mut left)) {
        None => Ok(Value::Null),
        Some(Some(value)) => Ok(value),
        Some(None) => {
            Err(ImportError::Invalid(format!("{file}: its aliases repeat too many values")))
        }
    }
}

fn value(node: &Node<'_>, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    if let Some(items) = node.list() {
        return items.iter().map(|item| value(item, left)).collect();
    }
    if let Some(pairs) = node.map() {
        let mut own = Map::new();
        let mut merged = Map::new();
        for pair in pairs {
            let value = value(&pair.value, left)?;
            match value {
                Value::Object(more) if pair.key.is_merge_key() => merged.extend(more),
                value => drop(own.insert(pair.name().to_owned(), value)),
            }
        }
        merged.extend(own);
        return Some(Value::Object(merged));
    }
    Some(match node.scalar()? {
        Scalar::Null => Value::Null,
        Scalar::Bool(flag) => flag.into(),
        Scalar::Int(number) => Number::from_i128(number).map(Value::Number)?,
        Scalar::Float(number) => {
            Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        Scalar::Huge => node.as_written()?.into(),
        Scalar::Text(text) => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let text = "base: &base {queue: low, retry: 3}\njob:\n  <<: *base\n  retry: 5\n  args: [1, ~, 2.5, yes]\n";
        assert_eq!(
            read("a.yml", text).unwrap(),
            json!({
                "base": {"queue": "low", "retry": 3},
                "job": {"queue": "low", "retry": 5, "args": [1, null, 2.5, "yes"]},
            })
        );
    }

    #[test]
    fn what_repeats_without_end_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
        }
        assert!(read("a.yml", &text).unwrap_err().to_string().contains("repeat"));
        assert!(read("a.yml", "a: [").unwrap_err().to_string().starts_with("a.yml: "));
    }
}
