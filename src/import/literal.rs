//! Values that must arrive as they are: here, strings in arguments may hold templates.

use serde_json::Value;

/// The value with every string escaped, so that none is read as a template. Keys stay as they are.
pub(crate) fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{{", r#"{{ "{{" }}"#)),
        Value::Array(items) => Value::Array(items.into_iter().map(literal).collect()),
        Value::Object(pairs) => {
            Value::Object(pairs.into_iter().map(|(key, value)| (key, literal(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn braces_are_sent_as_they_are() {
        let value = literal(json!({"a": ["{{ user }}", 1], "b": "plain {x}"}));
        assert_eq!(value, json!({"a": [r#"{{ "{{" }} user }}"#, 1], "b": "plain {x}"}));
    }
}
