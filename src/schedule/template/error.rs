//! Errors of templates: why one is refused, and what to write instead.

use std::ops::Range;

use downbeat_time::nearest;
use thiserror::Error;

use super::moves::{MAX_BUSINESS_DAYS, ShiftError};
use super::parse::MAX_MOVES;

/// An error in a text with templates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// The offending bytes of the text.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub problem: TemplateProblem,
}

/// What is wrong. Texts in it are shortened to fit a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateProblem {
    /// No `}}` after a `{{`.
    #[error("`{{{{` is never closed")]
    NeverClosed,
    /// Nothing between the braces.
    #[error("an empty template")]
    Empty,
    /// An unknown word. It is not quoted, because everybody can read the status.
    #[error("unknown name in a template")]
    UnknownName(String),
    /// An unknown filter after `|`.
    #[error("unknown filter in a template")]
    UnknownFilter(String),
    /// A filter on something other than an instant.
    #[error("{0} takes no filter")]
    NoFilter(&'static str),
    /// Something that the grammar does not allow here.
    #[error("expected {expected} here")]
    Unexpected {
        /// What is allowed here.
        expected: &'static str,
        /// What is here.
        found: String,
    },
    /// A quoted text that does not end.
    #[error("this quote is never closed")]
    OpenQuote,
    /// An escape in a quoted text.
    #[error("a backslash in quoted text, which has no escapes")]
    Backslash,
    /// A format of more than [`MAX_FORMAT`](super::MAX_FORMAT) bytes.
    #[error("a format of more than {} bytes", super::MAX_FORMAT)]
    LongFormat,
    /// A format that writes the same for every slot.
    #[error("a format without a `%` directive")]
    ConstantFormat,
    /// A directive that `strftime` does not know.
    #[error("unknown directive `{0}` in a format")]
    UnknownDirective(String),
    /// A directive padded to more than 20 characters.
    #[error("`{0}` pads to more than 20 characters")]
    Wide(String),
    /// A directive for microseconds in Python, but as many digits as needed in other languages.
    #[error("`{0}` does not say how many digits")]
    OpenFraction(String),
    /// A filter that moves an instant, behind one that says how it is written.
    #[error("`{0}` moves an instant, and this is text")]
    LateMove(&'static str),
    /// An invalid length to move by.
    #[error(transparent)]
    Shift(#[from] ShiftError),
    /// `business_days(0)`
    #[error("a move by 0 business days")]
    NoDays,
    /// More than [`MAX_BUSINESS_DAYS`].
    #[error("a move by more than {MAX_BUSINESS_DAYS} business days")]
    ManyDays,
    /// Too many filters that move an instant.
    #[error("more than {MAX_MOVES} moves in a template")]
    ManyMoves,
    /// Syntax of other template languages.
    #[error("`{0}` has no meaning here")]
    Foreign(&'static str),
}

/// All names of values.
const NAMES: [&str; 6] = ["slot", "nominal_slot", "previous_slot", "next_slot", "entry", "task_id"];
const FILTERS: [&str; 5] = ["date", "unix", "format", "shift", "business_days"];
/// Names of values in other schedulers, and ours; those from `ts` on are Airflow's.
const ALIASES: [(&str, &str); 24] = [
    ("date", "slot | date"),
    ("unix", "slot | unix"),
    ("timestamp", "slot | unix"),
    ("yesterday", r#"slot | shift("-1d") | date"#),
    ("tomorrow", r#"slot | shift("1d") | date"#),
    ("nominal", "slot"),
    ("scheduled", "slot"),
    ("scheduled_at", "slot"),
    ("name", "entry"),
    ("id", "task_id"),
    ("uuid", "task_id"),
    ("ts", "slot"),
    ("ts_nodash", r#"slot | format("%Y%m%dT%H%M%S")"#),
    ("ds", "slot | date"),
    ("ds_nodash", r#"slot | format("%Y%m%d")"#),
    ("yesterday_ds", r#"slot | shift("-1d") | date"#),
    ("tomorrow_ds", r#"slot | shift("1d") | date"#),
    ("prev_ds", "previous_slot | date"),
    ("next_ds", "next_slot | date"),
    ("logical_date", "slot"),
    ("execution_date", "slot"),
    ("data_interval_start", "previous_slot"),
    ("data_interval_end", "slot"),
    ("macros", r#"slot | shift("-1d")"#),
];
/// Filters in other template languages, and ours.
const FILTER_ALIASES: [(&str, &str); 23] = [
    ("add", r#"shift("1d")"#),
    ("add_days", r#"shift("1d")"#),
    ("ds_add", r#"shift("1d")"#),
    ("plus", r#"shift("1d")"#),
    ("minus", r#"shift("-1d")"#),
    ("sub", r#"shift("-1d")"#),
    ("timedelta", r#"shift("-1d")"#),
    ("offset", r#"shift("-1d")"#),
    ("move", r#"shift("-1d")"#),
    ("day", r#"format("%d")"#),
    ("month", r#"format("%m")"#),
    ("year", r#"format("%Y")"#),
    ("week", r#"format("%G-W%V")"#),
    ("weekday", r#"format("%A")"#),
    ("hour", r#"format("%H")"#),
    ("time", r#"format("%H:%M:%S")"#),
    ("strftime", r#"format("%Y-%m")"#),
    ("ds", "date"),
    ("ds_nodash", r#"format("%Y%m%d")"#),
    ("timestamp", "unix"),
    ("epoch", "unix"),
    ("business_day", "business_days(-1)"),
    ("workdays", "business_days(-1)"),
];
/// Everything that a template can have.
const ALL: &str = "there are `slot`, `nominal_slot`, `previous_slot`, `next_slot`, `entry` and `task_id`; a slot \
                   takes `| shift(\"-1d\")`, `| business_days(-1)`, then `| date`, `| unix` or \
                   `| format(\"%Y-%m\")`";

impl TemplateError {
    pub(super) fn new(span: Range<usize>, problem: TemplateProblem) -> TemplateError {
        TemplateError { span, problem }
    }
}

impl TemplateProblem {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            TemplateProblem::NeverClosed => {
                r#"close it with `}}`; to write two braces: `{{ "{{" }}`"#.to_owned()
            }
            TemplateProblem::UnknownName(name) => match name.as_str() {
                "now" | "today" => {
                    "values come from the slot, never from now: `{{ slot }}`".to_owned()
                }
                name => suggestion(name, &NAMES, &ALIASES),
            },
            TemplateProblem::UnknownFilter(name) => suggestion(name, &FILTERS, &FILTER_ALIASES),
            TemplateProblem::NoFilter(_) => {
                "filters are for `slot`, `nominal_slot`, `previous_slot` and `next_slot`".to_owned()
            }
            TemplateProblem::Unexpected { expected, found }
                if found.starts_with(['+', '-']) && *expected != "a name" =>
            {
                r#"an instant is moved by `shift`: `{{ slot | shift("-1d") }}`"#.to_owned()
            }
            TemplateProblem::Unexpected { found, .. } if found.starts_with('.') => {
                r#"a part of it is written by `format`: `{{ slot | format("%Y") }}`"#.to_owned()
            }
            TemplateProblem::LateMove(name) => {
                format!("move first, then write: `{{{{ slot | {name}(…) | date }}}}`")
            }
            TemplateProblem::Shift(error) => error.hint(),
            TemplateProblem::NoDays => {
                r#"the day itself, or the business day before it, is `shift("1d") | business_days(-1)`"#
                    .to_owned()
            }
            TemplateProblem::ManyDays => "move by months or years: `shift(\"-1y\")`".to_owned(),
            TemplateProblem::ManyMoves => "add them up".to_owned(),
            TemplateProblem::Unexpected { found, .. } if found.starts_with('{') => {
                r#"a brace right before a template is written `{{ "{" }}`"#.to_owned()
            }
            TemplateProblem::Empty | TemplateProblem::Unexpected { .. } => ALL.to_owned(),
            TemplateProblem::OpenQuote | TemplateProblem::Backslash => {
                "text is quoted by `\"` or `'`, and goes on to the same quote".to_owned()
            }
            TemplateProblem::LongFormat | TemplateProblem::Wide(_) => {
                "put fixed text outside of the braces".to_owned()
            }
            TemplateProblem::ConstantFormat => "write it like `%Y-%m-%d`".to_owned(),
            TemplateProblem::UnknownDirective(_) => "directives are those of `strftime`, such as \
                 %Y %m %d %H %M %S %z %a %b %j %V; `%%` writes a percent sign"
                .to_owned(),
            TemplateProblem::OpenFraction(_) => {
                "`%3f` writes milliseconds, `%6f` what Python's `%f` does".to_owned()
            }
            TemplateProblem::Foreign(braces) => {
                format!("only `{{{{ … }}}}` is filled in; as text it is `{{{{ \"{braces}\" }}}}`")
            }
        }
    }
}

fn suggestion(
    name: &str,
    known: &[&'static str],
    aliases: &[(&'static str, &'static str)],
) -> String {
    let lower = name.to_lowercase();
    let alias = aliases.iter().find(|(theirs, _)| *theirs == lower);
    let near = || nearest(name, known.iter().copied());
    match alias.map(|(_, ours)| *ours).or_else(near) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => ALL.to_owned(),
    }
}
