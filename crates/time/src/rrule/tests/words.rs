//! Recurrences in words and in canonical form, and the errors of those that are refused.

use super::*;

#[test]
fn recurrences_are_described_in_plain_english() {
    let expected = [
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=10", "every month on the last Friday at 09:00, 10 times"),
        ("FREQ=DAILY", "every day at 09:00"),
        (
            "FREQ=DAILY;INTERVAL=2;BYHOUR=9,15;UNTIL=20260301T090000",
            "every 2 days at 09:00 and 15:00, until 2026-03-01 09:00",
        ),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every week on Monday to Friday at 09:00"),
        ("FREQ=WEEKLY;BYMONTH=1", "every week on Thursday in January at 09:00"),
        ("FREQ=MONTHLY", "every month on the 1st at 09:00"),
        (
            "FREQ=MONTHLY;BYMONTHDAY=1,15,-1",
            "every month on the 1st and 15th and the last day at 09:00",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
            "every month on the 13th at 09:00, if that is Friday",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "every month on Monday to Friday at 09:00, of these only the last",
        ),
        ("FREQ=YEARLY", "every year on the 1st of January at 09:00"),
        (
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
            "every year on the fourth Thursday of November at 09:00",
        ),
        (
            "FREQ=YEARLY;BYDAY=20MO,-1SU",
            "every year on the last Sunday of the year and the 20th Monday of the year at 09:00",
        ),
        (
            "FREQ=YEARLY;BYYEARDAY=100,-1",
            "every year on the 100th and last day of the year at 09:00",
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20,-1;BYDAY=MO",
            "every year on Monday in week 20 and the last week at 09:00",
        ),
        ("FREQ=YEARLY;BYMONTHDAY=1", "every year on the 1st of every month at 09:00"),
        (
            "FREQ=DAILY;BYMINUTE=0,20,40;BYHOUR=9,10,11,12,13,14,15,16",
            "every day at minutes 0, 20 and 40 in the hours 9 to 16",
        ),
        ("FREQ=HOURLY;BYMINUTE=5;COUNT=1", "every hour at minute 5, once"),
        ("FREQ=MINUTELY;INTERVAL=5;BYHOUR=9;BYDAY=MO", "every 5 minutes on Monday in the hour 9"),
        ("FREQ=SECONDLY;BYSECOND=0,30", "every second at seconds 0 and 30"),
    ];
    for (rule, words) in expected {
        let described = rrule(&format!("DTSTART:20260101T090000\n{rule}")).describe();
        let (from, time) = (", from 2026-01-01", " 09:00");
        let described = described.replace(&format!("{from}{time}"), "").replace(from, "");
        assert_eq!(described, words, "{rule}");
    }
    assert_eq!(
        rrule("DTSTART:20260101T090000 RRULE:FREQ=HOURLY EXDATE:20260101T100000 RDATE:20260101T093000,20260102T093000").describe(),
        "every hour at minute 0, from 2026-01-01 09:00, but not on 2026-01-01 10:00, \
         and also on 2026-01-01 09:30 and 2026-01-02 09:30"
    );
    let seoul = parse("DTSTART=20260101;FREQ=DAILY;UNTIL=20260105T000000Z", &zone("Asia/Seoul"));
    assert_eq!(seoul.describe(), "every day at 00:00, from 2026-01-01, until 2026-01-05T00:00:00Z");
}

#[test]
fn the_canonical_form_does_not_depend_on_how_a_rule_is_written() {
    let seoul = zone("Asia/Seoul");
    let form = |text: &str| Timing::Rrule(parse(text, &seoul)).canonical(&seoul);
    let plain = "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR";
    assert_eq!(
        form(plain),
        "1 rrule MONTHLY 1 1 1767258000 - 1ffe fffffffe/0 0 -1m5  0/0/1 200 1 1  - + Asia/Seoul"
    );
    for same in [
        "dtstart;tzid=Asia/Seoul:20260101t090000 rrule:byday=-1fr;freq=monthly",
        "FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=1;WKST=SU;BYHOUR=9;BYMINUTE=0;BYSECOND=0;DTSTART=20260101T090000",
        "RRULE:FREQ=MONTHLY;BYDAY=-1FR,-1FR\n\nDTSTART;VALUE=DATE-TIME:20260101T090000\n",
        "DTSTART:20260101T090000 RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYMONTH=12,1,2,3,4,5,6,7,8,9,10,11",
        "DTSTART:20260101T090000 RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=1000000000",
    ] {
        if !same.contains("COUNT") {
            assert_eq!(form(same), form(plain), "{same}");
        }
    }
    let until = form("DTSTART:20260101T090000 RRULE:FREQ=DAILY;UNTIL=20260110T090000");
    assert_eq!(form("DTSTART:20260101T090000 RRULE:FREQ=DAILY;COUNT=10"), until);
    assert_eq!(
        form("DTSTART:20260101T090000 RRULE:FREQ=DAILY;COUNT=1000000000"),
        form("DTSTART:20260101T090000 RRULE:FREQ=DAILY")
    );
    for other in [
        "DTSTART:20260102T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-2FR",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20300101",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20300101T000000Z",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\nEXDATE:20260130T090000",
        "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\nRDATE:20260130T090000",
    ] {
        assert_ne!(form(other), form(plain), "{other}");
    }
}

#[test]
fn a_rule_needs_no_dtstart_if_the_entry_has_a_start() {
    let seoul = zone("Asia/Seoul");
    let start = utc("2026-01-01T00:00:00Z");
    let alone = Rrule::parse("FREQ=DAILY;INTERVAL=2", &seoul, Some(start)).unwrap().rrule;
    assert_eq!(*alone, *parse("DTSTART:20260101T090000 RRULE:FREQ=DAILY;INTERVAL=2", &seoul));
    let own = "DTSTART=20260102T100000;FREQ=DAILY";
    assert_eq!(Rrule::parse(own, &seoul, Some(start)).unwrap().rrule, parse(own, &seoul));
}

#[test]
fn an_excluded_date_that_is_not_in_the_rule_is_warned_of() {
    let text = "DTSTART:20260101T090000\nRRULE:FREQ=DAILY;COUNT=3\n\
                EXDATE:20260102T090000,20260102T091500\nEXDATE:20260104T090000\nRDATE:20260104T090000";
    let parsed = Rrule::parse(text, &Zone::utc(), None).unwrap();
    let shown: Vec<_> = parsed.warnings.iter().map(|w| (&*w.date, &text[w.span.clone()])).collect();
    assert_eq!(shown, [("20260102T091500", "20260102T091500")]);
    assert_eq!(
        slots(text, "UTC", "2026-01-01T00:00:00Z", 9),
        ["2026-01-01T09:00:00+00:00", "2026-01-03T09:00:00+00:00"]
    );
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let table = [
        ("FREQ=DAYLY", "DAYLY", "`DAYLY` is not a frequency; did you mean `DAILY`?"),
        ("FREQ=MONTHLY;BYDAY=MO,FRI", "FRI", "`FRI` is not a weekday; did you mean `FR`?"),
        ("FREQ=MONTHLY;BYDAY=6MO", "6", "`6` is out of range; write 1 to 5, or -1 to -5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "0", "`0` is out of range; write 1 to 5, or -1 to -5"),
        ("FREQ=MONTHLY;BYDAY=1", "1", "`1` is not a weekday; write MO, TU, WE, TH, FR, SA or SU"),
        (
            "FREQ=DAILY;WKST=1MO",
            "1MO",
            "`1MO` is not a weekday; write MO, TU, WE, TH, FR, SA or SU",
        ),
        ("FREQ=DAILY;BYHOUR=9,24", "24", "`24` is out of range; write 0 to 23"),
        ("FREQ=DAILY;BYHOUR=-1", "-1", "`-1` is not a number; write 0 to 23"),
        ("FREQ=DAILY;BYSECOND=60", "60", "`60` is out of range; write 0 to 59"),
        ("FREQ=DAILY;BYHOUR=9,,10", "", "`` is not a number; write 0 to 23"),
        ("FREQ=DAILY;COUNT=0", "0", "`0` is out of range; write 1 to 1000000000"),
        (
            "FREQ=DAILY;INTERVAL=99999999999",
            "99999999999",
            "`99999999999` is out of range; write 1 to 1000000000",
        ),
        (
            "FREQ=YEARLY;BYEASTER=0",
            "BYEASTER",
            "BYEASTER is not part of RFC 5545; write the dates as RDATE",
        ),
        (
            "FREQ=YEARLY;BYWEEKDAY=MO",
            "BYWEEKDAY",
            "`BYWEEKDAY` is not a part of a rule; did you mean `BYDAY`?",
        ),
        (
            "FREQ=YEARLY;INTERVALL=2",
            "INTERVALL",
            "`INTERVALL` is not a part of a rule; did you mean `INTERVAL`?",
        ),
        ("FREQ=DAILY;", "", "`` is not a part of a rule; write NAME=value with a name of RFC 5545"),
        ("FREQ=DAILY;COUNT=", "COUNT=", "`COUNT=` has no value; write one, or leave the part out"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY", "a second FREQ; keep one of the two"),
        (
            "FREQ=DAILY;COUNT=3;UNTIL=20270101",
            "COUNT=3",
            "COUNT contradicts UNTIL; keep one of the two",
        ),
        (
            "FREQ=DAILY;UNTIL=20251231",
            "UNTIL=20251231",
            "UNTIL is before DTSTART, so the rule never comes; write a later one",
        ),
        (
            "FREQ=MONTHLY;BYWEEKNO=1",
            "BYWEEKNO=1",
            "BYWEEKNO does not go with FREQ=MONTHLY; it goes with YEARLY only",
        ),
        (
            "FREQ=WEEKLY;BYDAY=1MO",
            "1MO",
            "`1MO` counts weekdays; write it with FREQ=MONTHLY, or with FREQ=YEARLY without BYWEEKNO",
        ),
        (
            "FREQ=DAILY;BYSETPOS=1",
            "BYSETPOS=1",
            "BYSETPOS chooses among what other parts give; add one, like BYDAY, or leave it out",
        ),
        (
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "the rule never comes, or too rarely to be found; check that its parts have a date in common",
        ),
        (
            "FREQ=HOURLY;BYHOUR=3;COUNT=30000",
            "COUNT=30000",
            "COUNT is too large for a rule whose periods are not all alike; write UNTIL instead",
        ),
        ("FREQ=DAILY\nDTSTART:20260101", "20260101", "a second DTSTART; keep one of the two"),
        ("FREQ=DAILY\nFREQ=DAILY", "FREQ=DAILY", "a second RRULE; keep one of the two"),
        (
            "FREQ=DAILY\nEXDAT:20260101T090000",
            "EXDAT",
            "`EXDAT` is not known here; did you mean `EXDATE`?",
        ),
        (
            "FREQ=DAILY\nEXRULE:FREQ=WEEKLY;BYDAY=SA,SU",
            "EXRULE:FREQ=WEEKLY;BYDAY=SA,SU",
            "`EXRULE` is no longer part of RFC 5545; write `except: [sat, sun]` beside `rrule`",
        ),
        (
            "FREQ=DAILY\nexrule:FREQ=MONTHLY;BYMONTHDAY=1",
            "exrule:FREQ=MONTHLY;BYMONTHDAY=1",
            "`EXRULE` is no longer part of RFC 5545; write `except` beside `rrule`, or the dates as EXDATE",
        ),
        (
            "FREQ=DAILY\nSUMMARY:x",
            "SUMMARY",
            "`SUMMARY` is not known here; write DTSTART, RRULE, EXDATE or RDATE",
        ),
        (
            "FREQ=DAILY\nEXDATE:20260102",
            "20260102",
            "`20260102` has no time of day; write it like `20260101T090000`",
        ),
        (
            "FREQ=DAILY\nEXDATE:2026-01-02",
            "2026-01-02",
            "`2026-01-02` is not a date and time; write it like `20260101T090000`",
        ),
        (
            "FREQ=DAILY\nRDATE:20260230T090000",
            "20260230T090000",
            "there is no `20260230T090000`; write a date of the years 1600 to 9999, and a time up to 235959",
        ),
        (
            "FREQ=DAILY\nRDATE;VALUE=PERIOD:20260101T090000",
            "VALUE=PERIOD",
            "`VALUE=PERIOD` says nothing here; write TZID=… or VALUE=DATE-TIME, or leave it out",
        ),
        (
            "FREQ=DAILY\nRDATE;VALUE=DATE:20260101T090000",
            "20260101T090000",
            "`20260101T090000` is not what its VALUE says; leave VALUE out",
        ),
        (
            "FREQ=DAILY\nRDATE;TZID=Asia/Seoul:20260101T090000",
            "Asia/Seoul",
            "the zone `Asia/Seoul` contradicts the entry's, which is UTC; set `timezone: Asia/Seoul`, or leave TZID out",
        ),
        (
            "FREQ=DAILY\nRDATE;TZID=UTC:20260101T090000Z",
            "20260101T090000Z",
            "`20260101T090000Z` has both a zone and a `Z`; keep one of the two",
        ),
        (
            "FREQ=DAILY\nRRULE;X=1:FREQ=DAILY",
            "X=1",
            "`X=1` says nothing here; write TZID=… or VALUE=DATE-TIME, or leave it out",
        ),
        (
            "FREQ=DAILY\nEXDATE:",
            "EXDATE:",
            "`EXDATE:` has no value; write one, or leave the part out",
        ),
    ];
    for (text, part, message) in table {
        let text = format!("DTSTART:20260101T090000\n{text}");
        let (shown, pointed) = refused(&text);
        assert_eq!((&*shown, &*pointed), (message, part), "{text}");
    }
    assert_eq!(refused("").0, "there is no rule; add a line like `RRULE:FREQ=MONTHLY;BYDAY=-1FR`");
    assert_eq!(refused("every day").1, "every");
    assert_eq!(refused("FREQ=DAILY").1, "FREQ=DAILY");
    let seoul = zone("Asia/Seoul");
    let error = Rrule::parse("DTSTART=20260101T000000Z;FREQ=DAILY", &seoul, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`20260101T000000Z` is a time in UTC, but the entry's zone is Asia/Seoul; \
         write `20260101T090000`, or set `timezone: UTC`"
    );
}
