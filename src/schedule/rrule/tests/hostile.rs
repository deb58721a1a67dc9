//! Texts that are damaged or meant to harm: none may panic or take long.

use super::*;

#[test]
fn damaged_texts_are_refused_or_read_but_never_panic() {
    const SEEDS: [&str; 6] = [
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR,2MO;COUNT=10\nEXDATE:20260130T090000",
        "DTSTART=19700101;FREQ=YEARLY;INTERVAL=3;BYWEEKNO=1,-53;WKST=SU;BYSETPOS=-1",
        "RRULE:FREQ=SECONDLY;BYMONTH=1;BYHOUR=9,10;BYSECOND=0,30\nDTSTART;TZID=UTC:20260101T090000",
        "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20270101T000000Z",
        "DTSTART:20260101T000000Z RRULE:FREQ=YEARLY;BYYEARDAY=1,-366;BYMONTHDAY=1,-31 RDATE:20260101T090000,20260102T090000",
        "FREQ=MINUTELY;INTERVAL=999;DTSTART=99991130T235959;BYMINUTE=59",
    ];
    const STUFF: [&str; 16] = [
        ";",
        ":",
        "=",
        ",",
        "\n",
        "-",
        "1",
        "2",
        "53",
        "366",
        "Z",
        "MO",
        "é",
        "\0",
        "INTERVAL=7;",
        "BYSETPOS=-1;",
    ];
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let zones = [Zone::utc(), zone("America/New_York")];
    let (mut read, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let mut text: Vec<char> = SEEDS[random.usize(..SEEDS.len())].chars().collect();
        for _ in 0..random.usize(1..=2) {
            let at = random.usize(..text.len());
            // Most texts stay whole when a digit becomes another one.
            if text[at].is_ascii_digit() && random.u8(..8) > 0 {
                text[at] = random.digit(10);
            } else if random.bool() {
                let end = at + random.usize(..2);
                text.splice(at..end, STUFF[random.usize(..STUFF.len())].chars());
            }
        }
        let text: String = text.into_iter().collect();
        match Rrule::parse(&text, &zones[usize::from(random.u8(..4) == 0)], None) {
            Ok(parsed) => {
                assert!(
                    !parsed.rrule.describe().is_empty() && !parsed.rrule.canonical().is_empty()
                );
                let _ = parsed.rrule.next(&zones[0], UnixMs::from_secs(random.i64(0..1 << 37)));
                read += 1;
            }
            Err(error) => {
                assert!(text.get(error.span.clone()).is_some(), "{text:?}: {error:?}");
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
}

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
    // Every day of ten years left out, as far as that goes.
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
