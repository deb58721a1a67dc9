//! Lengths of time that other schedulers write as numbers.

use std::time::Duration;

use downbeat_time::interval::MIN_PERIOD;

use super::{Difference, Job};
use crate::text::duration;

/// Sets `every` from a number of seconds, and leaves the job out if it is no interval here.
pub(crate) fn set_every(job: &mut Job, seconds: f64) {
    let Some(length) = positive(seconds) else {
        job.cannot(
            format!("an interval of {seconds} s never comes"),
            Some("write `every: 10s`, or another length"),
        );
        return;
    };
    let rounded = in_millis(length).max(MIN_PERIOD);
    if rounded != length {
        job.differs(Difference::Rounded(format!(
            "every {length:?} is every {}",
            duration::format(rounded)
        )));
    }
    job.set("every", duration::format(rounded));
}

/// Sets a key to a length of so many seconds, rounded up to milliseconds; leaves it out if that is none.
pub(crate) fn set_length(job: &mut Job, key: &str, seconds: f64) {
    match positive(seconds) {
        Some(length) => job.set(key, duration::format(in_millis(length))),
        None => job.differs(Difference::Dropped(format!("`{key}` of {seconds} s is left out"))),
    }
}

fn positive(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero())
}

/// Rounded up: here, lengths are whole milliseconds.
fn in_millis(length: Duration) -> Duration {
    Duration::from_millis(u64::try_from(length.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_keeps_its_length_or_says_how_it_was_rounded() {
        for (seconds, every, differences) in [
            (10.0, "10s", 0),
            (0.5, "500ms", 0),
            (90.0, "1m30s", 0),
            (0.01, "100ms", 1),
            (1.000_5, "1s1ms", 1),
        ] {
            let mut job = Job::new("x");
            set_every(&mut job, seconds);
            assert_eq!(
                (job.text("every"), job.differences.len()),
                (every, differences),
                "{seconds}"
            );
        }
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut job = Job::new("x");
            set_every(&mut job, seconds);
            assert!(job.cannot.is_some(), "{seconds}");
        }
    }
}
