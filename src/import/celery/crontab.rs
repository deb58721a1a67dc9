//! Celery's `crontab(…)` as a crontab line, or as a mapping.

use downbeat_time::cron::Field;
use serde_json::{Map, Value};

use super::fields::{self, FIELDS};
use crate::import::Job;

/// The arguments of `crontab(…)`, each as a text that a store holds.
pub(crate) fn crontab_fields(text: impl Fn(&str) -> String) -> Map<String, Value> {
    let field = |field: Field| (field.key().to_owned(), Value::from(text(field.key())));
    Map::from_iter(FIELDS.map(field))
}

/// An argument of `crontab(…)` as a text; without one, Celery takes `*`.
pub(crate) fn field_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "*".to_owned(),
        other => other.to_string(),
    }
}

/// Sets `cron`: a line, or a mapping if both fields of days are restricted, because Celery wants both to match. If
/// Celery's own code was asked, its values count, else those that [`fields::read`] finds in the texts.
pub(super) fn set(job: &mut Job, schedule: &Value) {
    let mut texts = Vec::new();
    for field in FIELDS {
        let written = schedule["fields"][field.key()].as_str().unwrap_or("*");
        let values = match &schedule["read"][field.key()] {
            Value::Array(values) => Some(mask(values)),
            _ => fields::read(field, written),
        };
        match values {
            None | Some(0) => return refuse(job, field, written),
            Some(values) => texts.push((field, text(field, written.trim(), values))),
        }
    }
    let is_any = |field: Field| texts.contains(&(field, "*".to_owned()));
    if is_any(Field::Day) || is_any(Field::Weekday) {
        let line: Vec<&str> = texts.iter().map(|(_, text)| &**text).collect();
        return job.set("cron", line.join(" "));
    }
    let restricted = texts.iter().filter(|(field, text)| *field == Field::Minute || text != "*");
    let pairs = restricted.map(|(field, text)| (field.key().to_owned(), number_or_text(text)));
    job.set("cron", Map::from_iter(pairs));
}

fn refuse(job: &mut Job, field: Field, written: &str) {
    job.set("cron", format!("{}={written}", field.key()));
    job.cannot(
        format!("Celery refuses `{}={written}`, so beat never sends it", field.key()),
        Some("write the times that are meant as `cron`"),
    );
}

fn mask(values: &[Value]) -> u64 {
    let values = values.iter().filter_map(Value::as_u64).filter(|value| *value < 64);
    values.fold(0, |mask, value| mask | 1 << value)
}

/// The text itself if it has these values in a crontab line, else the values.
fn text(field: Field, written: &str, values: u64) -> String {
    let compact: String = written.split_whitespace().collect();
    if field.values(&compact) == Some(values) { compact } else { fields::written(field, values) }
}

/// A number as a number.
fn number_or_text(text: &str) -> Value {
    text.parse::<u8>().map_or_else(|_| Value::from(text), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn crontab(fields: Value) -> Job {
        let mut job = Job::new("x");
        set(&mut job, &json!({"fields": fields}));
        job
    }

    fn cron(fields: Value) -> Value {
        crontab(fields).keys["cron"].clone()
    }

    #[test]
    fn a_crontab_is_a_line_unless_both_fields_of_days_must_match() {
        assert_eq!(cron(json!({"minute": "0", "hour": "3"})), "0 3 * * *");
        assert_eq!(cron(json!({"minute": "*/15", "day_of_week": "mon,tue"})), "*/15 * * * mon,tue");
        assert_eq!(
            cron(json!({"minute": "0", "hour": "3", "day_of_month": "1-7", "day_of_week": "mon"})),
            json!({"minute": 0, "hour": 3, "day_of_month": "1-7", "day_of_week": "mon"})
        );
    }

    #[test]
    fn what_a_crontab_line_does_not_have_is_written_as_its_values() {
        for (minute, expected) in [
            ("*/90", "0 * * * *"),
            ("1, 2, 3", "1,2,3 * * * *"),
            ("5-10 minutes", "5-10 * * * *"),
            ("dec", "12 * * * *"),
            ("0-59", "0-59 * * * *"),
        ] {
            assert_eq!(cron(json!({"minute": minute})), expected, "{minute}");
        }
        assert_eq!(cron(json!({"day_of_week": "monkeys"})), "* * * * 1");
    }

    #[test]
    fn what_celery_refuses_is_left_out() {
        let job = crontab(json!({"day_of_week": "7"}));
        assert!(job.cannot.unwrap().why.contains("`day_of_week=7`"));
    }
}
