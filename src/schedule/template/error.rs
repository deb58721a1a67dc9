//! Errors of templates: why one is refused, and what to write instead.

use std::ops::Range;

use thiserror::Error;

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
    /// Syntax of other template languages.
    #[error("`{0}` has no meaning here")]
    Foreign(&'static str),
}

/// All names of values.
const NAMES: [&str; 4] = ["slot", "previous_slot", "entry", "task_id"];
/// All filters of an instant.
const FILTERS: [&str; 3] = ["date", "unix", "format"];
/// Names of values in other schedulers, and ours.
const ALIASES: [(&str, &str); 8] = [
    ("ts", "slot"),
    ("ds", "slot | date"),
    ("date", "slot | date"),
    ("unix", "slot | unix"),
    ("timestamp", "slot | unix"),
    ("name", "entry"),
    ("id", "task_id"),
    ("uuid", "task_id"),
];
/// Everything that a template can have.
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
    let alias = ALIASES.iter().find(|(theirs, _)| *theirs == lower && known == NAMES);
    let near = || {
        let distance = |known: &&&str| strsim::damerau_levenshtein(&lower, known);
        let best = known.iter().min_by_key(distance)?;
        (distance(&best) <= (best.len() / 3).max(1)).then_some(*best)
    };
    match alias.map(|(_, ours)| *ours).or_else(near) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => ALL.to_owned(),
    }
}
