//! A row of `PeriodicTask`: what it sends.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::dump::{Dump, Row};
use crate::import::celery::store::StoredMessage;
use crate::import::{Job, Refused, json};
use crate::text::instant;

const WRITE_MESSAGE: &str = "write what it should send into the entry";

/// A row of `PeriodicTask`, with the rows it refers to. A column that an older version does not have is empty.
pub(super) struct Task<'d> {
    pub(super) row: &'d Row,
    pub(super) dump: &'d Dump,
}

impl Task<'_> {
    pub(super) fn value(&self, column: &str) -> &Value {
        self.row.get(column).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, column: &str) -> &str {
        self.value(column).as_str().unwrap_or_default()
    }

    pub(super) fn instant(&self, column: &str, zone: &Zone) -> Option<UnixMs> {
        instant::parse(self.text(column), zone).ok()
    }

    pub(super) fn is_true(&self, column: &str) -> bool {
        self.value(column) == true
    }

    /// What beat sends, or what is left of it if beat cannot send it, and why not.
    pub(super) fn message(&self) -> (StoredMessage, Option<Refused>) {
        let mut refused = None;
        let mut read = |column: &str, empty: Value| {
            self.json(column, &empty).unwrap_or_else(|why| {
                refused.get_or_insert(Refused::new(why, WRITE_MESSAGE));
                empty
            })
        };
        let (args, kwargs) = (read("args", json!([])), read("kwargs", json!({})));
        let options = self.options(read("headers", json!({})));
        let task = self.text("task").to_owned();
        (StoredMessage { task, args, kwargs, options }, refused)
    }

    /// A column that holds JSON of the same kind as `empty`. An empty text stands for that.
    fn json(&self, column: &str, empty: &Value) -> Result<Value, String> {
        let text = match self.value(column) {
            Value::Null => "",
            Value::String(text) => text,
            other => return Err(format!("its `{column}` are {other}, not a text")),
        };
        if text.is_empty() {
            return Ok(empty.clone());
        }
        let value = json::read(text)
            .map_err(|error| format!("its `{column}` cannot be read as JSON: {error}"))?;
        match (&value, empty) {
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => Ok(value),
            (Value::Null, _) => Ok(empty.clone()),
            (_, Value::Array(_)) => Err(format!("its `{column}` are not a list")),
            _ => Err(format!("its `{column}` are not a mapping")),
        }
    }

    fn options(&self, headers: Value) -> Map<String, Value> {
        let mut options = Map::new();
        for name in ["queue", "exchange", "routing_key", "priority"] {
            let value = self.value(name);
            if !value.is_null() && value != "" {
                options.insert(name.to_owned(), value.clone());
            }
        }
        let expires = match (self.text("expires"), self.value("expire_seconds").as_u64()) {
            ("", None | Some(0)) => None,
            ("", Some(seconds)) => Some(json!(seconds)),
            (instant, _) => Some(json!({"instant": instant})),
        };
        options.extend(expires.map(|expires| ("expires".to_owned(), expires)));
        if headers.as_object().is_some_and(|headers| !headers.is_empty()) {
            options.insert("headers".to_owned(), headers);
        }
        options
    }

    /// Sets the end. Beat stops before this instant; an entry still fires at its end.
    pub(super) fn set_end(&self, job: &mut Job, zone: &Zone) {
        if let Some(end) = self.instant("expires", zone) {
            job.set("end", zone.to_rfc3339(UnixMs(end.0 - 1)));
        }
    }
}
