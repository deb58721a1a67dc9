//! Errors of expressions: what is wrong, where, and what to write instead.

use std::fmt;
use std::ops::Range;

use super::DayMatch;
use super::field::Field;
use crate::spelling::nearest;
use crate::token::Token;

/// The error of an expression that is refused: what is wrong, where, and what to write instead.
///
/// Shown as one line that fits after "failed to read the expression": what is wrong, then what to do next. A
/// loader uses the fields to point into the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronError {
    /// What is wrong.
    pub problem: Problem,
    /// The field that is wrong; `None` if the error is about the whole line.
    pub field: Option<Field>,
    /// The offending text.
    pub token: Box<str>,
    /// The token's position in bytes: in the line, or in the field's own text in a mapping.
    pub span: Range<usize>,
    /// The least and the greatest number that the field allows.
    pub allowed: Option<(u32, u32)>,
    /// What to write instead, if there is a good guess.
    pub suggestion: Option<String>,
}

/// What is wrong with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not five fields; 6 and 7 are [`Problem::ManyDialects`].
    FieldCount(usize),
    /// A call of Celery's `crontab(…)`.
    CeleryCall,
    /// Six or seven fields, which mean different things in different places.
    ManyDialects(usize),
    /// Neither six nor seven fields in a Quartz line.
    QuartzFieldCount(usize),
    /// Not allowed in this field of a Quartz line.
    QuartzMisfit {
        /// The field's name.
        field: &'static str,
        /// What the field allows.
        takes: &'static str,
    },
    /// A character that crontab lines cannot have, such as a line break.
    StrayCharacter,
    /// An `@name` that does not exist.
    UnknownNickname,
    /// An `@name` that does not name times.
    NoTimes,
    /// Nothing where a value is expected.
    Empty,
    /// Neither a number nor a name.
    NotAValue,
    /// A number outside the field's range.
    OutOfRange,
    /// A word that is not a name of the field.
    UnknownName,
    /// `*` with something other than a step after it.
    StrayStar,
    /// A step that is not a number.
    BadStep,
    /// A step of 0.
    ZeroStep,
    /// A step so large that the field cannot have two values.
    StepTooLarge,
    /// A step after a single value, so that its end is unclear.
    StepWithoutRange,
    /// A random value.
    Random,
    /// Something that only a crontab line can have.
    NeedsLine {
        /// Its meaning.
        meaning: &'static str,
        /// A line that has it.
        line: &'static str,
    },
    /// A zone before or after the fields.
    ZoneInLine {
        /// Its name, if it is one; the suggestion is the line without it, if that is understood.
        zone: Option<&'static str>,
    },
    /// A kind of day in a field that cannot have it, and its meaning.
    Misplaced(&'static str),
    /// A kind of day in a range, or with a step.
    SpecialInRange,
    /// A `W` without a day.
    NearestWhat,
    /// An `L-` without a number of days from 0 to 30.
    BadBeforeLast,
    /// A `#` without a number from 1 to 5.
    BadNth,
    /// An `H` with something other than a range or a step after it.
    BadHash,
    /// An `H` without a name to hash it from.
    NoEntry,
    /// Dates that never come.
    NeverComes,
}

/// A warning about an expression that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronWarning {
    /// Both day fields are restricted, and tools disagree on the meaning.
    AmbiguousDays(DayMatch),
    /// A step so large that only the range's first value matches.
    StepTooLarge {
        /// The field with the step.
        field: Field,
        /// As written.
        step: Box<str>,
        /// Its position in the field's text, in bytes.
        span: Range<usize>,
    },
    /// A step that does not divide its field evenly.
    UnevenSteps {
        /// The field with the step.
        field: Field,
        /// The item with the step, as written.
        item: Box<str>,
        /// Its position in the text, in bytes.
        span: Range<usize>,
        /// When the field matches, in words.
        runs: String,
        /// The gaps between these, in words.
        gaps: String,
        /// A key of a schedule file with its value, for equal gaps, if there is one.
        equal: Option<String>,
        /// The field's values as a list, if it can be written as one.
        values: Option<String>,
    },
}

impl CronError {
    pub(super) fn of_line(problem: Problem, token: Token<'_>) -> CronError {
        let (token, span) = (token.text.into(), token.span());
        CronError { problem, field: None, token, span, allowed: None, suggestion: None }
    }

    pub(super) fn in_field(
        problem: Problem,
        field: Field,
        allowed: (u32, u32),
        token: Token<'_>,
    ) -> CronError {
        CronError {
            field: Some(field),
            allowed: Some(allowed),
            suggestion: suggest(problem, field, token.text)
                .filter(|suggestion| field.is_understood(suggestion)),
            ..CronError::of_line(problem, token)
        }
    }
}

/// Suggests what the author most likely meant.
fn suggest(problem: Problem, field: Field, token: &str) -> Option<String> {
    match (problem, field, token) {
        (Problem::OutOfRange, Field::Hour, "24") => Some("0".into()),
        (Problem::OutOfRange, Field::Minute, "60") => Some("0".into()),
        (Problem::OutOfRange, Field::Weekday, "7") => Some("0".into()),
        // The `L` of `fryL` is not part of the name.
        (Problem::UnknownName, Field::Weekday, _) if token.ends_with(['L', 'l']) => {
            let name = near(&token[..token.len() - 1], field.names())?;
            Some(format!("{name}L"))
        }
        (Problem::UnknownName, ..) => near(token, field.names()),
        (Problem::StepWithoutRange, Field::Weekday, _) => {
            let (value, step) = token.split_once('/')?;
            Some(format!(
                "{value}-{}/{step}",
                if value.parse::<u8>().is_ok() { "6" } else { "sat" }
            ))
        }
        (Problem::StepWithoutRange, ..) => {
            let (value, step) = token.split_once('/')?;
            let last = field.full_mask().ilog2();
            Some(format!("{value}-{last}/{step}"))
        }
        (Problem::Misplaced(_), _, "?") => Some("*".into()),
        (Problem::Random, ..) => random(token, field),
        _ => None,
    }
}

/// The name that a word most likely misspells, in full or by its first three letters.
fn near(word: &str, names: &[&str]) -> Option<String> {
    let short = names.iter().map(|name| &name[..3]);
    let near = nearest(word, names.iter().copied().chain(short))?;
    names.iter().find(|name| name.starts_with(near)).map(|name| (*name).to_owned())
}

/// The hash that takes the place of cronie's `~`: a random value of the field, or between two, perhaps with a step.
fn random(token: &str, field: Field) -> Option<String> {
    let (range, step) = token.split_at(token.find('/').unwrap_or(token.len()));
    let hash = match range.split_once('~')? {
        ("", "") => "H".to_owned(),
        ("", greatest) => format!("H({}-{greatest})", field.first()),
        (least, "") => format!("H({least}-{})", field.last()),
        (least, greatest) => format!("H({least}-{greatest})"),
    };
    Some(hash + step)
}

impl std::error::Error for CronError {}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_problem(f)?;
        match &self.suggestion {
            Some(suggestion) if !self.is_about_zone() => {
                write!(f, "; did you mean `{suggestion}`?")
            }
            _ => self.write_hint(f),
        }
    }
}

impl CronError {
    fn is_about_zone(&self) -> bool {
        matches!(self.problem, Problem::ZoneInLine { .. })
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.escape_debug();
        let field = self.field.map_or("field", Field::name);
        match self.problem {
            Problem::FieldCount(found) => write!(f, "found {found} of five fields"),
            Problem::CeleryCall => f.write_str("`crontab(…)` is Python, not a crontab line"),
            Problem::ManyDialects(found) => write!(
                f,
                "{found} fields have three meanings in the wild: seconds first with 1 for Sunday \
                 (Quartz), seconds first with 0 for Sunday (Spring), year last (EventBridge)"
            ),
            Problem::QuartzFieldCount(found) => write!(f, "found {found} of six or seven fields"),
            Problem::QuartzMisfit { field, .. } if self.token.is_empty() => {
                write!(f, "a {field} is missing here")
            }
            Problem::QuartzMisfit { field, .. } => {
                write!(f, "`{token}` does not fit the {field} of a Quartz line")
            }
            Problem::StrayCharacter => write!(f, "`{token}` is not part of a crontab line"),
            Problem::UnknownNickname => write!(f, "`{token}` is not a known name"),
            Problem::NoTimes => write!(f, "`{token}` names no times of its own"),
            Problem::Empty => write!(f, "a {field} is missing here"),
            Problem::NotAValue => write!(f, "`{token}` is not a {field}"),
            Problem::OutOfRange => write!(f, "{field} `{token}` is out of range"),
            Problem::UnknownName => write!(f, "`{token}` is not the name of a {field}"),
            Problem::StrayStar => {
                write!(f, "`*` stands alone or before a `/step`, not in `{token}`")
            }
            Problem::BadStep => write!(f, "step `{token}` of the {field} is not a number"),
            Problem::ZeroStep => write!(f, "a step of the {field} can't be {token}"),
            Problem::StepTooLarge => {
                write!(f, "step `{token}` is larger than the range of the {field}")
            }
            Problem::StepWithoutRange => {
                write!(f, "`{token}` does not say how far the steps of the {field} run")
            }
            Problem::Random => write!(f, "`{token}` (a random value) is not supported"),
            Problem::NeedsLine { meaning, .. } => {
                write!(f, "`{token}` ({meaning}) needs a crontab line")
            }
            Problem::ZoneInLine { .. } => {
                write!(f, "the zone is a key of its own, not part of a line as in `{token}`")
            }
            Problem::Misplaced(meaning) => write!(f, "`{token}` ({meaning}) is not a {field}"),
            Problem::SpecialInRange => {
                write!(f, "`{token}` mixes a range or a step with a kind of day")
            }
            Problem::NearestWhat => write!(f, "`{token}` does not say which day it should be near"),
            Problem::BadBeforeLast => {
                write!(f, "`{token}` does not say how many days before the last")
            }
            Problem::BadNth => write!(f, "`{token}` does not say which one of the month"),
            Problem::BadHash => write!(f, "`{token}` is not a form of `H`"),
            Problem::NoEntry => {
                write!(f, "`{token}` is hashed from an entry's name, and there is none")
            }
            Problem::NeverComes => write!(f, "the date `{token}` never comes"),
        }
    }

    fn write_hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, greatest) = self.allowed.unwrap_or_default();
        match self.problem {
            Problem::FieldCount(_) => {
                f.write_str("; write minute, hour, day of month, month and weekday")
            }
            Problem::CeleryCall => {
                write!(
                    f,
                    "; write its arguments as a mapping: `cron: {{{}}}`",
                    arguments(&self.token)
                )
            }
            Problem::ManyDialects(_) => f.write_str(
                "; write five fields, beginning with the minute, or `cron: {quartz: \"…\"}` for \
                 Quartz",
            ),
            Problem::QuartzFieldCount(5) => {
                f.write_str("; write a crontab line without `quartz`, or begin with the second")
            }
            Problem::QuartzFieldCount(_) => f.write_str(
                "; write second, minute, hour, day of month, month, weekday and perhaps year",
            ),
            Problem::QuartzMisfit { takes, .. } => {
                write!(f, "; write {takes}, or ranges upwards, steps and lists of them")
            }
            Problem::StrayCharacter => {
                f.write_str("; write one line, with blanks between fields, or a list of lines")
            }
            Problem::UnknownNickname => f.write_str(
                "; write @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or \
                 five fields",
            ),
            Problem::NoTimes => f.write_str("; write five fields, or use `every`"),
            Problem::UnknownName if self.field.is_some_and(|field| !field.names().is_empty()) => {
                write!(f, "; write {least} to {greatest}, or three letters or more of its name")
            }
            Problem::Empty | Problem::NotAValue | Problem::OutOfRange | Problem::UnknownName => {
                write!(f, "; write {least} to {greatest}")
            }
            Problem::StrayStar => f.write_str("; write `*`, `*/step` or a range"),
            Problem::BadStep | Problem::ZeroStep | Problem::StepTooLarge => {
                write!(f, "; write 1 to {greatest}")
            }
            Problem::StepWithoutRange => f.write_str("; write a range before the step"),
            Problem::Random => f.write_str("; write `H` or `H(a-b)`, a value that stays the same"),
            Problem::NeedsLine { line, .. } => {
                write!(f, "; write one, minute first: `cron: \"{line}\"`")
            }
            Problem::ZoneInLine { zone } => {
                match zone {
                    Some(zone) => write!(f, "; write `timezone: {zone}`")?,
                    None => f.write_str("; write `timezone` with a name such as `Asia/Seoul`")?,
                }
                match &self.suggestion {
                    Some(line) => write!(f, " and the line as `{line}`"),
                    None => f.write_str(" and the line without it"),
                }
            }
            Problem::Misplaced(_) if self.field == Some(Field::Weekday) => {
                f.write_str("; write it as the day of month, or `friL` for the last Friday")
            }
            Problem::Misplaced(_) if self.field == Some(Field::Day) => {
                f.write_str("; write it as the weekday")
            }
            Problem::Misplaced(_) => f.write_str("; write it as the day of month or the weekday"),
            Problem::SpecialInRange => {
                f.write_str("; write it by itself or in a list, such as `1,15,L`")
            }
            Problem::NearestWhat => f.write_str("; write `15W`, or `LW` for the last of the month"),
            Problem::BadBeforeLast => f.write_str(
                "; write `L-1` to `L-30`, or `L-3W` for the nearest day from Monday to Friday",
            ),
            Problem::BadNth => f.write_str("; write `#1` to `#5`, or `friL` for the last"),
            Problem::BadHash => f.write_str("; write `H`, `H(a-b)`, `H/n` or `H(a-b)/n`"),
            Problem::NoEntry => f.write_str("; name an entry"),
            Problem::NeverComes => f.write_str("; write a day that one of the months has"),
        }
    }
}

/// The arguments of `crontab(…)` as pairs of a mapping; an example if they are hard to read.
fn arguments(call: &str) -> String {
    let inside = call.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let pair = |argument: &str| {
        let (name, value) = argument.split_once('=')?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_*/-'\" ".contains(c);
        (argument.replace('=', "").chars().all(is_plain))
            .then(|| format!("{}: {}", name.trim(), value.trim()))
    };
    let pairs: Option<Vec<_>> = inside.split(',').map(pair).collect();
    pairs.map_or_else(|| "minute: 0, hour: '*/3'".to_owned(), |pairs| pairs.join(", "))
}

impl fmt::Display for CronWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CronWarning::AmbiguousDays(DayMatch::Or) => f.write_str(
                "day of month and weekday are both restricted: one of them is enough; \
                 `day_match: and` asks for both, `day_match: or` silences this",
            ),
            CronWarning::AmbiguousDays(DayMatch::And) => f.write_str(
                "day of month and weekday are both restricted: both must match, because one begins \
                 with `*`; `day_match: or` asks for either, `day_match: and` silences this",
            ),
            CronWarning::StepTooLarge { field, step, .. } => write!(
                f,
                "step `{step}` is larger than the range of {}: only the first value matches",
                field.key()
            ),
            CronWarning::UnevenSteps { item, runs, gaps, equal, values, .. } => {
                write!(f, "`{item}` runs {runs}, so gaps are {gaps}")?;
                match (equal, values) {
                    (Some(equal), Some(values)) => {
                        write!(
                            f,
                            "; write `{equal}` for equal gaps, or `{values}` if this is meant"
                        )
                    }
                    (Some(equal), None) => write!(f, "; write `{equal}` for equal gaps"),
                    (None, Some(values)) => write!(f, "; write `{values}` if this is meant"),
                    (None, None) => Ok(()),
                }
            }
        }
    }
}
