//! A row of `PeriodicTask`: what it sends.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::dump::{Dump, Row};
use crate::import::celery::store::Sent;
use crate::import::{Job, Refused, json};
use crate::text::instant;

const JSON_HINT: &str = "write them into the entry";

/// A row of `PeriodicTask`, with those it refers to. Older versions lack columns, which are then empty.
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

    /// What beat sends, and why it cannot if it cannot.
    pub(super) fn sent(&self) -> (Sent, Option<Refused>) {
        let (mut sent, mut refused) = (Sent::default(), None);
        sent.task = self.text("task").to_owned();
        let mut read = |column: &str, empty: Value| {
            self.json(column, &empty).unwrap_or_else(|why| {
                refused.get_or_insert(Refused { why, instead: JSON_HINT });
                empty
            })
        };
        sent.args = read("args", json!([]));
        sent.kwargs = read("kwargs", json!({}));
        let headers = read("headers", json!({}));
        sent.options = self.options(headers);
        (sent, refused)
    }

    /// A column with JSON of the same kind as `empty`, which an empty text means.
    fn json(&self, column: &str, empty: &Value) -> Result<Value, String> {
        if self.text(column).is_empty() {
            return Ok(empty.clone());
        }
        let value = json::read(self.text(column)).map_err(|error| {
            format!("its `{column}` are not JSON, so that beat does not send it: {error}")
        })?;
        match (&value, empty) {
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => Ok(value),
            (Value::Null, _) => Ok(empty.clone()),
            (_, Value::Array(_)) => Err(format!("its `{column}` are no list")),
            _ => Err(format!("its `{column}` are no mapping")),
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

    /// Sets the end: the row ends before this instant, an entry with it.
    pub(super) fn set_end(&self, job: &mut Job, zone: &Zone) {
        if let Some(end) = self.instant("expires", zone) {
            job.set("end", zone.to_rfc3339(UnixMs(end.0 - 1)));
        }
    }
}
