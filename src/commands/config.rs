//! `config`: shows every setting, and what set it.

use serde_json::{Map, Value, json};

use super::{Exit, Failure, broker_for_run, configuration, show};
use crate::cli::ServiceFlags;
use crate::config::{Caller, SettingSource};

pub(super) fn config(flags: ServiceFlags, json: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::No)?;
    let mut settings = service.settings();
    for (key, value, _) in &mut settings {
        if *key == "broker" && value.is_null() {
            *value = match &service.unknown_broker {
                Some(why) => json!(format!("not known: {why}")),
                None => json!(broker_for_run(&service).to_string()),
            };
        }
    }
    if json {
        let object = |(key, value, source): (&str, Value, Option<&SettingSource>)| {
            let source = source.map(ToString::to_string);
            (key.to_owned(), json!({"value": value, "source": source}))
        };
        show::json(&settings.into_iter().map(object).collect::<Map<_, _>>())?;
        return Ok(Exit::Fine);
    }
    let row = |(key, value, source): (&str, Value, Option<&SettingSource>)| {
        let source = source.map_or_else(|| "default".to_owned(), ToString::to_string);
        vec![key.to_owned(), in_words(&value), source]
    };
    let columns = [
        show::Column::whole("SETTING"),
        show::Column::whole("VALUE"),
        show::Column::whole("SET BY"),
    ];
    show::table(&columns, &settings.into_iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Fine)
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(members) if members.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
