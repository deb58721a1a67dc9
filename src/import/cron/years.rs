//! The field of years.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Refused, WRITE_A_LINE};

const RANGE: RangeInclusive<u16> = 1970..=2099;

/// Reads years in the form of both Python libraries; `None` means every year.
pub(super) fn read(text: &str) -> Result<Option<Vec<u16>>, Refused> {
    if text == "*" {
        return Ok(None);
    }
    let refused =
        || Refused::new(format!("`{text}` is not understood in the year field"), WRITE_A_LINE);
    let year =
        |text: &str| text.parse().ok().filter(|year| RANGE.contains(year)).ok_or_else(refused);
    let mut years = BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step = step.parse().ok().filter(|step| *step > 0_usize).ok_or_else(refused)?;
        let has_step = item.contains('/');
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*RANGE.start(), *RANGE.end()),
            Some((from, to)) => (year(from)?, year(to)?),
            None if has_step => (year(range)?, *RANGE.end()),
            None => (year(range)?, year(range)?),
        };
        if from > to {
            return Err(refused());
        }
        years.extend((from..=to).step_by(step));
    }
    Ok(Some(years.into_iter().collect()))
}
