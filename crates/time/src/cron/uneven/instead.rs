//! What to write instead of an uneven step: a timing with equal gaps, or the values themselves.

use super::{Stepped, Steps};
use crate::cron::describe::{EVERY_DAY, EVERY_HOUR};
use crate::cron::field::Field;
use crate::words::{EVERY_MONTH, EVERY_WEEKDAY, values};

impl Stepped<'_> {
    /// Another timing with the equal gaps that the step seems to ask for, if the expression says nothing else.
    pub(super) fn with_equal_gaps(&self, steps: &Steps) -> Option<String> {
        let cron = self.cron;
        let every_day = cron.days & EVERY_DAY == EVERY_DAY && cron.weekdays == EVERY_WEEKDAY;
        let all_year = cron.months == EVERY_MONTH && self.every_year;
        let every_hour = u64::from(cron.hours) == EVERY_HOUR && every_day && all_year;
        let one_minute = cron.minutes.count_ones() == 1 && self.seconds.count_ones() == 1;
        let alone = self.mask(steps.field) == steps.mask() && cron.special.is_none();
        let (step, from) = (steps.step, steps.from);
        let (minute, second) = (cron.minutes.trailing_zeros(), self.seconds.trailing_zeros());
        match steps.field {
            _ if !alone => None,
            Field::Second if every_hour && cron.minutes.count_ones() == 60 => {
                Some(every(&format!("{step}s"), from))
            }
            Field::Minute if every_hour && self.seconds.count_ones() == 1 => {
                Some(every(&format!("{step}m"), from * 60 + second))
            }
            Field::Hour if every_day && all_year && one_minute => {
                Some(every(&format!("{step}h"), (from * 60 + minute) * 60 + second))
            }
            Field::Day if cron.weekdays == EVERY_WEEKDAY && all_year => {
                Some(self.rule(&format!("DAILY;INTERVAL={step}"), 1, from))
            }
            Field::Weekday if cron.days & EVERY_DAY == EVERY_DAY && all_year => {
                Some(self.rule(&format!("DAILY;INTERVAL={step}"), 1, 1))
            }
            Field::Month if self.every_year && cron.weekdays == EVERY_WEEKDAY => {
                let days = cron.days & EVERY_DAY;
                // Every month has 28 days.
                let day = (days.count_ones() == 1 && days < 1 << 29).then(|| days.trailing_zeros());
                day.map(|day| self.rule(&format!("MONTHLY;INTERVAL={step}"), from, day))
            }
            _ => None,
        }
    }

    /// A recurrence at the expression's times of day.
    fn rule(&self, rule: &str, month: u32, day: u32) -> String {
        let first: [u64; 3] = [self.cron.hours.into(), self.cron.minutes, self.seconds];
        let [hour, minute, second] = first.map(u64::trailing_zeros);
        let mut rule = format!(
            "rrule: \"DTSTART:2026{month:02}{day:02}T{hour:02}{minute:02}{second:02}\\nRRULE:FREQ={rule}"
        );
        for (name, mask) in ["BYHOUR", "BYMINUTE", "BYSECOND"].into_iter().zip(first) {
            if mask.count_ones() > 1 {
                rule += &format!(";{name}={}", comma_separated(mask, 0));
            }
        }
        rule + "\""
    }

    /// The field without a step, if its values can be listed.
    pub(super) fn values_as_written(&self, steps: &Steps) -> Option<String> {
        let field = steps.field;
        let cron = self.cron;
        // Without the `*`, two restricted day fields could combine in another way.
        let both = cron.days & EVERY_DAY != EVERY_DAY && cron.weekdays != EVERY_WEEKDAY;
        let has_more = match field {
            Field::Day | Field::Weekday => both || cron.differs_by_month(),
            Field::Second | Field::Minute | Field::Hour | Field::Month => false,
        };
        let add = if field == Field::Weekday { self.first_weekday } else { 0 };
        (!has_more && !steps.is_hashed()).then(|| comma_separated(self.mask(field), add))
    }
}

fn comma_separated(mask: u64, add: u32) -> String {
    let values: Vec<String> = values(mask).iter().map(|value| (value + add).to_string()).collect();
    values.join(",")
}

/// `every: 45m` with a phase in seconds, if there is one.
fn every(period: &str, phase_s: u32) -> String {
    let (hours, minutes, seconds) = (phase_s / 3600, phase_s / 60 % 60, phase_s % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let phase: String = parts.map(|(count, unit)| format!("{count}{unit}")).collect();
    if phase.is_empty() {
        format!("every: {period}")
    } else {
        format!("every: {period}` with `phase: {phase}")
    }
}
