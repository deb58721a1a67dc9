//! Objects of Python in RedBeat's JSON, each with its kind in `__type__`.

use downbeat_time::{UnixMs, Zone};
use jiff::civil::DateTime;
use serde_json::Value;

use crate::import::zones;

/// An instant: parts of a date, with an offset in seconds or the name of a zone, else in UTC.
pub(super) fn instant(value: &Value) -> Option<UnixMs> {
    if value["__type__"] != "datetime" {
        return None;
    }
    let part = |name: &str| value[name].as_i64().unwrap_or_default();
    let small = |name: &str| i8::try_from(part(name)).ok();
    let nanos = i32::try_from(part("microsecond").checked_mul(1000)?).ok()?;
    let reading = DateTime::new(
        i16::try_from(part("year")).ok()?,
        small("month")?,
        small("day")?,
        small("hour")?,
        small("minute")?,
        small("second")?,
        nanos,
    )
    .ok()?;
    match (value["timezone"].as_f64(), value["timezone"].as_str()) {
        #[expect(clippy::cast_possible_truncation, reason = "an offset is less than a day")]
        (Some(offset), _) if offset.abs() < 86_400.0 => {
            Some(UnixMs(Zone::utc().resolve(reading).0 - (offset * 1000.0) as i64))
        }
        (Some(_), _) => None,
        (None, zone) => Some(zones::zone(zone.unwrap_or("UTC")).ok()?.resolve(reading)),
    }
}

/// The value as Celery sends it; the kind of object that it cannot send.
pub(super) fn plain(value: Value) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(_) if is_object(&value) => Err(value["__type__"].to_string()),
        Value::Object(pairs) => {
            pairs.into_iter().map(|(key, value)| Ok((key, plain(value)?))).collect()
        }
        other => Ok(other),
    }
}

/// Whether RedBeat makes an object of it.
fn is_object(value: &Value) -> bool {
    let kinds = ["datetime", "interval", "crontab", "weekday", "rrule"];
    value["__type__"].as_str().is_some_and(|kind| kinds.contains(&kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn date(zone: Value) -> Value {
        let mut date = json!({
            "__type__": "datetime", "year": 2026, "month": 3, "day": 20, "hour": 9, "minute": 46, "second": 40,
            "microsecond": 123_456,
        });
        if !zone.is_null() {
            date["timezone"] = zone;
        }
        date
    }

    #[test]
    fn a_date_has_an_offset_a_zone_or_neither() {
        for (zone, expected) in [
            (Value::Null, Some(1_774_000_000_123)),
            (json!(3600.0), Some(1_773_996_400_123)),
            (json!("Europe/Berlin"), Some(1_773_996_400_123)),
            (json!("Nowhere"), None),
            (json!(1e300), None),
        ] {
            assert_eq!(instant(&date(zone.clone())), expected.map(UnixMs), "{zone}");
        }
        assert_eq!(instant(&json!({"__type__": "datetime", "year": 99_999})), None);
    }

    #[test]
    fn objects_in_arguments_are_refused() {
        assert_eq!(plain(json!([{"a": [1]}])), Ok(json!([{"a": [1]}])));
        assert!(plain(json!([{"when": date(Value::Null)}])).is_err());
        assert!(plain(json!({"x": {"__type__": "crontab"}})).is_err());
        assert!(plain(json!({"x": {"__type__": "other"}})).is_ok());
    }
}
