//! Steps that do not divide their field evenly are warned of, with their real gaps.

use super::*;

fn warnings(warnings: &[CronWarning]) -> Vec<String> {
    let is_uneven = |warning: &&CronWarning| matches!(warning, CronWarning::UnevenSteps { .. });
    warnings.iter().filter(is_uneven).map(ToString::to_string).collect()
}

fn of_line(line: &str) -> Vec<String> {
    warnings(&Cron::parse(Line { entry: Some("a"), ..line.into() }).unwrap().warnings)
}

fn of_quartz(line: &str) -> Vec<String> {
    warnings(&Quartz::parse(line).unwrap().warnings)
}

#[test]
fn real_gaps_and_what_to_write_instead_are_named() {
    let table = [
        (
            "*/45 * * * *",
            "`*/45` runs at :00 and :45, so gaps are 45 and 15 minutes; write `every: 45m` for equal \
             gaps, or `0,45` if this is meant",
        ),
        (
            "0 */7 * * *",
            "`*/7` runs at 00:00, 07:00, 14:00 and 21:00, so gaps are 7 and 3 hours; write `every: \
             7h` for equal gaps, or `0,7,14,21` if this is meant",
        ),
        (
            "30 */7 * * *",
            "`*/7` runs at 00:30, 07:30, 14:30 and 21:30, so gaps are 7 and 3 hours; write `every: \
             7h` with `phase: 30m` for equal gaps, or `0,7,14,21` if this is meant",
        ),
        (
            "0 9 */14 * *",
            "`*/14` runs on the 1st, 15th and 29th, so gaps are 14, 3, 2 and 1 days; write `rrule: \
             \"DTSTART:20260101T090000\\nRRULE:FREQ=DAILY;INTERVAL=14\"` for equal gaps, or `1,15,29` \
             if this is meant",
        ),
        (
            "0 9 1/14,L * fri#2,monL",
            "`1/14` runs on the 1st, 15th and 29th and the last day, and on the second Friday and the \
             last Monday, so gaps are from 1 to 14 days",
        ),
        (
            "0 9 */2 * *",
            "`*/2` runs on the 1st, 3rd, 5th and so on to 31st, so gaps are 2 and 1 days; write \
             `rrule: \"DTSTART:20260101T090000\\nRRULE:FREQ=DAILY;INTERVAL=2\"` for equal gaps, or \
             `1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31` if this is meant",
        ),
        (
            "7-59/13 * * * *",
            "`7-59/13` runs at :07, :20, :33 and so on to :59, so gaps are 13 and 8 minutes; write \
             `every: 13m` with `phase: 7m` for equal gaps, or `7,20,33,46,59` if this is meant",
        ),
        (
            "7/13 * * * *",
            "`7/13` runs at :07, :20, :33 and so on to :59, so gaps are 13 and 8 minutes; write \
             `every: 13m` with `phase: 7m` for equal gaps, or `7,20,33,46,59` if this is meant",
        ),
        (
            "0 9 1 */5 *",
            "`*/5` runs in January, June and November, so gaps are 5 and 2 months; write `rrule: \
             \"DTSTART:20260101T090000\\nRRULE:FREQ=MONTHLY;INTERVAL=5\"` for equal gaps, or `1,6,11` \
             if this is meant",
        ),
        (
            "0 9,17 * * */3",
            "`*/3` runs on Saturday, Sunday and Wednesday, so gaps are 3 and 1 days; write `rrule: \
             \"DTSTART:20260101T090000\\nRRULE:FREQ=DAILY;INTERVAL=3;BYHOUR=9,17\"` for equal gaps, or \
             `0,3,6` if this is meant",
        ),
        (
            "*/45 9-17 * * *",
            "`*/45` runs at :00 and :45, so gaps are 45 and 15 minutes; write `0,45` if this is meant",
        ),
        (
            "*/45,10 * * * *",
            "`*/45` runs at :00, :10 and :45, so gaps are 35, 15 and 10 minutes; write `0,10,45` if \
             this is meant",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(of_line(line), [expected], "{line}");
    }
}

#[test]
fn what_is_named_is_read_and_has_no_warning() {
    for line in ["0,45 * * * *", "0 0,7,14,21 * * *", "0 9 1,15,29 * *", "7,20,33,46,59 * * * *"] {
        assert!(of_line(line).is_empty(), "{line}");
    }
    for rule in ["DAILY;INTERVAL=14", "MONTHLY;INTERVAL=5", "DAILY;INTERVAL=3;BYHOUR=9,17"] {
        let text = format!("DTSTART:20260101T090000\nRRULE:FREQ={rule}");
        crate::rrule::Rrule::parse(&text, &Zone::utc(), None).unwrap();
    }
}

#[test]
fn even_steps_and_windows_have_no_warning() {
    for line in [
        "*/15 * * * *",
        "5-55/10 * * * *",
        "5/20 * * * *",
        "*/1 * * * *",
        "0 */6 * * *",
        "0 1-23/2 * * *",
        "0 9-17/3 * * *",
        "0-30/7 * * * *",
        "0 9 1-14/3 * *",
        "0 9 * */3 *",
        "0 9 * * mon-fri/2",
        "0 9 * * sun-sat/7",
        // Even by what else is in the list.
        "*/45,15,30 * * * *",
        // Nothing comes around the end.
        "*/45 3 * * *",
        "*/45 9,12 * * *",
        "0 */7 1 * *",
        "0 9 */14 6 *",
        "H/15 * * * *",
        "H(0-29)/10 * * * *",
    ] {
        assert!(of_line(line).is_empty(), "{line}: {:?}", of_line(line));
    }
}

#[test]
fn steps_of_a_mapping_of_quartz_and_of_hashes_are_examined_alike() {
    let fields = MappingFields { minute: Some("*/45"), ..Default::default() };
    let of_mapping = warnings(&Cron::from_mapping(fields, None).unwrap().warnings);
    assert_eq!(of_mapping, of_line("*/45 * * * *"));
    assert_eq!(
        of_quartz("*/45 * * * * ?"),
        ["`*/45` runs at seconds 0 and 45, so gaps are 45 and 15 seconds; write `every: 45s` for \
          equal gaps, or `0,45` if this is meant"]
    );
    assert_eq!(of_quartz("0 0/45 * * * ?"), [of_line("0/45 * * * *")[0].clone()]);
    assert_eq!(of_quartz("0 0 9 1/14 * ?")[0].replace("1/14", "*/14"), of_line("0 9 */14 * *")[0]);
    let weekdays = &of_quartz("0 0 9 ? * 1/3")[0];
    assert!(weekdays.ends_with("or `1,4,7` if this is meant"), "{weekdays}");
    assert_eq!(of_quartz("0 0/15 9-17 * * ?"), [""; 0]);
    assert_eq!(of_quartz("0 0 9 1/14 * ? 2027").len(), 1);
    let hashed = &of_line("H/7 * * * *")[0];
    assert!(hashed.contains("minutes; write `every: 7m`"), "{hashed}");
}

#[test]
fn gaps_of_days_that_must_match_twice_are_those_of_the_calendar() {
    let [warning] = &of_line("0 9 */14 * mon")[..] else { panic!() };
    let expected =
        "`*/14` runs on the 1st, 15th and 29th if that is Monday, so gaps are from 14 to";
    assert!(warning.starts_with(expected), "{warning}");
}
