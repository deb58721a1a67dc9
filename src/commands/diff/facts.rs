//! What differs between two entries of one name, by the keys of schedule files.

use serde::Serialize;
use serde_json::Value;

use crate::escape::shorten;
use crate::schedule::Entry;
use crate::service::detail::EntryDetail;

/// Maximum bytes of a value that is shown.
const MAX_VALUE: usize = 200;

/// A key whose value differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fact {
    /// As in a schedule file; members of mappings and lists as `kwargs.day` and `args[0]`.
    pub(super) key: String,
    /// `None`: it had no value, or one that is not shown.
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

/// Reads a value from what `list ENTRY` shows.
type Read = fn(&EntryDetail) -> Option<String>;

/// Keys whose values are shown, in the order in which they are.
const KEYS: [(&str, Read); 17] = [
    (WHEN, |entry| Some(when(entry))),
    ("timezone", |entry| Some(entry.status.timezone.clone())),
    ("start", |entry| entry.start.clone()),
    ("end", |entry| entry.end.clone()),
    ("limit", |entry| entry.status.limit.map(|limit| limit.to_string())),
    ("enabled", |entry| Some(entry.status.enabled.to_string())),
    ("task", |entry| Some(entry.status.task.clone())),
    ("queue", |entry| Some(entry.status.queue.clone())),
    ("priority", |entry| entry.priority.map(|priority| priority.to_string())),
    ("expires", |entry| entry.expires.clone()),
    ("jitter", |entry| entry.jitter.clone()),
    ("spread", |entry| entry.spread.clone()),
    ("catch_up", |entry| Some(entry.catch_up.clone())),
    ("within", |entry| Some(entry.within.clone())),
    ("max_queued", |entry| entry.max_queued.map(|max| max.to_string())),
    ("overlap", |entry| entry.overlap.clone()),
    ("tags", |entry| Some(entry.status.tags.join(", ")).filter(|tags| !tags.is_empty())),
];
/// The timing in words.
const WHEN: &str = "when";

/// The timing in words, with the line that hashes stand for.
pub(super) fn when(entry: &EntryDetail) -> String {
    let resolved = entry.resolved.as_ref().map(|line| format!(", here `{line}`"));
    entry.status.timing.clone() + &resolved.unwrap_or_default()
}

/// What differs between an old and a new entry; at least one fact if the two differ at all.
pub(super) fn changes(
    [old, new]: [&Entry; 2],
    details: [&EntryDetail; 2],
    is_retimed: bool,
) -> Vec<Fact> {
    let shown = KEYS.iter().filter_map(|(key, read)| differing(key, details.map(read)));
    let mut facts: Vec<Fact> = shown.collect();
    let days = [old, new].map(|entry| entry.bounds.as_ref().map(|bounds| &bounds.except));
    let leaves_out = days.map(|days| days.filter(|days| !days.is_empty()));
    let is_new_timing = is_retimed && facts.iter().all(|fact| fact.key != WHEN);
    let is_of_bounds = |fact: &Fact| ["timezone", "start", "end", "limit"].contains(&&*fact.key);
    let routes = [old, new].map(|entry| entry.message.route.as_deref());
    let route = |read: fn(&crate::worker::Route) -> &Option<Box<str>>| {
        routes.map(|route| route.and_then(|route| read(route).as_deref()).map(str::to_owned))
    };
    let about = |entry: &Entry| entry.about.as_ref().and_then(|about| about.description.clone());
    let calendars = |entry: &Entry| {
        entry.templates.as_ref().map(|templates| templates.calendars.clone()).unwrap_or_default()
    };
    let unshown = [
        ("except", leaves_out[0] != leaves_out[1]),
        (WHEN, is_new_timing && leaves_out[0] == leaves_out[1] && !facts.iter().any(is_of_bounds)),
        (
            "spread",
            old.delay != new.delay
                && details[0].spread == details[1].spread
                && details[0].jitter == details[1].jitter,
        ),
        ("options", old.message.options != new.message.options),
        ("calendars", calendars(old) != calendars(new)),
        ("description", about(old) != about(new)),
    ];
    let unshown = unshown.into_iter().filter(|(_, differs)| *differs);
    facts.extend(unshown.map(|(key, _)| Fact { key: key.to_owned(), old: None, new: None }));
    facts.extend(differing("exchange", route(|route| &route.exchange)));
    facts.extend(differing("routing_key", route(|route| &route.routing_key)));
    for (key, texts) in [
        ("args", [Some(&old.message.args), Some(&new.message.args)]),
        ("kwargs", [Some(&old.message.kwargs), Some(&new.message.kwargs)]),
        ("headers", [old.message.headers.as_ref(), new.message.headers.as_ref()]),
    ] {
        facts.extend(members(key, texts.map(|text| text.map(|text| &**text))));
    }
    if facts.is_empty() {
        facts.push(Fact { key: "other settings".to_owned(), old: None, new: None });
    }
    facts
}

fn differing(key: &str, [old, new]: [Option<String>; 2]) -> Option<Fact> {
    (old != new).then(|| Fact { key: key.to_owned(), old, new })
}

/// The members of two JSON texts that differ.
fn members(key: &str, texts: [Option<&str>; 2]) -> Vec<Fact> {
    if texts[0] == texts[1] {
        return Vec::new();
    }
    let [old, new] = texts.map(|text| listed(key, text.unwrap_or("{}")));
    let text = |value: &Value| shorten(&value.to_string(), MAX_VALUE).into_owned();
    let find = |all: &[(String, Value)], name: &str| {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| text(value))
    };
    let mut facts: Vec<Fact> = Vec::new();
    for (name, value) in &new {
        facts.extend(differing(name, [find(&old, name), Some(text(value))]));
    }
    let gone = old.iter().filter(|(name, _)| find(&new, name).is_none());
    facts.extend(gone.map(|(name, value)| Fact {
        key: name.clone(),
        old: Some(text(value)),
        new: None,
    }));
    facts
}

/// The members of a JSON list or mapping, each with its name.
fn listed(key: &str, text: &str) -> Vec<(String, Value)> {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => {
            let item = |(at, item)| (format!("{key}[{at}]"), item);
            items.into_iter().enumerate().map(item).collect()
        }
        Ok(Value::Object(pairs)) => {
            pairs.into_iter().map(|(name, value)| (format!("{key}.{name}"), value)).collect()
        }
        _ => Vec::new(),
    }
}
