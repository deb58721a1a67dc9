//! Quartz expressions, for what has seconds or years.

use serde_json::{Value, json};

use super::part::Part;
use super::{DayMatch, Expression};

/// The value of `cron`. In Quartz both fields of days must match, so "one of them" is two expressions.
pub(super) fn write(expression: &Expression) -> Value {
    let (day, weekday) = (expression.day.in_quartz(), expression.weekday.in_quartz());
    if expression.are_both_days_restricted() && expression.day_match == DayMatch::Or {
        return json!([
            {"quartz": line(expression, &day, "?")},
            {"quartz": line(expression, "?", &weekday)},
        ]);
    }
    let weekday = if expression.weekday.is_any { "?" } else { &*weekday };
    json!({"quartz": line(expression, &day, weekday)})
}

fn line(expression: &Expression, day: &str, weekday: &str) -> String {
    let Expression { second, minute, hour, month, years, .. } = expression;
    let [second, minute, hour, month] = [second, minute, hour, month].map(Part::in_quartz);
    let mut line = format!("{second} {minute} {hour} {day} {month} {weekday}");
    if let Some(years) = years {
        let years: Vec<String> = years.iter().map(u16::to_string).collect();
        line += &format!(" {}", years.join(","));
    }
    line
}
