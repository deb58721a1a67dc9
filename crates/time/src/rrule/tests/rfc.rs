//! The examples of RFC 5545, section 3.8.5.3: rules and their dates.

use super::*;

const TWO_WEEKDAYS: &str = "19970902 0904 0909 0911 0916 0918 0923 0925 0930 1002";
const WORKDAYS: &str = "19970901 0903 0905 0915 0917 0919 0929 1001 1003 1013 1015 1017 1027 1029 \
                        1031 1110 1112 1114 1124 1126 1128 1208 1210 1212 1222";

/// A rule and the dates of its first readings; the first date is DTSTART's, and a year is only given when it
/// changes. Rules that end do so after the last date.
const DATES: [(&str, &str); 37] = [
    ("FREQ=DAILY;COUNT=10", "19970902 0903 0904 0905 0906 0907 0908 0909 0910 0911"),
    ("FREQ=DAILY;INTERVAL=2", "19970902 0904 0906 0908 0910 0912"),
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902 0912 0922 1002 1012"),
    ("FREQ=WEEKLY;COUNT=10", "19970902 0909 0916 0923 0930 1007 1014 1021 1028 1104"),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", "19970902 0916 0930 1014 1028 1111 1125 1209 1223 19980106"),
    ("FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", TWO_WEEKDAYS),
    ("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", TWO_WEEKDAYS),
    ("FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", WORKDAYS),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "19970902 0904 0916 0918 0930 1002 1014 1016",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "19970905 1003 1107 1205 19980102 0206 0306 0403 0501 0605",
    ),
    ("FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "19970905 1003 1107 1205"),
    (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "19970907 0928 1102 1130 19980104 0125 0301 0329 0503 0531",
    ),
    ("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "19970922 1020 1117 1222 19980119 0216"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "19970928 1029 1128 1229 19980129 0226"),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "19970902 0915 1002 1015 1102 1115 1202 1215 19980102 0115",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "19970930 1001 1031 1101 1130 1201 1231 19980101 0131 0201",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "19970910 0911 0912 0913 0914 0915 19990310 0311 0312 0313",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "19970902 0909 0916 0923 0930 1104 1111 1118 1125 19980106 0113 0120 0127 0303",
    ),
    (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "19970610 0710 19980610 0710 19990610 0710 20000610 0710 20010610 0710",
    ),
    (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "19970310 19990110 0210 0310 20010110 0210 0310 20030110 0210 0310",
    ),
    (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "19970101 0410 0719 20000101 0409 0718 20030101 0410 0719 20060101",
    ),
    ("FREQ=YEARLY;BYDAY=20MO", "19970519 19980518 19990517"),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512 19980511 19990517"),
    (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "19970313 0320 0327 19980305 0312 0319 0326 19990304 0311 0318 0325",
    ),
    ("FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "19970605 0612 0619 0626 0703 0710 0717 0724 0731 0807"),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "19970913 1011 1108 1213 19980110 0207 0307 0411 0509 0613",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "19961105 20001107 20041102",
    ),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904 1007 1106"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "19970929 1030 1127 1230 19980129 0226 0330"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805 0810 0819 0824"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805 0817 0819 0831"),
    ("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "20070115 0130 0215 0315 0330"),
    // A leap day, alone and every year; the first and the last week of years that share one.
    ("FREQ=YEARLY", "20240229 20280229 20320229"),
    ("FREQ=YEARLY;BYYEARDAY=-1,366", "19961231 19971231 19981231 19991231 20001231"),
    ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO,SU", "19961230 19970105 1229 19980104 19990104 0110"),
    ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "19990103 20050102 20100103"),
    ("FREQ=YEARLY;BYMONTH=12,1;BYDAY=-1SU", "19961229 19970126 1228 19980125 1227"),
];

/// The dates of a list, in full.
fn dates(list: &'static str) -> Vec<String> {
    let mut year = "";
    let whole = |date: &'static str| {
        let (head, day) = date.split_at(date.len() - 4);
        year = if head.is_empty() { year } else { head };
        format!("{year}-{}-{}", &day[..2], &day[2..])
    };
    list.split_ascii_whitespace().map(whole).collect()
}

#[test]
fn rules_stand_for_the_dates_of_the_rfc() {
    for (rule, list) in DATES {
        let dates = dates(list);
        let text = format!("DTSTART:{}T090000\nRRULE:{rule}", &list[..8]);
        let ends = rule.contains("COUNT") || rule.contains("UNTIL");
        let most = dates.len() + usize::from(ends);
        let slots = slots(&text, "America/New_York", "1970-01-01T00:00:00Z", most);
        let found: Vec<&str> = slots.iter().map(|slot| &slot[..10]).collect();
        assert_eq!(found, dates, "{rule}");
        assert!(slots.iter().all(|slot| slot[10..].starts_with("T09:00:00-0")), "{rule}");
    }
}

#[test]
fn rules_of_hours_and_minutes_stand_for_the_times_of_the_rfc() {
    let table = [
        ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "09:00 12:00 15:00"),
        ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "09:00 09:15 09:30 09:45 10:00 10:15"),
        ("FREQ=MINUTELY;INTERVAL=90;COUNT=4", "09:00 10:30 12:00 13:30"),
    ];
    for (rule, times) in table {
        let text = format!("DTSTART:19970902T090000\nRRULE:{rule}");
        let slots = slots(&text, "America/New_York", "1970-01-01T00:00:00Z", 9);
        let found: Vec<&str> = slots.iter().map(|slot| &slot[11..16]).collect();
        assert_eq!(found.join(" "), times, "{rule}");
    }
    let slots = |rule: &str| {
        let text = format!("DTSTART:19970902T090000\nRRULE:{rule}");
        slots(&text, "America/New_York", "1970-01-01T00:00:00Z", 100)
    };
    let daily = slots("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40");
    assert_eq!(daily, slots("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16"));
    assert_eq!(daily[24], "1997-09-03T09:00:00-04:00");
}

#[test]
fn every_day_of_three_januaries_can_be_said_in_two_ways() {
    let days = |rule: &str| {
        let text = format!("DTSTART:19980101T090000\nRRULE:{rule}");
        slots(&text, "America/New_York", "1970-01-01T00:00:00Z", 100)
    };
    let until = "UNTIL=20000131T140000Z;BYMONTH=1";
    let daily = days(&format!("FREQ=DAILY;{until}"));
    assert_eq!(daily, days(&format!("FREQ=YEARLY;{until};BYDAY=SU,MO,TU,WE,TH,FR,SA")));
    assert_eq!((daily.len(), &*daily[92]), (93, "2000-01-31T09:00:00-05:00"));
}

#[test]
fn friday_the_13th_leaves_out_a_start_that_does_not_match() {
    let text = "DTSTART:19970902T090000\nRRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13\n\
                EXDATE:19970902T090000";
    let slots = slots(text, "America/New_York", "1970-01-01T00:00:00Z", 5);
    let found: Vec<&str> = slots.iter().map(|slot| &slot[..10]).collect();
    assert_eq!(found, ["1998-02-13", "1998-03-13", "1998-11-13", "1999-08-13", "2000-10-13"]);
}

#[test]
fn weekdays_with_and_without_a_number_are_taken_together() {
    let text = "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;BYDAY=MO,1TU";
    let slots = slots(text, "UTC", "2026-01-01T00:00:00Z", 6);
    let found: Vec<&str> = slots.iter().map(|slot| &slot[5..10]).collect();
    assert_eq!(found, ["01-05", "01-06", "01-12", "01-19", "01-26", "02-02"]);
}

#[test]
fn positions_are_counted_in_the_whole_week_of_the_start() {
    let text = "DTSTART:20260107T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1";
    assert_eq!(slots(text, "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-12T09:00:00+00:00"]);
}
