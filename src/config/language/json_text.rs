//! Values as compact JSON text, as the message carries them once its templates are filled in.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::days::CalendarRef;
use super::limits::MAX_ENTRY_NAME;
use crate::schedule::template::moves::Step;
use crate::schedule::template::{self, Form, Hole, Piece, SlotTemplate, Template, TemplateError};
use crate::text::{MAX_PROBLEMS, Node, Pair, Report, Scalar, Value, shortened};

/// Maximum bytes of the JSON text of one `args` or `kwargs`, with its templates at their longest.
///
/// A schedule names work to do; what the work needs belongs in a store. Redis already takes several
/// times as long for a message of this size as for a usual one.
pub(crate) const MAX_ARGUMENTS: usize = 64 * 1024;

/// Maximum bytes of the JSON text of one `headers`, counted the same way.
pub(crate) const MAX_HEADERS: usize = 8 * 1024;

/// A value whose text may hold templates.
#[derive(Clone)]
pub(super) struct Templated<T> {
    pub(super) value: T,
    holes: Box<[Hole]>,
    /// The calendars that the templates name.
    calendars: Box<[CalendarRef]>,
}

impl<T> Templated<T> {
    /// A value without templates.
    pub(super) fn plain(value: T) -> Templated<T> {
        Templated { value, holes: Box::default(), calendars: Box::default() }
    }

    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Templated<U> {
        let Templated { value, holes, calendars } = self;
        Templated { value: to(value), holes, calendars }
    }

    /// The value and its templates; adds the calendars that they name to `calendars`.
    pub(super) fn split(self, calendars: &mut Vec<CalendarRef>) -> (T, Box<[Hole]>) {
        calendars.extend(self.calendars);
        (self.value, self.holes)
    }
}

/// A list or mapping as JSON text.
pub(super) type JsonText = Templated<Arc<str>>;

/// JSON text put together of several, with the templates of each.
#[derive(Default)]
pub(super) struct Builder {
    json: String,
    holes: Vec<Hole>,
    calendars: Vec<CalendarRef>,
}

impl Builder {
    pub(super) fn push(&mut self, json: &str) {
        self.json.push_str(json);
    }

    pub(super) fn append(&mut self, text: JsonText) {
        let JsonText { value: json, holes, calendars } = text;
        let by = self.json.len();
        self.holes.extend(holes.into_iter().map(|hole| hole.moved(by)));
        self.calendars.extend(calendars);
        self.json.push_str(&json);
    }

    pub(super) fn finish(self) -> JsonText {
        let Builder { json, holes, calendars } = self;
        JsonText { value: json.into(), holes: holes.into(), calendars: calendars.into() }
    }
}

impl JsonText {
    pub(super) fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn of(json: &str) -> JsonText {
        JsonText::plain(json.into())
    }
}

/// Writes a list or mapping as JSON text of at most `limit` bytes.
pub(super) fn render(node: &Node<'_>, limit: usize, report: &mut Report<'_>) -> Option<JsonText> {
    let before = report.errors();
    let mut writer = Writer {
        out: String::new(),
        holes: Vec::new(),
        calendars: Vec::new(),
        filled: 0,
        limit,
        report,
    };
    let result = writer.value(node);
    writer.report.spend(writer.out.len() + size_of_val(&*writer.holes));
    if result.is_err() {
        let filled = match writer.filled {
            0 => "",
            _ => ", counting the longest values of its templates",
        };
        let message = format!("more than {} KiB of JSON{filled}", limit / 1024);
        writer
            .report
            .error(node.span, message)
            .hint("keep big values in a store and pass their keys");
        return None;
    }
    let Writer { out, holes, calendars, .. } = writer;
    let text = JsonText { value: out.into(), holes: holes.into(), calendars: calendars.into() };
    (report.errors() == before).then_some(text)
}

struct Writer<'r, 't> {
    out: String,
    holes: Vec<Hole>,
    calendars: Vec<CalendarRef>,
    /// Maximum bytes of the filled-in templates.
    filled: usize,
    limit: usize,
    report: &'r mut Report<'t>,
}

struct TooLong;

impl Writer<'_, '_> {
    fn value(&mut self, node: &Node<'_>) -> Result<(), TooLong> {
        match &node.target().value {
            Value::List(items) => self.list(items)?,
            Value::Map(pairs) => self.map(node, pairs)?,
            Value::Plain(text) => self.plain(node, text),
            Value::Text(text) => self.text(node, text),
            Value::Shared(_) => {}
        }
        if self.out.len() + self.filled > self.limit { Err(TooLong) } else { Ok(()) }
    }

    fn list(&mut self, items: &[Node<'_>]) -> Result<(), TooLong> {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.value(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, node: &Node<'_>, pairs: &[Pair<'_>]) -> Result<(), TooLong> {
        let holds = |name: &str| pairs.iter().any(|pair| pair.name() == name);
        if holds("__type__") && holds("__value__") {
            let message =
                "a mapping with both `__type__` and `__value__`, which Celery would replace";
            self.report.error(node.span, message).hint("rename one of the two keys");
        }
        self.out.push('{');
        for (index, pair) in pairs.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.key(&pair.key);
            self.out.push(':');
            self.value(&pair.value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn key(&mut self, key: &Node<'_>) {
        match key.scalar() {
            Some(Scalar::Text(text)) if template::find_opener(text).is_some() => {
                self.report
                    .error(key.span, format!("a template in the key `{}`", shortened(text)))
                    .hint("keys are names and stay as they are; put it into a value");
            }
            Some(Scalar::Text(text)) => self.quoted(text),
            _ => {
                let written = key.as_written().unwrap_or_default();
                self.report
                    .error(
                        key.span,
                        format!("a key must be text, found {}", self.report.found(key)),
                    )
                    .hint(format!("quote it: `\"{written}\":`"));
            }
        }
    }

    fn text(&mut self, node: &Node<'_>, text: &str) {
        if text.len() > self.limit || template::find_opener(text).is_none() {
            return self.quoted(text);
        }
        // A refused text is not in `out`, but it was read.
        self.report.spend(text.len());
        self.out.push('"');
        // Where a piece begins, as long as all are valid.
        let mut at = 0;
        for piece in template::pieces(text) {
            match piece {
                Ok(Piece::Plain(plain)) => {
                    template::push_escaped(&mut self.out, plain);
                    at += plain.len();
                }
                Ok(Piece::Template(source, template)) => {
                    self.note_calendars(node, at..at + source.len(), &template);
                    self.hole(source, source.len() == text.len(), template);
                    at += source.len();
                }
                Err(error) => refuse(node, &error, self.report),
            }
        }
        self.out.push('"');
    }

    /// Notes the calendars of a template, which is that part of the node's text.
    fn note_calendars(&mut self, node: &Node<'_>, part: Range<usize>, template: &Template) {
        let Template::Slot(slot) = template else { return };
        for name in slot.moves.iter().filter_map(Step::calendar) {
            let span = node.part(self.report.text(), part.clone());
            self.calendars.push(CalendarRef { name: name.into(), span });
        }
    }

    /// The template's source holds its place, so that the text is valid JSON with it, too.
    fn hole(&mut self, source: &str, whole: bool, template: Template) {
        let start = self.out.len();
        template::push_escaped(&mut self.out, source);
        let quotes = usize::from(whole);
        self.filled += longest(&template);
        let at = start - quotes..self.out.len() + quotes;
        self.holes.push(Hole::new(at, whole, template));
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        template::push_escaped(&mut self.out, text);
        self.out.push('"');
    }

    fn plain(&mut self, node: &Node<'_>, written: &str) {
        match Scalar::core(written) {
            Scalar::Null => self.out.push_str("null"),
            Scalar::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Scalar::Int(number) => {
                self.warn_of_octal(node, written, number);
                let _ = write!(self.out, "{number}");
            }
            Scalar::Huge => {
                self.report
                    .error(node.span, "an integer beyond 64 bits")
                    .hint("quote it, and let the task convert it");
            }
            Scalar::Float(number) if number.is_finite() => {
                self.out += &serde_json::to_string(&number).unwrap_or_default();
            }
            Scalar::Float(_) => {
                self.report.error(node.span, format!("JSON has no number `{written}`"));
            }
            Scalar::Text(text) => {
                self.warn_of_old_yaml(node, text);
                self.text(node, text);
            }
        }
    }

    fn warn_of_octal(&mut self, node: &Node<'_>, written: &str, number: i128) {
        let digits = written.trim_start_matches(['-', '+']);
        if digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0x") {
            let message =
                format!("`{written}` is the number {number}; YAML 1.1 reads it otherwise");
            self.report
                .warning(node.span, message)
                .hint(format!("write `{number}`, or `\"{written}\"` for the text"));
        }
    }

    /// Warns of text that PyYAML and other parsers of YAML 1.1 read as a boolean or a number.
    fn warn_of_old_yaml(&mut self, node: &Node<'_>, text: &str) {
        let meant = match text {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => "true".to_owned(),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => "false".to_owned(),
            _ if text.contains('_') && matches!(text.as_bytes()[0], b'0'..=b'9' | b'-' | b'+') => {
                let plain = text.replace('_', "");
                match Scalar::core(&plain) {
                    Scalar::Int(number) => number.to_string(),
                    Scalar::Float(_) => plain,
                    _ => return,
                }
            }
            _ => return,
        };
        self.report
            .warning(node.span, format!("`{text}` is text here, unlike in YAML 1.1"))
            .hint(format!("write `\"{text}\"` for the text, or `{meant}`"));
    }
}

/// Maximum bytes of JSON that a template becomes, with quotes.
fn longest(template: &Template) -> usize {
    /// `"-009999-01-01T00:00:00.000+00:00"`, `-377705116800` or an id.
    const FIXED: usize = 40;
    /// Maximum bytes that a two-byte directive writes: the longest zone name has 32.
    const PER_FORMAT_BYTE: usize = 16;
    2 + match template {
        Template::Slot(SlotTemplate { form: Form::Format(format), .. }) => {
            PER_FORMAT_BYTE * format.len()
        }
        Template::Slot(_) | Template::TaskId => FIXED,
        // Entry names have no control characters, and only those take more than two bytes for one.
        Template::Entry => 2 * MAX_ENTRY_NAME,
        Template::Text(text) => 6 * text.len(),
    }
}

/// Building this many bytes of JSON takes about as long as reporting a mistake. Aliases could repeat a
/// short mistake endlessly.
const BYTES_PER_MISTAKE: usize = 1024;

/// Reports what is wrong with a template in a value.
fn refuse(node: &Node<'_>, error: &TemplateError, report: &mut Report<'_>) {
    report.spend(BYTES_PER_MISTAKE + error.span.start);
    // Finding the position takes a walk through the text.
    let shown = report.count() < MAX_PROBLEMS;
    let span = if shown { node.part(report.text(), error.span.clone()) } else { node.span };
    report.error(span, error.to_string()).hint(error.problem.hint());
}
