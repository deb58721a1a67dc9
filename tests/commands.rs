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

use crate::support::downbeat::Place;

/// Three entries, none of which fires while a test runs.
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

fn place_with_three() -> Place {
    place_with(THREE)
}
