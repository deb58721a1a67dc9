//! `config`: every setting, and what set it.

use serde_json::{Map, Value, json};

use super::{Exit, Failure, broker_of_run, configuration, show};
use crate::cli::ServiceFlags;

pub(super) fn config(flags: ServiceFlags, json: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::No)?;
    let mut settings = service.settings();
    for (key, value, _) in &mut settings {
        if *key == "broker" && value.is_null() {
            *value = match &service.hidden_broker {
                Some(why) => json!(format!("not known: {why}")),
                None => json!(broker_of_run(&service).to_string()),
            };
        }
    }
    if json {
        let object = |(key, value, source): (&str, Value, Option<&str>)| {
            (key.to_owned(), json!({"value": value, "source": source}))
        };
        show::json(&settings.into_iter().map(object).collect::<Map<_, _>>())?;
        return Ok(Exit::Fine);
    }
    let row = |(key, value, source): (&str, Value, Option<&str>)| {
        [key.to_owned(), in_words(&value), source.unwrap_or("default").to_owned()].to_vec()
    };
    show::table(
        &["SETTING", "VALUE", "SET BY"],
        &settings.into_iter().map(row).collect::<Vec<_>>(),
    )?;
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
