//! A hash of RedBeat: `definition` and `meta`, both JSON.

use downbeat_time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Stored, object};
use crate::import::celery::store::Sent;
use crate::import::redis_reader::Hash;
use crate::import::{Refused, json};

const FIELDS: [&str; 5] = ["minute", "hour", "day_of_week", "day_of_month", "month_of_year"];
/// What RedBeat's `frequency` is in rules with periods of a month or a year.
const LONG_PERIODS: [&str; 4] = ["0", "1", "\"YEARLY\"", "\"MONTHLY\""];

/// An entry as it is understood.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) sent: Sent,
    pub(super) schedule: Option<Schedule>,
    pub(super) last_run: Option<UnixMs>,
    pub(super) enabled: bool,
    /// How it behaves otherwise than the entry of RedBeat, one clause each.
    pub(super) differences: Vec<String>,
    /// Whether a weekday may have had a number, which RedBeat does not store.
    pub(super) lost_ordinals: bool,
    pub(super) refused: Option<Refused>,
}

/// A schedule of an entry.
#[derive(Debug)]
pub(super) struct Schedule {
    /// In the words of the script.
    pub(super) parts: Value,
    /// As RedBeat has it.
    pub(super) text: String,
}

impl Entry {
    /// Reads a hash; what is wrong with it concerns this entry alone.
    pub(super) fn read(stored: &Stored, prefix: &str, now: UnixMs) -> Entry {
        let name = stored.key.strip_prefix(prefix).unwrap_or(&stored.key).to_owned();
        let mut entry = Entry { name, enabled: true, ..Entry::default() };
        match &stored.hash {
            Err(why) => entry.refuse(why.clone()),
            Ok(hash) if hash.is_empty() => {
                entry.refuse("its hash is gone, so that RedBeat drops it".to_owned());
            }
            Ok(hash) => entry.read_hash(hash, now),
        }
        entry.planned(stored.score);
        entry
    }

    fn refuse(&mut self, why: String) {
        let instead = "write what it should send into a new entry";
        self.refused.get_or_insert(Refused { why, instead });
    }

    fn read_hash(&mut self, hash: &Hash, now: UnixMs) {
        let field = |name: &str| {
            let bytes = hash.get(name.as_bytes());
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let definition = json::read(&field("definition").unwrap_or_default());
        let definition = match definition {
            Ok(Value::Object(definition)) => definition,
            Ok(_) => return self.refuse("its `definition` is no mapping".to_owned()),
            Err(why) => return self.refuse(format!("its `definition` is not JSON: {why}")),
        };
        let meta = field("meta").and_then(|meta| json::read(&meta).ok()).unwrap_or_default();
        self.last_run = object::instant(&meta["last_run_at"]);
        if let Some(name) = definition.get("name").and_then(Value::as_str) {
            name.clone_into(&mut self.name);
        }
        self.enabled = definition.get("enabled") != Some(&Value::Bool(false));
        self.read_message(&definition);
        self.read_schedule(definition.get("schedule").unwrap_or(&Value::Null), now);
    }

    fn read_message(&mut self, definition: &Map<String, Value>) {
        let part = |name: &str| definition.get(name).cloned().unwrap_or_default();
        match part("task") {
            Value::String(task) => self.sent.task = task,
            _ => self.refuse("it has no task".to_owned()),
        }
        self.sent.args = self.arguments("args", part("args"), json!([]));
        self.sent.kwargs = self.arguments("kwargs", part("kwargs"), json!({}));
        for (name, option) in part("options").as_object().into_iter().flatten() {
            let option = match object::instant(option) {
                Some(at) => json!({"instant": at.to_string()}),
                None => self.plain(name, option.clone()),
            };
            // As for Celery, an empty name is none.
            if !option.is_null() && option != "" {
                self.sent.options.insert(name.clone(), option);
            }
        }
    }

    fn arguments(&mut self, name: &str, value: Value, empty: Value) -> Value {
        let value = self.plain(name, value);
        match (&value, &empty) {
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => value,
            (Value::Null, _) => empty,
            _ => {
                self.refuse(format!("its `{name}` are no list or mapping"));
                empty
            }
        }
    }

    fn plain(&mut self, name: &str, value: Value) -> Value {
        object::plain(value).unwrap_or_else(|kind| {
            self.refuse(format!("its `{name}` hold an object of Python: {kind}"));
            Value::Null
        })
    }

    fn read_schedule(&mut self, schedule: &Value, now: UnixMs) {
        let mut schedule = schedule.clone();
        let parts = match schedule["__type__"].as_str() {
            Some("crontab") => json!({"type": "crontab", "fields": fields(&schedule)}),
            Some("interval") => json!({
                "type": "interval", "seconds": schedule["every"], "relative": schedule["relative"],
            }),
            Some("rrule") => {
                self.begin(&mut schedule, now);
                let mut parts = schedule.clone();
                parts["type"] = json!("rrule");
                parts
            }
            _ => return self.refuse("its schedule is of no kind that RedBeat stores".to_owned()),
        };
        self.schedule = Some(Schedule { parts, text: schedule.to_string() });
    }

    /// A rule without beginning begins whenever RedBeat reads it.
    fn begin(&mut self, rule: &mut Value, now: UnixMs) {
        if rule["dtstart"].is_null() {
            let begin = self.last_run.unwrap_or(now);
            rule["dtstart"] = json!(begin.0.div_euclid(1000));
            self.differences.push(format!(
                "its rule has no beginning, so that RedBeat begins it anew each time; here it begins at {begin}"
            ));
        }
        let has_weekday = rule["byweekday"].to_string().contains("\"weekday\"");
        self.lost_ordinals = has_weekday && LONG_PERIODS.contains(&&*rule["freq"].to_string());
    }

    /// What is not in RedBeat's plan is not sent.
    fn planned(&mut self, score: Option<f64>) {
        let is_rule =
            self.schedule.as_ref().is_some_and(|schedule| schedule.parts["type"] == "rrule");
        let why = match score {
            None => "it is not in RedBeat's plan, so that RedBeat does not send it",
            Some(score) if score < 0.0 && !is_rule => {
                "RedBeat has planned no further run of it, and does not send it"
            }
            Some(_) => return,
        };
        if self.enabled {
            self.enabled = false;
            self.differences.push(why.to_owned());
        }
    }
}

/// The fields of a crontab as texts: RedBeat keeps numbers, texts and lists.
fn fields(schedule: &Value) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "*".to_owned(),
        other => other.to_string(),
    };
    let field = |name: &str| {
        let joined = match &schedule[name] {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            one => text(one),
        };
        (name.to_owned(), Value::from(joined))
    };
    Map::from_iter(FIELDS.map(field))
}
