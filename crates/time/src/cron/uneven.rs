//! Steps that do not divide their field evenly: `*/45` runs at :00 and :45, not every 45 minutes.
//!
//! Only a step that runs over the whole field counts. `0-30/10` is a window that somebody chose.

mod instead;

use std::collections::BTreeSet;
use std::ops::Range;

use super::days::Month;
use super::describe::EVERY_DAY;
use super::error::CronWarning;
use super::field::Field;
use super::{Cron, DayMatch};
use crate::calendar::{Date, day_of, month_length, weekday_of};
use crate::token::Token;
use crate::words::{EVERY_WEEKDAY, and, list, months_in_words, values};

/// The years that are examined: 28, after which the calendar repeats until a century without a leap day.
const YEARS: Range<u32> = 2001..2029;
/// More gaps than this are described by the least and the greatest.
const MAX_GAPS: usize = 4;

/// An item with a step, as written and as read.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    field: Field,
    item: Box<str>,
    span: Range<usize>,
    from: u32,
    to: u32,
    step: u32,
}

impl Steps {
    pub(super) fn new(field: Field, item: Token<'_>, from: u32, to: u32, step: u32) -> Steps {
        Steps { field, item: item.text.into(), span: item.span(), from, to, step }
    }

    /// Whether the steps run over the whole field, to its end.
    fn fills_field(&self) -> bool {
        let Steps { field, from, to, step, .. } = *self;
        // A hashed day is at most the 28th.
        let ends = to == field.last() || field == Field::Day && self.is_hashed();
        from <= to && from - field.first() < step && ends
    }

    fn is_hashed(&self) -> bool {
        self.item.starts_with(['h', 'H'])
    }

    fn mask(&self) -> u64 {
        (self.from..=self.to).step_by(self.step as usize).fold(0, |mask, at| mask | 1 << at)
    }
}

/// An expression with its seconds; a crontab line has second 0 alone.
pub(super) struct Stepped<'c> {
    pub(super) cron: &'c Cron,
    pub(super) seconds: u64,
    pub(super) every_year: bool,
    /// How much more a weekday's number is than here, where Sunday is 0.
    pub(super) first_weekday: u32,
}

impl Stepped<'_> {
    /// A warning for each field with steps whose gaps differ.
    pub(super) fn warnings(&self, steps: &[Steps]) -> Vec<CronWarning> {
        let mut warnings: Vec<CronWarning> = Vec::new();
        let mut warned = None;
        for steps in steps.iter().filter(|steps| steps.fills_field()) {
            if warned != Some(steps.field)
                && let Some(warning) = self.warning(steps)
            {
                warnings.push(warning);
                warned = Some(steps.field);
            }
        }
        warnings
    }

    fn warning(&self, steps: &Steps) -> Option<CronWarning> {
        let field = steps.field;
        let is_even_alone = match field {
            // Months have different lengths.
            Field::Day => false,
            _ => self.gaps(field, steps.mask()).len() < 2,
        };
        let gaps = self.gaps(field, self.mask(field));
        if is_even_alone || gaps.len() < 2 {
            return None;
        }
        Some(CronWarning::UnevenSteps {
            field,
            item: steps.item.clone(),
            span: steps.span.clone(),
            runs: self.runs_in_words(field),
            gaps: gaps_in_words(field, &gaps),
            equal: self.with_equal_gaps(steps),
            values: self.values_as_written(steps),
        })
    }

    /// The values of a field, as bits.
    fn mask(&self, field: Field) -> u64 {
        match field {
            Field::Second => self.seconds,
            Field::Minute => self.cron.minutes,
            Field::Hour => self.cron.hours.into(),
            Field::Day => u64::from(self.cron.days & EVERY_DAY),
            Field::Month => self.cron.months.into(),
            Field::Weekday => self.cron.weekdays.into(),
        }
    }

    /// The different gaps between values of a field, in its unit; those around its end only if the larger field
    /// has values side by side.
    fn gaps(&self, field: Field, mask: u64) -> BTreeSet<u32> {
        let cron = self.cron;
        match field {
            Field::Second => gaps_around(mask, 0..60, has_neighbours(cron.minutes, 0..60)),
            Field::Minute => gaps_around(mask, 0..60, has_neighbours(cron.hours.into(), 0..24)),
            Field::Hour => gaps_around(mask, 0..24, self.day_gaps().contains(&1)),
            Field::Month => gaps_around(mask, 1..13, true),
            Field::Weekday if mask != u64::from(cron.weekdays) => gaps_around(mask, 0..7, true),
            Field::Day | Field::Weekday => self.day_gaps(),
        }
    }

    /// The different gaps between days, without those in which a month has none.
    fn day_gaps(&self) -> BTreeSet<u32> {
        let (mut gaps, mut last): (BTreeSet<u32>, Option<i64>) = (BTreeSet::new(), None);
        for (year, month) in YEARS.flat_map(|year| (1..=12).map(move |month| (year, month))) {
            if self.cron.months >> month & 1 == 0 {
                last = None;
                continue;
            }
            let begins = day_of(Date { year, month, day: 1 });
            let shape = Month { first: weekday_of(begins), length: month_length(year, month) };
            for day in values(self.cron.days_in(shape).into()) {
                let day = begins + i64::from(day);
                gaps.extend(last.map(|last| (day - last) as u32));
                last = Some(day);
            }
        }
        gaps
    }

    fn runs_in_words(&self, field: Field) -> String {
        let cron = self.cron;
        match field {
            Field::Second => format!("at seconds {}", list(&values(self.seconds), u32::to_string)),
            Field::Minute => {
                format!("at {}", list(&values(cron.minutes), |minute| format!(":{minute:02}")))
            }
            Field::Hour if cron.minutes.count_ones() == 1 => {
                let minute = cron.minutes.trailing_zeros();
                format!(
                    "at {}",
                    list(&values(cron.hours.into()), |hour| format!("{hour:02}:{minute:02}"))
                )
            }
            Field::Hour => {
                format!("in the hours {}", list(&values(cron.hours.into()), u32::to_string))
            }
            Field::Month => format!("in {}", months_in_words(cron.months)),
            Field::Day | Field::Weekday => {
                let (days, weekdays) = (cron.dates_in_words(), cron.weekdays_in_words());
                match (cron.days & EVERY_DAY == EVERY_DAY, cron.weekdays == EVERY_WEEKDAY) {
                    (true, _) => format!("on {weekdays}"),
                    (false, true) => format!("on {days}"),
                    (false, false) if cron.day_match == DayMatch::Or => {
                        format!("on {days}, and on {weekdays}")
                    }
                    (false, false) => format!("on {days} if that is {weekdays}"),
                }
            }
        }
    }
}

/// The different gaps between values of a cycle, with or without the one around its end.
fn gaps_around(mask: u64, cycle: Range<u32>, around: bool) -> BTreeSet<u32> {
    let values = values(mask);
    let mut gaps: BTreeSet<u32> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if let (true, Some(first), Some(last)) = (around, values.first(), values.last()) {
        gaps.insert(first + (cycle.end - cycle.start) - last);
    }
    gaps
}

fn has_neighbours(mask: u64, cycle: Range<u32>) -> bool {
    gaps_around(mask, cycle, true).contains(&1)
}

/// `45 and 15 minutes`, `from 1 to 14 days`
fn gaps_in_words(field: Field, gaps: &BTreeSet<u32>) -> String {
    let unit = match field {
        Field::Second => "seconds",
        Field::Minute => "minutes",
        Field::Hour => "hours",
        Field::Day | Field::Weekday => "days",
        Field::Month => "months",
    };
    match (gaps.first(), gaps.last()) {
        (Some(least), Some(greatest)) if gaps.len() > MAX_GAPS => {
            format!("from {least} to {greatest} {unit}")
        }
        _ => {
            let gaps: Vec<String> = gaps.iter().rev().map(u32::to_string).collect();
            format!("{} {unit}", and(&gaps))
        }
    }
}
