//! Templates: `{{ … }}` in a message's arguments and headers, filled in from the slot.
//!
//! | written | stands for |
//! | --- | --- |
//! | `{{ slot }}` | the slot as RFC 3339 in the entry's zone, `2026-11-21T12:00:00+09:00` |
//! | `{{ slot \| date }}` | its date in that zone, `2026-11-21` |
//! | `{{ slot \| unix }}` | whole seconds since 1970-01-01T00:00:00Z, rounded down: a number |
//! | `{{ slot \| format("%Y-%m") }}` | its reading in that zone, as [`Zone::strftime`] writes it |
//! | `{{ slot \| shift("-1d") }}`, with the same filters behind it | the slot, [moved](moves) |
//! | `{{ slot \| business_days(-1, "bank") }}`, likewise | the slot, moved by business days |
//! | `{{ nominal_slot }}`, with all of these | the slot before `move` took it to another day; mostly the same |
//! | `{{ previous_slot }}`, `{{ next_slot }}`, with all of these | the entry's slot before or after this one; null if there is none |
//! | `{{ entry }}` | the entry's name |
//! | `{{ task_id }}` | the message's id |
//! | `{{ "{{" }}` | the quoted text, for braces that would begin a template |
//!
//! If a clock change moved a slot over midnight, `date` and `format` write the date and time of day that the timing
//! names.
//!
//! A text that is a single template keeps the template's type; within a longer text a number is written as
//! digits and null as nothing. No value depends on when the message is sent: a slot that is caught up or sent
//! again has the same values.
//!
//! [`Zone::strftime`]: downbeat_time::Zone::strftime

mod error;
mod format;
pub mod moves;
mod parse;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use downbeat_time::{Except, Moment, Origin, UnixMs};
use uuid::Uuid;

use self::moves::Step;
use super::entry::Entry;
use crate::worker::Message;

pub use error::{TemplateError, TemplateProblem};
pub use format::MAX_FORMAT;
pub use parse::{Piece, find_opener, pieces};

/// What is between `{{` and `}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// One of the entry's slots.
    Slot(SlotTemplate),
    /// The entry's name.
    Entry,
    /// The message's id.
    TaskId,
    /// Quoted text, without the quotes.
    Text(Box<str>),
}

/// One of the entry's slots: which one, where it is moved, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotTemplate {
    /// Which slot.
    pub which: Which,
    /// One after the other.
    pub moves: Box<[Step]>,
    /// How the result is written.
    pub form: Form,
}

/// Which of the entry's slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The slot of the message.
    This,
    /// The same before it was moved to another day.
    Nominal,
    /// The entry's slot before that one.
    Previous,
    /// The entry's slot after that one.
    Next,
}

/// How an instant is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 3339 in the entry's zone, with milliseconds only if there are some.
    Rfc3339,
    /// The date in the entry's zone.
    Date,
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
    /// In the text of the options that [may have some](crate::worker::Options::templated).
    pub options: Box<[Hole]>,
    /// The calendars that `business_days` names, each once.
    pub calendars: Box<[Calendar]>,
}

/// The days of a calendar, by its name.
pub type Calendar = (Box<str>, Arc<Except>);

/// The values that templates are filled in from.
pub(super) struct Facts<'a> {
    entry: &'a Entry,
    slot: UnixMs,
    task_id: Uuid,
    origin: OnceCell<Origin>,
    previous_slot: OnceCell<Option<Moment>>,
    next_slot: OnceCell<Option<Moment>>,
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

    /// The same template, this many bytes further on.
    #[must_use]
    pub fn moved(self, by: usize) -> Hole {
        let at = self.start as usize + by..self.end as usize + by;
        Hole::new(at, self.whole, self.template)
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
            Template::Slot(slot) => slot.value(facts).unwrap_or(Value::Null),
            Template::Entry => Value::Text(Cow::Borrowed(&facts.entry.name)),
            Template::TaskId => Value::Text(Cow::Owned(facts.task_id.to_string())),
            Template::Text(text) => Value::Text(Cow::Borrowed(text)),
        }
    }
}

impl SlotTemplate {
    /// `None` if there is no such slot, or it is moved to where the calendar ends.
    fn value(&self, facts: &Facts<'_>) -> Option<Value<'static>> {
        let slot = match self.which {
            Which::This => facts.origin().slot,
            Which::Nominal => facts.origin().nominal,
            Which::Previous => facts.previous_slot()?,
            Which::Next => facts.next_slot()?,
        };
        let zone = &facts.entry.zone;
        let moment = self
            .moves
            .iter()
            .try_fold(slot, |moment, step| step.apply(moment, zone, |name| facts.calendar(name)))?;
        Some(match &self.form {
            Form::Unix => Value::Number(moment.at.0.div_euclid(1000)),
            Form::Rfc3339 => Value::Text(Cow::Owned(zone.to_rfc3339(moment.at))),
            Form::Date => Value::Text(Cow::Owned(moment.reading().date().to_string())),
            // A checked format works for every instant.
            Form::Format(format) => {
                Value::Text(Cow::Owned(moment.strftime(zone, format).unwrap_or_default()))
            }
        })
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
        self.args.len() + self.kwargs.len() + self.headers.len() + self.options.len()
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
        if !self.options.is_empty()
            && let Some(text) = filled.options.as_mut().and_then(|options| options.templated())
        {
            *text = fill(text, &self.options, facts);
        }
        filled
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(entry: &'a Entry, slot: UnixMs, task_id: Uuid) -> Facts<'a> {
        let (origin, previous_slot, next_slot) = Default::default();
        Facts { entry, slot, task_id, origin, previous_slot, next_slot }
    }

    fn origin(&self) -> Origin {
        *self.origin.get_or_init(|| self.entry.origin(self.slot))
    }

    /// Computed once, and only if used: it costs as much as dozens of next slots.
    fn previous_slot(&self) -> Option<Moment> {
        *self.previous_slot.get_or_init(|| {
            let previous = self.entry.previous_slot(self.slot)?;
            Some(self.entry.origin(previous).slot)
        })
    }

    fn next_slot(&self) -> Option<Moment> {
        *self.next_slot.get_or_init(|| {
            let next = self.entry.next_slot(self.slot)?;
            Some(self.entry.origin(next).slot)
        })
    }

    fn calendar(&self, name: &str) -> Option<&'a Except> {
        let calendars = &self.entry.templates.as_ref()?.calendars;
        calendars.iter().find(|(known, _)| **known == *name).map(|(_, days)| &**days)
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
