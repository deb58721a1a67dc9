//! The fields of `crontab(…)` as Celery reads them. It accepts more than a crontab line has, and ignores what follows
//! (`crontab_parser` in `celery/schedules.py`).

use downbeat_time::cron::Field;

use crate::import::ranges;

/// The fields of `crontab(…)`, in the order of a crontab line.
pub(super) const FIELDS: [Field; 5] =
    [Field::Minute, Field::Hour, Field::Day, Field::Month, Field::Weekday];

/// The values that Celery reads from a text, as bits; `None` if it refuses the text.
pub(super) fn read(field: Field, text: &str) -> Option<u64> {
    let reader = Reader { field };
    text.split(',').try_fold(0, |mask, part| {
        Some(reader.part(part)?.into_iter().fold(mask, |mask, value| mask | 1 << value))
    })
}

/// The values as a crontab line has them: numbers, and ranges of three or more.
pub(super) fn written(field: Field, mask: u64) -> String {
    let values = mask & field.full_mask();
    if values == field.full_mask() {
        return "*".to_owned();
    }
    ranges::of(values, |value| value.to_string()).join(",")
}

struct Reader {
    field: Field,
}

impl Reader {
    fn part(&self, part: &str) -> Option<Vec<u32>> {
        let (from, rest) = word(part);
        if let Some((to, rest)) = rest.strip_prefix('-').map(word)
            && !from.is_empty()
            && !to.is_empty()
        {
            return stepped(self.range(from, to)?, rest);
        }
        let all = || -> Vec<u32> { (self.field.first()..=self.field.last()).collect() };
        match part.strip_prefix('*') {
            Some(rest) if rest.starts_with('/') => stepped(all(), rest),
            Some("" | "\n") => Some(all()),
            _ => self.value(part).map(|value| vec![value]),
        }
    }

    fn range(&self, from: &str, to: &str) -> Option<Vec<u32>> {
        let (from, to) = (self.value(from)?, self.value(to)?);
        Some(if to < from {
            (from..=self.field.last()).chain(self.field.first()..=to).collect()
        } else {
            (from..=to).collect()
        })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let value = number(text.trim()).or_else(|| named(text))?;
        (self.field.first()..=self.field.last()).contains(&value).then_some(value)
    }
}

/// What begins with the first three letters of a month or a weekday, whatever the field.
fn named(text: &str) -> Option<u32> {
    let letters = text.chars().take(3).collect::<String>().to_lowercase();
    [Field::Month, Field::Weekday].into_iter().find_map(|field| {
        let mut named = (field.first()..).zip(field.names());
        named.find(|(_, name)| name[..3] == letters).map(|(value, _)| value)
    })
}

/// Every nth value if a step follows; whatever else follows is ignored.
fn stepped(values: Vec<u32>, rest: &str) -> Option<Vec<u32>> {
    let Some(rest) = rest.strip_prefix('/') else { return Some(values) };
    let step = number(word(rest).0).filter(|step| *step > 0)?;
    Some(values.into_iter().step_by(step as usize).collect())
}

/// The letters, digits and underscores at the beginning, and what follows.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// A number as Python's `int` reads it: perhaps with a sign, and with underscores between digits.
fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let groups = digits.split('_');
    let is_number = groups
        .clone()
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| groups.collect::<String>().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(field: Field, text: &str) -> Option<Vec<u32>> {
        read(field, text).map(|mask| (0..64).filter(|value| mask >> value & 1 == 1).collect())
    }

    #[test]
    fn fields_are_read_as_celery_reads_them() {
        for (field, text, expected) in [
            (Field::Minute, "*/30", vec![0, 30]),
            (Field::Minute, "*/90", vec![0]),
            (Field::Minute, " 5, +7,1_0", vec![5, 7, 10]),
            (Field::Minute, "58-1", vec![0, 1, 58, 59]),
            (Field::Minute, "1-5 every day", vec![1, 2, 3, 4, 5]),
            (Field::Hour, "8-17/4,*/12", vec![0, 8, 12, 16]),
            (Field::Weekday, "monkey-wednesday", vec![1, 2, 3]),
            (Field::Weekday, "sat-mon", vec![0, 1, 6]),
            (Field::Weekday, "may", vec![5]),
            (Field::Month, "nov-feb/2", vec![1, 11]),
            (Field::Month, "fri", vec![5]),
            (Field::Day, "*/31", vec![1]),
        ] {
            assert_eq!(values(field, text), Some(expected), "{text}");
        }
        for (field, text) in [
            (Field::Minute, ""),
            (Field::Minute, "1,,2"),
            (Field::Minute, "60"),
            (Field::Minute, "5/10"),
            (Field::Minute, "1-5/"),
            (Field::Minute, "*/0"),
            (Field::Minute, "* "),
            (Field::Weekday, "7"),
            (Field::Weekday, " mon"),
            (Field::Weekday, "mo"),
            (Field::Day, "L"),
        ] {
            assert_eq!(values(field, text), None, "{text:?}");
        }
    }

    #[test]
    fn values_are_written_short() {
        let mask = |values: &[u32]| values.iter().fold(0, |mask, value| mask | 1 << value);
        assert_eq!(written(Field::Minute, mask(&[0, 15, 30, 31, 32, 59])), "0,15,30-32,59");
        assert_eq!(written(Field::Weekday, 127), "*");
        assert_eq!(written(Field::Hour, mask(&[22, 23])), "22,23");
    }
}
