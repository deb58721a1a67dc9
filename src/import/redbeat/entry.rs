//! A hash of RedBeat: `definition` and `meta`, both JSON.

use downbeat_time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Stored, object};
use crate::import::celery::crontab::{crontab_fields, field_text};
use crate::import::celery::store::StoredMessage;
use crate::import::redis_reader::Hash;
use crate::import::{Refused, json};

/// `freq` of yearly and monthly rules, as JSON.
const LONG_PERIODS: [&str; 4] = ["0", "1", "\"YEARLY\"", "\"MONTHLY\""];

/// What is understood of a hash.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) message: StoredMessage,
    pub(super) schedule: Option<Schedule>,
    pub(super) last_run: Option<UnixMs>,
    pub(super) enabled: bool,
    /// In which ways RedBeat behaves differently, one clause each.
    pub(super) differences: Vec<String>,
    /// Whether a weekday may have had a number in the month or year, which RedBeat does not store.
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
                entry.refuse("its hash is gone, so RedBeat drops it".to_owned());
            }
            Ok(hash) => entry.read_hash(hash, now),
        }
        entry.disable_unplanned(stored.score);
        entry
    }

    fn refuse(&mut self, why: String) {
        let instead = "write what it should send into a new entry";
        self.refused.get_or_insert(Refused::new(why, instead));
    }

    fn read_hash(&mut self, hash: &Hash, now: UnixMs) {
        let field = |name: &str| {
            let bytes = hash.get(name.as_bytes());
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let definition = json::read(&field("definition").unwrap_or_default());
        let definition = match definition {
            Ok(Value::Object(definition)) => definition,
            Ok(_) => return self.refuse("its `definition` is not a mapping".to_owned()),
            Err(why) => {
                return self.refuse(format!("its `definition` cannot be read as JSON: {why}"));
            }
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
            Value::String(task) => self.message.task = task,
            _ => self.refuse("it has no task".to_owned()),
        }
        self.message.args = self.arguments("args", part("args"), json!([]));
        self.message.kwargs = self.arguments("kwargs", part("kwargs"), json!({}));
        for (name, option) in part("options").as_object().into_iter().flatten() {
            let option = match object::instant(option) {
                Some(at) => json!({"instant": at.to_string()}),
                None => self.plain(name, option.clone()),
            };
            // To Celery, an empty name means none.
            if !option.is_null() && option != "" {
                self.message.options.insert(name.clone(), option);
            }
        }
    }

    fn arguments(&mut self, name: &str, value: Value, empty: Value) -> Value {
        let value = self.plain(name, value);
        match (&value, &empty) {
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => value,
            (Value::Null, _) => empty,
            _ => {
                self.refuse(format!("its `{name}` are not a list or mapping"));
                empty
            }
        }
    }

    fn plain(&mut self, name: &str, value: Value) -> Value {
        object::plain(value).unwrap_or_else(|kind| {
            self.refuse(format!("its `{name}` hold a Python object, {kind}"));
            Value::Null
        })
    }

    fn read_schedule(&mut self, schedule: &Value, now: UnixMs) {
        let mut schedule = schedule.clone();
        let parts = match schedule["__type__"].as_str() {
            Some("crontab") => {
                json!({"type": "crontab", "fields": crontab_fields(|name| joined(&schedule[name]))})
            }
            Some("interval") => json!({
                "type": "interval", "seconds": schedule["every"], "relative": schedule["relative"],
            }),
            Some("rrule") => {
                self.set_start(&mut schedule, now);
                self.lost_ordinals = may_have_lost_ordinals(&schedule);
                let mut parts = schedule.clone();
                parts["type"] = json!("rrule");
                parts
            }
            _ => {
                return self
                    .refuse("its schedule is of a kind that RedBeat does not store".to_owned());
            }
        };
        self.schedule = Some(Schedule { parts, text: schedule.to_string() });
    }

    /// Sets the start of a rule without one, which RedBeat starts anew each time it reads the rule.
    fn set_start(&mut self, rule: &mut Value, now: UnixMs) {
        if rule["dtstart"].is_null() {
            let start = self.last_run.unwrap_or(now);
            rule["dtstart"] = json!(start.0.div_euclid(1000));
            self.differences.push(format!(
                "its rule has no `dtstart`, so RedBeat starts it anew each time it reads it; here it starts at {start}"
            ));
        }
    }

    /// RedBeat does not send an entry that is not in its plan.
    fn disable_unplanned(&mut self, score: Option<f64>) {
        let is_rule =
            self.schedule.as_ref().is_some_and(|schedule| schedule.parts["type"] == "rrule");
        let why = match score {
            None => "it is disabled: it is not in RedBeat's plan, so RedBeat does not send it",
            Some(score) if score < 0.0 && !is_rule => {
                "it is disabled: RedBeat has planned no further run of it"
            }
            Some(_) => return,
        };
        if self.enabled {
            self.enabled = false;
            self.differences.push(why.to_owned());
        }
    }
}

fn may_have_lost_ordinals(rule: &Value) -> bool {
    let has_weekday = rule["byweekday"].to_string().contains("\"weekday\"");
    has_weekday && LONG_PERIODS.contains(&&*rule["freq"].to_string())
}

/// RedBeat keeps the fields of a crontab as numbers, texts and lists.
fn joined(field: &Value) -> String {
    match field {
        Value::Array(items) => items.iter().map(field_text).collect::<Vec<_>>().join(","),
        one => field_text(one),
    }
}
