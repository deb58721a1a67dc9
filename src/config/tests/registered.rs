//! What is recorded of an entry never changes: an upgrade must not start its registration anew.

use jiff::civil::date;

use super::*;

/// `registered.txt` is what an earlier version recorded; it changes only if `registered.yaml` does.
#[test]
fn the_canonical_timings_and_slots_of_entries_stay_as_they_are() {
    let (loaded, _) = load_text("registered.yaml", include_bytes!("registered.yaml"));
    let schedule = loaded.schedule.unwrap();
    let line = |entry: &Entry| {
        let from = UnixMs(entry.zone.resolve(date(2026, 11, 1).at(0, 0, 0, 0)).0 - 1);
        let next = |slot: &UnixMs| entry.next_slot(*slot);
        let slots = std::iter::successors(next(&from), next).take(4);
        let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
        format!("{}: {} → {}\n", entry.name, entry.canonical_timing(), slots.join(" "))
    };
    let lines: String = schedule.entries.iter().map(line).collect();
    assert_eq!(lines, include_str!("registered.txt"));
}
