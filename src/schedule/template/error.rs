//! Why a template is refused, and what to write instead.

use std::ops::Range;

use thiserror::Error;

/// Something in a text that is neither plain nor a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// The offending bytes of the text.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub problem: TemplateProblem,
}

/// What can be wrong. Texts in it are cut to a length that fits a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateProblem {
    /// No `}}` after a `{{`.
    #[error("`{{{{` is never closed")]
    NeverClosed,
    /// Nothing between the braces.
    #[error("an empty template")]
    Empty,
    /// A word that stands for nothing. It is not quoted, as the status shows messages to everybody.
    #[error("unknown name in a template")]
    UnknownName(String),
    /// A word after `|` that is no filter.
    #[error("unknown filter in a template")]
    UnknownFilter(String),
    /// A filter on something that is no instant.
    #[error("{0} takes no filter")]
    NoFilter(&'static str),
    /// Something else than what the grammar has here.
    #[error("expected {expected} here")]
    Unexpected {
        /// What may stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A quoted text without an end.
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
    /// Not what `strftime` knows.
    #[error("unknown directive `{0}` in a format")]
    UnknownDirective(String),
    /// A directive padded to more than 20 characters.
    #[error("`{0}` pads to more than 20 characters")]
    Wide(String),
    /// Microseconds in Python, as many digits as are needed elsewhere.
    #[error("`{0}` does not say how many digits")]
    OpenFraction(String),
    /// What other template languages have.
    #[error("`{0}` has no meaning here")]
    Foreign(&'static str),
}

/// Every name that stands for something.
const NAMES: [&str; 4] = ["slot", "previous_slot", "entry", "task_id"];
/// Every filter of an instant.
const FILTERS: [&str; 3] = ["date", "unix", "format"];
/// What other schedulers call a value, and ours.
const ELSEWHERE: [(&str, &str); 8] = [
    ("ts", "slot"),
    ("ds", "slot | date"),
    ("date", "slot | date"),
    ("unix", "slot | unix"),
    ("timestamp", "slot | unix"),
    ("name", "entry"),
    ("id", "task_id"),
    ("uuid", "task_id"),
];
/// What there is.
const ALL: &str = "there are `slot` and `previous_slot`, with `| date`, `| unix` or \
                   `| format(\"%Y-%m\")`, and `entry`, `task_id`";

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
                name => suggestion(name, &NAMES),
            },
            TemplateProblem::UnknownFilter(name) => suggestion(name, &FILTERS),
            TemplateProblem::NoFilter(_) => "filters are for `slot` and `previous_slot`".to_owned(),
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

fn suggestion(name: &str, known: &[&'static str]) -> String {
    let lower = name.to_lowercase();
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == lower && known == NAMES);
    let near = || {
        let distance = |known: &&&str| strsim::damerau_levenshtein(&lower, known);
        let best = known.iter().min_by_key(distance)?;
        (distance(&best) <= (best.len() / 3).max(1)).then_some(*best)
    };
    match elsewhere.map(|(_, ours)| *ours).or_else(near) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => ALL.to_owned(),
    }
}
