//! Foreign values: what they are here, each as a pair in backticks.

use downbeat_time::nearest;

use super::on_calendar;
use super::timing::Timing;
use super::words::VALUES;
use crate::text::flow::{self, flow};
use crate::text::words::{Foreign, as_written, is_one_of, letters};
use crate::text::{Node, Scalar, duration, instant};
use crate::tzdata;

/// What to write if a value is not understood.
const SOME_TIMING: &str = "`cron: \"0 3 * * *\"`, `every: 10m` or `at: 2026-12-24 18:00`";

/// What says when.
pub(super) fn when(foreign: &Foreign<'_, '_>) -> Option<String> {
    let timing = Timing::of(foreign.value, foreign.mapping);
    Some(timing.map_or_else(|| SOME_TIMING.to_owned(), |timing| timing.to_string()))
}

/// An event of systemd, whose `weekly` is another day than cron's.
pub(super) fn on_calendar(foreign: &Foreign<'_, '_>) -> Option<String> {
    let items = foreign.value.list().unwrap_or(std::slice::from_ref(foreign.value));
    let timing = Timing::union(items, |item| on_calendar::read(item.as_written()?));
    Some(timing.map_or_else(|| SOME_TIMING.to_owned(), |timing| timing.to_string()))
}

/// A duration, or a number of seconds.
pub(super) fn length(foreign: &Foreign<'_, '_>) -> Option<String> {
    let length = foreign.value.as_written().and_then(duration::parse_any);
    let key = foreign.key;
    Some(match length {
        Some(length) => format!("`{key}: {}`", duration::format(length)),
        None => format!("a length such as `{key}: 10m`"),
    })
}

pub(super) fn instant(foreign: &Foreign<'_, '_>) -> Option<String> {
    let text = foreign.value.as_written().unwrap_or_default();
    let key = foreign.key;
    Some(match instant::written_here(text) {
        Some(ours) => format!("`{key}: {}`", flow::scalar(&ours)),
        None => format!("a date and time such as `{key}: 2030-01-01 00:00`"),
    })
}

pub(super) fn text(foreign: &Foreign<'_, '_>) -> Option<String> {
    match foreign.value.scalar() {
        Some(Scalar::Text(text)) if !text.is_empty() => {
            Some(format!("`{}: {}`", foreign.key, flow(foreign.value)?))
        }
        _ => None,
    }
}

pub(super) fn whole(foreign: &Foreign<'_, '_>) -> Option<String> {
    match foreign.value.scalar() {
        Some(Scalar::Int(number @ 1..=1_000_000)) => Some(format!("`{}: {number}`", foreign.key)),
        _ => None,
    }
}

/// Texts in a list, or a single one.
pub(super) fn texts(foreign: &Foreign<'_, '_>) -> Option<String> {
    let items = foreign.value.list().unwrap_or(std::slice::from_ref(foreign.value));
    let are_texts = items.iter().all(|item| matches!(item.scalar(), Some(Scalar::Text(_))));
    let items: Option<Vec<_>> = items.iter().take(32).map(flow).collect();
    let items = items.filter(|_| are_texts)?;
    Some(format!("`{}: [{}]`", foreign.key, items.join(", ")))
}

/// A list, or a single item.
pub(super) fn list(foreign: &Foreign<'_, '_>) -> Option<String> {
    let value = flow(foreign.value)?;
    let is_list = foreign.value.list().is_some();
    let list = if is_list { value } else { format!("[{value}]") };
    Some(format!("`{}: {list}`", foreign.key))
}

/// A mapping of names.
pub(super) fn names(foreign: &Foreign<'_, '_>) -> Option<String> {
    foreign.value.map()?;
    as_written(foreign)
}

pub(super) fn scalar(foreign: &Foreign<'_, '_>) -> Option<String> {
    foreign.value.as_written().filter(|text| !text.is_empty())?;
    as_written(foreign)
}

/// A number of seconds stays one; anything else has to be a duration.
pub(super) fn seconds(foreign: &Foreign<'_, '_>) -> Option<String> {
    match foreign.value.scalar()? {
        Scalar::Int(1..) => as_written(foreign),
        _ => length(foreign),
    }
}

/// A zone, or the one that another name stands for.
pub(super) fn zone(foreign: &Foreign<'_, '_>) -> Option<String> {
    let name = foreign.value.as_written()?;
    let zone = match tzdata::parse_name(name) {
        Ok(_) => name,
        Err(unknown) => unknown.suggestion?,
    };
    Some(format!("`{}: {zone}`", foreign.key))
}

/// The key alone: its values differ too much to be translated.
pub(super) fn key_only(_: &Foreign<'_, '_>) -> Option<String> {
    None
}

/// What the task is called with: a mapping of names, or a list.
pub(super) fn payload(foreign: &Foreign<'_, '_>) -> Option<String> {
    let value = flow(foreign.value)?;
    let key = if foreign.value.map().is_some() { "kwargs" } else { "args" };
    let is_single = foreign.value.map().is_none() && foreign.value.list().is_none();
    Some(if is_single { format!("`{key}: [{value}]`") } else { format!("`{key}: {value}`") })
}

/// `yes` if the value is true, else `no`.
pub(super) fn choose(foreign: &Foreign<'_, '_>, yes: &str, no: &str) -> Option<String> {
    let is_true = match foreign.value.as_written()?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => true,
        "false" | "no" | "off" | "0" => false,
        _ => return None,
    };
    Some(if is_true { yes } else { no }.to_owned())
}

/// The hint for a foreign value of a key of ours.
pub(in crate::config) fn known(key: &str, value: &Node<'_>) -> Option<&'static str> {
    let word = letters(value.as_written()?);
    let row = VALUES.iter().find(|row| row.key == key && is_one_of(row.theirs, &word))?;
    Some(row.hint)
}

/// The hint for a value of `expires` that is neither a length nor `next`, but known.
pub(in crate::config) fn expires(value: &Node<'_>) -> Option<String> {
    if let Some(hint) = known("expires", value) {
        return Some(hint.to_owned());
    }
    let Some(Scalar::Text(text)) = value.scalar() else { return None };
    if instant::written_here(text).is_some() && duration::parse(text).is_err() {
        return Some(
            "it is a length, counted from when a message is due: `expires: 10m`".to_owned(),
        );
    }
    nearest(text, ["next"]).map(|_| "did you mean `expires: next`?".to_owned())
}

/// The hint for a value of `args` or `kwargs` of another type: JSON or a Python tuple in a text, a single
/// argument, or a mapping.
pub(in crate::config) fn arguments(key: &str, value: &Node<'_>) -> Option<String> {
    if let Some(json) = value.as_written().and_then(|text| in_text(key, text)) {
        return Some(format!("write `{key}: {json}`, without quotes"));
    }
    let written = flow(value).filter(|_| key == "args" && value.scalar() != Some(Scalar::Null))?;
    Some(match value.map() {
        Some(_) => {
            format!("write `args: [{written}]`, or `kwargs: {written}` for arguments by name")
        }
        None => format!("write `args: [{written}]`"),
    })
}

/// The list or mapping that a text holds.
fn in_text(key: &str, text: &str) -> Option<String> {
    const MAX_TEXT: usize = 160;
    let text = Some(text).filter(|text| text.len() <= MAX_TEXT && !text.contains('`'))?;
    let tuple = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let json = match tuple {
        Some(items) => format!("[{}]", items.trim_end_matches([',', ' ']).replace('\'', "\"")),
        None => text.to_owned(),
    };
    let value: serde_json::Value = serde_json::from_str(&json).ok()?;
    let fits = if key == "args" { value.is_array() } else { value.is_object() };
    fits.then_some(json)
}
