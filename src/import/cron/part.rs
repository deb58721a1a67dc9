//! What one field of an expression allows, and how lines of ours write it.

use downbeat_time::cron::Field;

use crate::import::ranges;

/// What one field of an expression allows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) field: Field,
    /// A bit for each value.
    pub(super) mask: u64,
    pub(super) days: Vec<Day>,
    /// The text, if a crontab line of ours reads it alike.
    pub(super) plain: Option<String>,
    /// The step of `*/STEP` alone: written as a step, it stays a wildcard.
    pub(super) step: Option<u32>,
    /// Whether it restricts nothing: `*` or `?`.
    pub(super) is_any: bool,
}

/// Days that differ from month to month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// So many days before the last of the month.
    Last(u32),
    /// The Monday to Friday nearest to a day.
    Near(u32),
    /// The last such weekday.
    LastOf(u32),
    /// The nth such weekday.
    Nth(u32, u32),
}

impl Part {
    /// Whether it allows this value only.
    pub(super) fn is_only(&self, value: u32) -> bool {
        self.mask == 1 << value && self.days.is_empty()
    }

    /// The field in a crontab line, in which Sunday is 0.
    pub(super) fn in_a_line(&self) -> String {
        match &self.plain {
            Some(text) => text.clone(),
            None => self.written(|value| value.to_string(), |weekday| weekday),
        }
    }

    /// The field in a Quartz expression, in which Sunday is 1.
    pub(super) fn in_quartz(&self) -> String {
        let name = |value: u32| match self.field {
            Field::Weekday => self.field.names()[value as usize][..3].to_ascii_uppercase(),
            _ => value.to_string(),
        };
        self.written(name, |weekday| weekday + 1)
    }

    /// The field with these names of values, and these numbers of weekdays in `5L` and `5#2`.
    fn written(&self, name: impl Fn(u32) -> String, number: fn(u32) -> u32) -> String {
        if self.is_any {
            return "*".to_owned();
        }
        if let Some(step) = self.step {
            return if step == 1 { "*".to_owned() } else { format!("*/{step}") };
        }
        let days = self.days.iter().map(|day| match *day {
            Day::Last(0) => "L".to_owned(),
            Day::Last(before) => format!("L-{before}"),
            Day::Near(day) => format!("{day}W"),
            Day::LastOf(weekday) => format!("{}L", number(weekday)),
            Day::Nth(weekday, nth) => format!("{}#{nth}", number(weekday)),
        });
        let mut items = ranges::of(self.mask, name);
        items.extend(days);
        items.join(",")
    }
}
