//! The arguments of Celery's `crontab(minute, hour, day_of_week, day_of_month, month_of_year)`.
//!
//! Read as Celery reads them: a missing field is `*`, both day fields must match, ranges wrap, and their steps
//! run over the wrapped list. What Celery accepts but does not understand (`1-5-7`, `fri#2`, `monkey`, a month's
//! name in another field) is refused, and so is what only crontab lines have here (`L`, `H`). Clock changes
//! follow the rule of this crate, with the same test of the text of minute and hour.

use super::error::{CronError, Problem};
use super::field::{Dialect, Field, FieldReader, Notes, Set};
use super::uneven::Stepped;
use super::{Cron, DayMatch, Parsed, Sets};
use crate::token::Token;

/// The arguments of Celery's `crontab(…)` as text; what is missing is `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingFields<'a> {
    /// 0 to 59.
    pub minute: Option<&'a str>,
    /// 0 to 23.
    pub hour: Option<&'a str>,
    /// 0 (Sunday) to 6 or names.
    pub day_of_week: Option<&'a str>,
    /// 1 to 31.
    pub day_of_month: Option<&'a str>,
    /// 1 to 12 or names.
    pub month_of_year: Option<&'a str>,
}

impl Cron {
    /// Reads the arguments of Celery's `crontab(…)`; both day fields must match, unless `day_match` says
    /// otherwise.
    ///
    /// # Errors
    ///
    /// When any field is not wholly understood, and when the dates never come. The error's span is a position in
    /// its field's text.
    pub fn from_mapping(
        fields: MappingFields<'_>,
        day_match: Option<DayMatch>,
    ) -> Result<Parsed, CronError> {
        let mut notes = Notes::default();
        let mut read = |field: Field, text: Option<&str>| -> Result<Set, CronError> {
            let token = Token { text: text.unwrap_or("*"), at: 0 };
            let dialect = Dialect::Celery;
            FieldReader { field, dialect, entry: None, notes: &mut notes }.read(token)
        };
        let sets = Sets {
            minute: read(Field::Minute, fields.minute)?,
            hour: read(Field::Hour, fields.hour)?,
            day: read(Field::Day, fields.day_of_month)?,
            month: read(Field::Month, fields.month_of_year)?,
            weekday: read(Field::Weekday, fields.day_of_week)?,
        };
        let cron = sets.into_cron(day_match.unwrap_or(DayMatch::And));
        if cron.ever_comes() {
            let stepped = Stepped { cron: &cron, seconds: 1, every_year: true, first_weekday: 0 };
            notes.warnings.extend(stepped.warnings(&notes.steps));
            return Ok(Parsed { cron, warnings: notes.warnings, resolved: None });
        }
        let day = Token { text: fields.day_of_month.unwrap_or("*"), at: 0 };
        let error = CronError::of_line(Problem::NeverComes, day);
        Err(CronError { field: Some(Field::Day), ..error })
    }
}
