//! Zones by the names that other schedulers use.

use std::sync::Arc;

use downbeat_time::Zone;

use super::ImportError;
use crate::tzdata::{Tzdata, parse_name};

/// Zones that are always so many minutes ahead of UTC, where that is not a whole number of hours.
const PARTS_OF_HOURS: [(i32, &str); 8] = [
    (-570, "Pacific/Marquesas"),
    (210, "Asia/Tehran"),
    (270, "Asia/Kabul"),
    (330, "Asia/Kolkata"),
    (345, "Asia/Kathmandu"),
    (390, "Asia/Yangon"),
    (525, "Australia/Eucla"),
    (570, "Australia/Darwin"),
];

/// The zone with this name.
///
/// # Errors
///
/// If there is none.
pub(crate) fn zone(name: &str) -> Result<Arc<Zone>, ImportError> {
    let unknown = |why: String| ImportError::Invalid(format!("{why}; name it with --timezone"));
    let tz = parse_name(name).map_err(|error| unknown(error.to_string()))?;
    Tzdata::load().zone(tz).ok_or_else(|| unknown(format!("`{name}` has no rules here")))
}

/// The name itself; Python's name of a fixed offset (`UTC+09:00`) as a zone with that offset.
pub(crate) fn named(name: &str) -> Option<String> {
    let Some(offset) = name.strip_prefix("UTC").filter(|offset| offset.len() == 6) else {
        return Some(name.to_owned());
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    fixed(f64::from(60 * hours + sign * minutes))
}

/// A zone that is always so many minutes ahead of UTC.
pub(crate) fn fixed(minutes: f64) -> Option<String> {
    if minutes == 0.0 {
        return Some("UTC".to_owned());
    }
    if minutes % 60.0 == 0.0 && (-12.0..=14.0).contains(&(minutes / 60.0)) {
        // POSIX counts to the west.
        return Some(format!("Etc/GMT{:+}", -minutes / 60.0));
    }
    let half = PARTS_OF_HOURS.iter().find(|(offset, _)| f64::from(*offset) == minutes);
    half.map(|(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_offset_is_a_zone_if_one_has_it() {
        for (name, zone) in [
            ("Europe/Berlin", Some("Europe/Berlin")),
            ("UTC", Some("UTC")),
            ("UTC+09:00", Some("Etc/GMT-9")),
            ("UTC-03:00", Some("Etc/GMT+3")),
            ("UTC+05:30", Some("Asia/Kolkata")),
            ("UTC-09:30", Some("Pacific/Marquesas")),
            ("UTC+00:17", None),
        ] {
            assert_eq!(named(name).as_deref(), zone, "{name}");
        }
    }
}
