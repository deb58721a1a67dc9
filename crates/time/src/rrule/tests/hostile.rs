//! Long texts: none may take long.

use super::*;

#[test]
fn texts_and_lists_are_bounded() {
    let long = format!("DTSTART=20260101;FREQ=DAILY;BYHOUR={}", "1,".repeat(MAX_TEXT / 2));
    assert_eq!(Rrule::parse(&long, &Zone::utc(), None).unwrap_err().problem, Problem::TooLong);
    let dates = |count| vec!["20260101T000000"; count].join(",");
    let text = |count| format!("DTSTART:20260101 RRULE:FREQ=DAILY EXDATE:{}", dates(count));
    assert_eq!(rrule(&text(MAX_DATES)).excluded.len(), 1);
    assert_eq!(
        refused(&text(MAX_DATES + 1)).0,
        "more than 500 dates; write a rule that needs fewer"
    );
    let (shown, _) = refused(&format!("DTSTART=20260101;FREQ={}", "X".repeat(9_000)));
    assert!(shown.len() < 200, "{shown}");
    // Excludes every day of ten years, up to the maximum.
    let days = (0..MAX_DATES as i64).map(|day| {
        jiff::Timestamp::from_second(1_767_225_600 + day * 86_400)
            .unwrap()
            .strftime("%Y%m%dT%H%M%S")
            .to_string()
    });
    let text =
        format!("DTSTART:20260101 RRULE:FREQ=DAILY EXDATE:{}", days.collect::<Vec<_>>().join(","));
    assert_eq!(rrule(&text).next(&Zone::utc(), UnixMs(0)), Some(utc("2027-05-16T00:00:00Z")));
}
