//! Types of keys, as the reference and the schema show them.

/// The type of a key.
#[derive(Clone, Copy)]
pub(crate) struct Type {
    /// In words.
    pub(crate) words: &'static str,
    /// As a JSON Schema. `#/$defs/…` are [`SHARED`] types, and those of the key's section.
    pub(crate) schema: &'static str,
}

pub(crate) const NAME: Type = Type { words: "text", schema: r##"{"$ref": "#/$defs/name"}"## };
pub(crate) const TEXT: Type = Type { words: "text", schema: r#"{"type": "string"}"# };
pub(crate) const LENGTH: Type = Type { words: "length", schema: r##"{"$ref": "#/$defs/length"}"## };
pub(crate) const BOOLEAN: Type =
    Type { words: "`true` or `false`", schema: r#"{"type": "boolean"}"# };
/// A number of slots or messages, up to [`MAX_COUNT`](super::expect::MAX_COUNT).
pub(crate) const COUNT: Type =
    Type { words: "number", schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000000000}"# };

/// Types of keys in all sections, by name.
pub(crate) static SHARED: [(&str, &str); 2] = [
    ("name", r#"{"type": "string", "minLength": 1, "maxLength": 255}"#),
    (
        "length",
        r#"{
            "type": "string",
            "pattern": "^(?=.)([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "examples": ["500ms", "90s", "5m", "1h30m", "2d", "1w"]
        }"#,
    ),
];
