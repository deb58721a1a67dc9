//! Rows agree with each other.

use std::collections::HashSet;

use serde_json::Value;

use super::{schema, sections};
use crate::config::language::{crontab, entry, message, options, overlap, schedule_file, solar};
use crate::text::types::SHARED;
use crate::text::words::{Ours, letters};

#[test]
fn a_word_means_one_thing_in_its_section() {
    let sections = [
        schedule_file::FILE.words(),
        entry::ENTRY.words(),
        message::DEFAULTS.words(),
        crontab::CRONTAB.words(),
        solar::SOLAR.words(),
        overlap::SKIP.words(),
    ];
    for words in sections.into_iter().chain(options::words()) {
        let mut seen = HashSet::new();
        for word in words.foreign.iter().flat_map(|row| row.theirs.split_whitespace()) {
            assert!(seen.insert(letters(word)), "`{word}` appears twice in {}", words.of);
        }
        // A key of ours is no foreign word, unless its value is: `expires: 30`.
        for known in &words.known {
            let row = words.foreign.iter().find(|row| row.is(&letters(known)));
            let is_own =
                row.is_none_or(|row| matches!(row.ours, Ours::Key(key, _) if key == *known));
            assert!(is_own, "`{known}` in {}", words.of);
        }
    }
}

#[test]
fn every_type_is_a_schema_whose_references_exist() {
    let mut types = SHARED.to_vec();
    for (_, section) in sections() {
        types.extend(section.types);
        types.extend(section.keys.iter().map(|key| (key.name, key.of_type.schema)));
    }
    for (name, schema) in types {
        assert!(serde_json::from_str::<Value>(schema).unwrap().is_object(), "{name}");
    }
    let schema = schema();
    let mut references = Vec::new();
    find_references(&schema, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        assert!(schema["$defs"].get(name).is_some(), "{reference}");
    }
}

fn find_references<'s>(schema: &'s Value, found: &mut Vec<&'s str>) {
    match schema {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| find_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find_references(item, found)),
        _ => {}
    }
}
