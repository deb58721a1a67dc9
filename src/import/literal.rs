//! Values that must arrive as they are: here, strings in arguments may hold templates.

use serde_json::Value;

/// The value with every string escaped, so that none is read as a template. Keys stay as they are.
pub(crate) fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(literal).collect()),
        Value::Object(pairs) => {
            Value::Object(pairs.into_iter().map(|(key, value)| (key, literal(value))).collect())
        }
        other => other,
    }
}

/// What begins a template (`{{`, `{%`, `{#`) as a template that prints it.
fn escaped(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.match_indices('{').map(|(at, _)| at).find(|at| begins(&rest[*at..])) {
        let (before, from) = rest.split_at(at);
        let (begin, after) = from.split_at(2);
        out += &format!("{before}{{{{ \"{begin}\" }}}}");
        rest = after;
    }
    out + rest
}

fn begins(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|begin| text.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn braces_are_sent_as_they_are() {
        let value = literal(json!({"a": ["{{ user }}", 1], "b": "plain {x}", "c": "{% a {# {{%"}));
        assert_eq!(
            value,
            json!({
                "a": [r#"{{ "{{" }} user }}"#, 1], "b": "plain {x}",
                "c": r#"{{ "{%" }} a {{ "{#" }} {{ "{{" }}%"#,
            })
        );
    }
}
