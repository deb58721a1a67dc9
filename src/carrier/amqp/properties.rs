//! Converts properties and headers to AMQP's types.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString};
use serde_json::Value;

use crate::worker::Publication;

/// The properties of a message.
pub(super) fn of(message: &Publication) -> BasicProperties {
    let headers = match serde_json::from_slice(&message.headers).map(value) {
        Ok(AMQPValue::FieldTable(table)) => table,
        _ => FieldTable::default(),
    };
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(message.priority)
        .with_correlation_id(message.correlation_id.to_string().into());
    match message.expiration_ms {
        None => properties,
        Some(left) => properties.with_expiration(left.to_string().into()),
    }
}

/// The properties of an event; it does not survive the broker.
pub(super) fn of_event() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(1)
}

/// Converts to types that RabbitMQ and all of Celery's clients read alike: `S`, `I`, `l`, `d`, `t`, `V`, `F` and
/// `A`. An integer beyond 64 bits becomes a float.
fn value(json: Value) -> AMQPValue {
    match json {
        Value::Null => AMQPValue::Void,
        Value::Bool(truth) => AMQPValue::Boolean(truth),
        Value::Number(number) => match number.as_i64() {
            Some(long) => {
                i32::try_from(long).map_or(AMQPValue::LongLongInt(long), AMQPValue::LongInt)
            }
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text)),
        Value::Array(items) => AMQPValue::FieldArray(FieldArray::from(
            items.into_iter().map(value).collect::<Vec<_>>(),
        )),
        Value::Object(members) => {
            let mut table = FieldTable::default();
            for (name, member) in members {
                table.insert(name.as_str().into(), value(member));
            }
            AMQPValue::FieldTable(table)
        }
    }
}
