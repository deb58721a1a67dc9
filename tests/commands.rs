//! The command line: output, messages and exit codes.

mod backfill;
mod completions;
mod config;
mod diff;
mod facts;
mod history;
mod man;
pub(crate) mod output;
mod own_keys;
mod pause;
mod plan;
mod refusals;
mod service;
mod status;
mod trigger;
mod wait;
mod workers;

use std::thread;
use std::time::Duration;

use downbeat::clock;

use crate::support::downbeat::Place;

/// Three entries. The enabled ones fire once a day, at [`THREE_FIRE`].
const THREE: &str = r#"
timezone: Asia/Seoul
defaults: {queue: reports}
entries:
  nightly:
    task: reports.build
    cron: "0 3 * * *"
    args: [daily]
    kwargs: {tenant: 42, "ü": "☃"}
    description: For the accountants.
  digest-berlin: {task: mails.send, cron: "30 2 * * *", timezone: Europe/Berlin, queue: mail}
  switched-off: {task: t, cron: "*/15 * * * *", enabled: false}
"#;

fn place_with(schedule: &str) -> Place {
    let place = Place::new();
    place.write_schedule("jobs.yaml", schedule);
    place
}

/// 03:00 in Seoul, and 02:30 in Berlin in winter and in summer, as minutes of a day in UTC.
const THREE_FIRE: [i64; 3] = [18 * 60, 60 + 30, 30];

/// A folder with [`THREE`], none of which fires within the next minute.
fn place_with_three() -> Place {
    let fires_soon = || {
        let minute = clock::wall().0 / 60_000 % (24 * 60);
        THREE_FIRE.iter().any(|fires| (0..2).contains(&(fires - minute)))
    };
    while fires_soon() {
        thread::sleep(Duration::from_secs(1));
    }
    place_with(THREE)
}
