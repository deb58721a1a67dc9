//! Reads the dump of a Django project row by row, so the size of other models does not matter.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::import::{ImportError, MAX_JOBS};

/// Maximum bytes of a dump: other models of a project may have many rows.
const MAX_DUMP: u64 = 8 << 30;
/// What the names of all its models begin with: the application's label.
const LABEL: &str = "django_celery_beat.";
const HINT: &str = "make it with `manage.py dumpdata django_celery_beat --output FILE.json`";

pub(super) type Row = Map<String, Value>;

/// Rows of the models of django-celery-beat.
#[derive(Debug, Default)]
pub(super) struct Dump {
    pub(super) tasks: Vec<Row>,
    /// By the name of the model (`crontabschedule`) and the primary key as JSON.
    schedules: HashMap<(String, String), Row>,
    /// Whether a time has no offset from UTC.
    pub(super) has_naive_times: bool,
}

impl Dump {
    /// The row of a schedule, by its model and key.
    pub(super) fn schedule(&self, model: &str, key: &Value) -> Option<&Row> {
        self.schedules.get(&(model.to_owned(), key.to_string()))
    }

    fn add(&mut self, model: &str, key: &Value, fields: Row) {
        let has_offset = |text: &str| {
            text.ends_with('Z') || text.get(16..).is_some_and(|end| end.contains(['+', '-']))
        };
        let is_naive = |value: &Value| {
            value.as_str().is_some_and(|text| !text.is_empty() && !has_offset(text))
        };
        match model {
            "periodictask" => {
                self.has_naive_times |= ["start_time", "expires", "last_run_at"]
                    .iter()
                    .any(|name| fields.get(*name).is_some_and(is_naive));
                self.tasks.push(fields);
            }
            "periodictasks" => {}
            other => {
                self.schedules.insert((other.to_owned(), key.to_string()), fields);
            }
        }
    }
}

/// Reads a file, or standard input if it is `-`.
pub(super) fn read(path: &Path) -> Result<Dump, ImportError> {
    let invalid = |why: String| ImportError::Invalid(format!("{}: {why}; {HINT}", path.display()));
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| invalid(error.to_string()))?)
    };
    let mut input = BufReader::new(input.take(MAX_DUMP));
    let begin = input.fill_buf().map_err(|error| invalid(error.to_string()))?;
    if let Some(other) = other_format(begin) {
        return Err(invalid(other.to_owned()));
    }
    if begin.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    let dump =
        rows(input).map_err(|error| invalid(format!("it is not a dump in JSON: {error}")))?;
    if dump.tasks.len() > MAX_JOBS {
        return Err(invalid(format!("it has more than {MAX_JOBS} tasks")));
    }
    if dump.tasks.is_empty() && dump.schedules.is_empty() {
        return Err(invalid(format!("it has no rows of `{LABEL}periodictask`")));
    }
    Ok(dump)
}

fn other_format(begin: &[u8]) -> Option<&'static str> {
    match begin {
        [] => Some("it is empty"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(
            "it is UTF-16, as PowerShell's `>` writes it, and Django's own `--output` writes UTF-8",
        ),
        [0x1f, 0x8b, ..] | [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] => {
            Some("it is compressed; unpack it first")
        }
        [b'<', ..] => Some("it is XML, not JSON"),
        _ => None,
    }
}

/// The rows of one list, or of one row a line (`--format jsonl`).
fn rows(input: impl Read) -> serde_json::Result<Dump> {
    let mut dump = Dump::default();
    let mut json = serde_json::Deserializer::from_reader(input);
    while json.end().is_err() {
        Rows(&mut dump).deserialize(&mut json)?;
    }
    Ok(dump)
}

/// A list of rows, or a single one.
struct Rows<'d>(&'d mut Dump);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows with `model`, `pk` and `fields`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Rows(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let (mut model, mut key, mut fields) = (String::new(), Value::Null, None);
        while let Some(name) = pairs.next_key::<String>()? {
            match &*name {
                "model" => model = pairs.next_value::<String>()?.to_ascii_lowercase(),
                "pk" => key = pairs.next_value()?,
                "fields" if model.is_empty() || model.starts_with(LABEL) => {
                    fields = Some(pairs.next_value::<Row>()?);
                }
                _ => drop(pairs.next_value::<IgnoredAny>()?),
            }
        }
        if model.is_empty() {
            return Err(A::Error::custom("a row has no `model`"));
        }
        if let (Some(model), Some(fields)) = (model.strip_prefix(LABEL), fields) {
            self.0.add(model, &key, fields);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"[
        {"model": "auth.user", "pk": 1, "fields": {"name": "x", "groups": [[1]]}},
        {"model": "django_celery_beat.crontabschedule", "pk": 7, "fields": {"minute": "5"}},
        {"model": "django_celery_beat.periodictask", "pk": 1, "fields": {"name": "a", "crontab": 7}},
        {"fields": {"name": "b"}, "model": "django_celery_beat.PeriodicTask", "pk": "u-1"}
    ]"#;

    #[test]
    fn rows_of_other_models_are_passed_over() {
        let dump = rows(ROWS.as_bytes()).unwrap();
        assert_eq!(dump.tasks.len(), 2);
        let crontab = dump.schedule("crontabschedule", &dump.tasks[0]["crontab"]).unwrap();
        assert_eq!(crontab["minute"], "5");
        let lines = ROWS.trim_matches(['[', ']']).replace("},\n", "}\n");
        assert_eq!(rows(lines.as_bytes()).unwrap().tasks, dump.tasks);
    }

    #[test]
    fn a_text_that_is_not_a_dump_is_refused() {
        for text in ["[1]", "[{\"pk\": 1}]", "[{\"model\": 3}]", "[", "{} trailing", "\u{feff}"] {
            assert!(rows(text.as_bytes()).is_err(), "{text}");
        }
        assert!(other_format(&[0x1f, 0x8b]).is_some());
    }
}
