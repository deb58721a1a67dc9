use proptest::prelude::*;

use super::*;
use crate::arbitrary;
use crate::cron::Line;
use crate::sample::zone;

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<jiff::Timestamp>().unwrap())
}

fn cron(text: &str) -> Timing {
    Timing::Cron(Cron::parse(Line { entry: Some("a"), ..text.into() }).unwrap().cron)
}

fn union(lines: &[&str]) -> Timing {
    Union::of(lines.iter().map(|line| cron(line)).collect()).unwrap()
}

fn slots(timing: &Timing, zone: &Zone, after: &str, count: usize) -> Vec<String> {
    let next = |slot: &UnixMs| timing.next(zone, *slot);
    let slots = std::iter::successors(next(&utc(after)), next);
    slots.take(count).map(|slot| zone.to_rfc3339(slot)).collect()
}

#[test]
fn two_lines_fire_when_either_does_and_once_if_both_do() {
    let timing = union(&["30 9 * * *", "0 16 * * *", "30 9 1 * *"]);
    let expected =
        ["2027-01-01T09:30:00+00:00", "2027-01-01T16:00:00+00:00", "2027-01-02T09:30:00+00:00"];
    assert_eq!(slots(&timing, &Zone::utc(), "2027-01-01T00:00:00Z", 3), expected);
}

#[test]
fn each_line_keeps_its_own_rule_for_clock_changes() {
    let timing = union(&["0 * * * *", "30 2 * * *", "30 1 * * *"]);
    let new_york = zone("America/New_York");
    // In the gap, 02:30 comes at 03:00, which the hourly line has, too.
    let spring =
        ["2027-03-14T01:30:00-05:00", "2027-03-14T03:00:00-04:00", "2027-03-14T04:00:00-04:00"];
    assert_eq!(slots(&timing, &new_york, "2027-03-14T06:00:00Z", 3), spring);
    // In the repeated hour, the hourly line fires twice and 01:30 once.
    let autumn = [
        "2027-11-07T01:00:00-04:00",
        "2027-11-07T01:30:00-04:00",
        "2027-11-07T01:00:00-05:00",
        "2027-11-07T02:00:00-05:00",
    ];
    assert_eq!(slots(&timing, &new_york, "2027-11-07T04:30:00Z", 4), autumn);
    assert!(timing.makes_up_for_gaps());
}

#[test]
fn the_canonical_form_does_not_depend_on_the_order_or_on_repetition() {
    let seoul = zone("Asia/Seoul");
    let form = |lines: &[&str]| union(lines).canonical(&seoul);
    let both = form(&["30 9 * * *", "0 16 * * *"]);
    assert_eq!(
        both,
        "1 union 2 cron 1 10000 fffffffe 1ffe 7f and fixed cron 40000000 200 fffffffe 1ffe 7f and \
         fixed Asia/Seoul"
    );
    assert_eq!(form(&["0 16 * * *", "30 9 * * *", "00 16 * * *"]), both);
    assert_eq!(form(&["0 3 * * *"]), cron("0 3 * * *").canonical(&seoul));
    assert_eq!(form(&["0 3 * * *", "0 3 * * *"]), cron("0 3 * * *").canonical(&seoul));
}

#[test]
fn a_union_has_one_to_a_hundred_expressions() {
    assert_eq!(Union::of(Vec::new()), None);
    let minutes =
        |count: usize| (0..count).map(|at| cron(&format!("{} {} * * *", at % 60, at / 60)));
    assert!(Union::of(minutes(Union::MAX).collect()).is_some());
    assert_eq!(Union::of(minutes(Union::MAX + 1).collect()), None);
    assert_eq!(Union::of(vec![Timing::At(UnixMs(0).into())]), None);
}

#[test]
fn a_few_expressions_are_described_and_the_others_counted() {
    let utc = Zone::utc();
    let words = "at 09:30 every day, and at 16:00 on Saturday";
    assert_eq!(union(&["30 9 * * *", "0 16 * * sat"]).describe(&utc), words);
    let lines: Vec<String> = (0..8).map(|hour| format!("0 {hour} 1 * *")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert!(union(&lines).describe(&utc).ends_with("of every month, and 3 more"));
}

proptest! {
    #[test]
    fn slots_are_the_union_of_the_slots_of_the_parts(
        parts in arbitrary::expressions(), zone in arbitrary::zone(), after in arbitrary::instant(),
        days in 1..40_i64,
    ) {
        let until = UnixMs(after.0 + days * 86_400_000);
        let slots_of = |timing: &Timing| -> Vec<UnixMs> {
            let next = |slot: &UnixMs| timing.next(&zone, *slot);
            let slots = std::iter::successors(next(&after), next);
            slots.take_while(|slot| *slot <= until).take(500).collect()
        };
        // Each list may be cut; up to the end of the shortest of those, all are known.
        let lists: Vec<Vec<UnixMs>> = parts.iter().map(slots_of).collect();
        let cut = lists.iter().filter(|list| list.len() == 500).filter_map(|list| list.last());
        let until = cut.min().copied().unwrap_or(until);
        let mut expected: Vec<UnixMs> = lists.concat();
        expected.retain(|slot| *slot <= until);
        expected.sort_unstable();
        expected.dedup();
        let union = Union::of(parts).unwrap();
        let next = |slot: &UnixMs| union.next(&zone, *slot);
        let slots: Vec<UnixMs> = std::iter::successors(next(&after), next)
            .take_while(|slot| *slot <= until).collect();
        prop_assert_eq!(&slots, &expected);
        prop_assert_eq!(union.last_between(&zone, after, until), expected.last().copied());
        prop_assert_eq!(union.count_between(&zone, after, until, u64::MAX), expected.len() as u64);
    }
}
