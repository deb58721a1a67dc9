//! Templates: `{{ … }}` in a message's arguments and headers, filled in from the slot.
//!
//! | written | stands for |
//! | --- | --- |
//! | `{{ slot }}` | the slot as RFC 3339 in the entry's zone, `2026-11-21T12:00:00+09:00` |
//! | `{{ slot \| date }}` | its date in that zone, `2026-11-21` |
//! | `{{ slot \| unix }}` | whole seconds since 1970-01-01T00:00:00Z, rounded down: a number |
//! | `{{ slot \| format("%Y-%m") }}` | its reading in that zone, as [`Zone::strftime`] writes it |
//! | `{{ previous_slot }}`, with the same filters | the entry's slot before this one; null for the first |
//! | `{{ entry }}` | the entry's name |
//! | `{{ task_id }}` | the message's id |
//! | `{{ "{{" }}` | the quoted text, for braces that would begin a template |
//!
//! A text that is a single template keeps the template's type; within a longer text a number is written as
//! digits and null as nothing. No value depends on when the message is sent: a slot that is caught up or sent
//! again has the same values.
//!
//! [`Zone::strftime`]: downbeat_time::Zone::strftime

mod error;
mod format;
mod parse;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::entry::Entry;
use crate::worker::Message;

pub use error::{TemplateError, TemplateProblem};
pub use format::MAX_FORMAT;
pub use parse::{Piece, find_opener, pieces};

/// What is between `{{` and `}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// The slot of the message.
    Slot(Form),
    /// The entry's slot before that one.
    PreviousSlot(Form),
    /// The entry's name.
    Entry,
    /// The message's id.
    TaskId,
    /// Quoted text, without the quotes.
    Text(Box<str>),
}

/// How an instant is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 3339 in the entry's zone, with milliseconds only if there are some.
    Rfc3339,
    /// Whole seconds since the epoch.
    Unix,
    /// A checked format.
    Format(Box<str>),
}

/// A template and its position in a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    start: u32,
    end: u32,
    /// Whether it is a whole string, quotes included: any JSON value may replace it.
    whole: bool,
    template: Template,
}

/// The templates of a message, each list in the order of its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// In [`Message::args`].
    pub args: Box<[Hole]>,
    /// In [`Message::kwargs`].
    pub kwargs: Box<[Hole]>,
    /// In [`Call::headers`](crate::worker::Call::headers).
    pub headers: Box<[Hole]>,
}

/// The values that templates are filled in from.
pub(super) struct Facts<'a> {
    entry: &'a Entry,
    slot: UnixMs,
    task_id: Uuid,
    previous_slot: OnceCell<Option<UnixMs>>,
}

/// The value of a template.
enum Value<'a> {
    Null,
    Number(i64),
    Text(Cow<'a, str>),
}

impl Hole {
    /// A template at these bytes of a JSON text; `whole` if they are a string with its quotes.
    ///
    /// Texts are limited to far below 4 GiB, so the offsets fit.
    #[must_use]
    pub fn new(at: Range<usize>, whole: bool, template: Template) -> Hole {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Hole { start: short(at.start), end: short(at.end), whole, template }
    }

    fn write(&self, out: &mut String, facts: &Facts<'_>) {
        match self.template.value(facts) {
            Value::Null if self.whole => out.push_str("null"),
            Value::Null => {}
            // Writing to a String cannot fail.
            Value::Number(number) => drop(write!(out, "{number}")),
            Value::Text(text) if self.whole => {
                out.push('"');
                push_escaped(out, &text);
                out.push('"');
            }
            Value::Text(text) => push_escaped(out, &text),
        }
    }
}

impl Template {
    fn value<'a>(&'a self, facts: &Facts<'a>) -> Value<'a> {
        match self {
            Template::Slot(form) => form.value(facts.slot, facts.entry),
            Template::PreviousSlot(form) => match facts.previous_slot() {
                Some(slot) => form.value(slot, facts.entry),
                None => Value::Null,
            },
            Template::Entry => Value::Text(Cow::Borrowed(&facts.entry.name)),
            Template::TaskId => Value::Text(Cow::Owned(facts.task_id.to_string())),
            Template::Text(text) => Value::Text(Cow::Borrowed(text)),
        }
    }
}

impl Form {
    fn value(&self, at: UnixMs, entry: &Entry) -> Value<'static> {
        Value::Text(Cow::Owned(match self {
            Form::Unix => return Value::Number(at.0.div_euclid(1000)),
            Form::Rfc3339 => entry.zone.to_rfc3339(at),
            // A checked format works for every instant.
            Form::Format(format) => entry.zone.strftime(at, format).unwrap_or_default(),
        }))
    }
}

impl Templates {
    /// Boxes them; `None` if there are none.
    #[must_use]
    pub fn some(self) -> Option<Box<Templates>> {
        (self.count() > 0).then(|| Box::new(self))
    }

    /// The number of templates.
    #[must_use]
    pub fn count(&self) -> usize {
        self.args.len() + self.kwargs.len() + self.headers.len()
    }

    /// Fills the templates into their message.
    pub(super) fn fill(&self, message: &Message, facts: &Facts<'_>) -> Message {
        let mut filled = Message {
            args: fill(&message.args, &self.args, facts),
            kwargs: fill(&message.kwargs, &self.kwargs, facts),
            call: Arc::clone(&message.call),
        };
        if !self.headers.is_empty() {
            let headers = message.headers.as_ref();
            filled.headers = headers.map(|text| fill(text, &self.headers, facts));
        }
        filled
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(entry: &'a Entry, slot: UnixMs, task_id: Uuid) -> Facts<'a> {
        Facts { entry, slot, task_id, previous_slot: OnceCell::new() }
    }

    /// Computed once, and only if used: it costs as much as dozens of next slots.
    fn previous_slot(&self) -> Option<UnixMs> {
        *self.previous_slot.get_or_init(|| self.entry.previous_slot(self.slot))
    }
}

/// The capacity reserved for a value, more than most take.
const VALUE: usize = 40;

fn fill(text: &str, holes: &[Hole], facts: &Facts<'_>) -> Arc<str> {
    let mut out = String::with_capacity(text.len() + holes.len() * VALUE);
    let mut filled = 0;
    for hole in holes {
        out.push_str(&text[filled..hole.start as usize]);
        hole.write(&mut out, facts);
        filled = hole.end as usize;
    }
    out.push_str(&text[filled..]);
    out.into()
}

/// Appends text to the inside of a JSON string.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push_str(text);
        return;
    }
    // Escaping text cannot fail.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
}

#[cfg(test)]
mod tests;
