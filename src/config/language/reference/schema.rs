//! The JSON Schema of a schedule file.

use serde_json::{Map, Value, json};

use crate::config::language::{
    crontab, days, entry, message, options, overlap, schedule_file, solar, when,
};
use crate::text::section::{Description, KeyDescription, REQUIRED};
use crate::text::types;

/// The JSON Schema (draft 2020-12) of a schedule file, for editors and other checkers.
///
/// It knows the shape of a file: keys, types, ranges, and which keys go together. Only `check` knows
/// whether a crontab line or a zone is valid.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&schedule_file::FILE.describe().keys);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A schedule file of downbeat".into();
    schema["$defs"] = definitions();
    schema
}

/// The mappings in a file, and the types of their keys.
fn definitions() -> Value {
    let mut all = Map::new();
    add_types(&types::SHARED, &mut all);
    for (_, section) in super::sections() {
        add_types(section.types, &mut all);
    }
    let mut add = |name: &str, schema| all.insert(name.to_owned(), schema);
    add("entry", entry());
    add("defaults", object(&message::DEFAULTS.describe().keys));
    let (quartz, crontab): (Vec<_>, Vec<_>) = crontab::CRONTAB
        .describe()
        .keys
        .into_iter()
        .partition(|key| key.name == crontab::QUARTZ.name);
    let mut quartz = object(&quartz);
    quartz["required"] = json!([crontab::QUARTZ.name]);
    add("crontab", object(&crontab));
    add("quartz", quartz);
    add("solar", object(&solar::SOLAR.describe().keys));
    add("moved", object(&days::EXCEPT.describe().keys));
    add("skip", object(&overlap::SKIP.describe().keys));
    for (name, section) in options::inner() {
        add(name, object(&section.keys));
    }
    let options = super::options().map(|(_, section)| object(&section.keys));
    add("options", json!({"anyOf": options.collect::<Vec<_>>()}));
    all.into()
}

fn entry() -> Value {
    let Description { mut keys, .. } = entry::ENTRY.describe();
    keys.extend(message::DEFAULTS.describe().keys);
    let mut entry = object(&keys);
    entry["oneOf"] = when::TIMINGS.iter().map(|key| json!({"required": [key.name]})).collect();
    let companions = when::COMPANIONS.map(|(key, owner)| (key.to_owned(), json!([owner])));
    entry["dependentRequired"] = Value::Object(companions.into_iter().collect());
    entry
}

fn add_types(types: &[(&str, &str)], all: &mut Map<String, Value>) {
    for (name, schema) in types {
        all.insert((*name).to_owned(), parse(schema));
    }
}

fn object(keys: &[KeyDescription]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let mut object =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    let required: Vec<_> =
        keys.iter().filter(|key| key.default == REQUIRED).map(|key| key.name).collect();
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(key: &KeyDescription) -> Value {
    let mut schema = parse(key.of_type.schema);
    schema["description"] = key.doc.replace('`', "").into();
    schema
}

/// A test parses each of them.
fn parse(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap_or_default()
}
