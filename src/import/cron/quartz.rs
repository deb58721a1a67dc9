//! Quartz expressions, for what has seconds or years.

use serde_json::Value;

use super::field::Part;
use super::{DayMatch, Fields, value};

/// In Quartz both fields of days must match, so "one of them" is two expressions.
pub(super) fn write(fields: &Fields) -> Value {
    if fields.are_both_days_restricted() && fields.day_match == DayMatch::Or {
        return value(vec![
            line(fields, &fields.day.in_quartz(), "?"),
            line(fields, "?", &fields.weekday.in_quartz()),
        ]);
    }
    let weekday = if fields.weekday.is_any { "?".to_owned() } else { fields.weekday.in_quartz() };
    value(vec![line(fields, &fields.day.in_quartz(), &weekday)])
}

fn line(fields: &Fields, day: &str, weekday: &str) -> String {
    let of = Part::in_quartz;
    let (second, minute, hour) = (of(&fields.second), of(&fields.minute), of(&fields.hour));
    let mut line = format!("{second} {minute} {hour} {day} {} {weekday}", of(&fields.month));
    if let Some(years) = &fields.years {
        let years: Vec<String> = years.iter().map(u16::to_string).collect();
        line += &format!(" {}", years.join(","));
    }
    line
}
