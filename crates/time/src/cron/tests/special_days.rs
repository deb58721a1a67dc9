//! `L`, `LW`, `15W`, `friL`, `fri#2` and `?`.

use jiff::civil::{Date, date};

use super::*;

#[test]
fn special_days_are_those_of_the_calendar() {
    let table = [
        ("0 0 L * *", "01-31, 02-28, 03-31, 04-30"),
        ("0 0 L 2 *", "02-28, 02-28, 02-28, 02-29, 02-28"),
        ("0 0 lw * *", "01-31, 02-28, 03-31, 04-30, 05-30, 06-30, 07-31, 08-29"),
        ("0 0 15W * *", "01-15, 02-14, 03-14, 04-15, 05-15, 06-16"),
        ("0 0 1w * *", "02-03, 03-03, 04-01, 05-01, 06-02"),
        ("0 0 31W * *", "01-31, 03-31, 05-30, 07-31, 08-29, 10-31"),
        ("0 0 30W 2,3 *", "03-31, 03-30"),
        ("0 0 28W 2 *", "02-28, 02-27, 02-26, 02-28"),
        ("0 0 * * friL", "01-31, 02-28, 03-28"),
        ("0 0 * * 7l", "01-26, 02-23, 03-30"),
        ("0 0 * * SundayL", "01-26, 02-23, 03-30"),
        ("0 0 * * fri#2", "01-10, 02-14, 03-14"),
        ("0 0 * * 7#5", "03-30, 06-29, 08-31"),
        ("0 0 L-3 * *", "01-28, 02-25, 03-28, 04-27"),
        ("0 0 l-0 * *", "01-31, 02-28"),
        ("0 0 L-30 * *", "03-01, 05-01, 07-01"),
        ("0 0 L-29,L-1 * *", "01-02, 01-30, 02-27, 03-02, 03-30, 04-01, 04-29"),
        ("0 0 L-3W * *", "01-28, 02-25, 03-28, 04-28, 05-28, 06-27"),
        ("0 0 L-30w * *", "03-03, 05-01, 07-01, 08-01"),
        ("0 0 1,15,L * *", "01-15, 01-31, 02-01, 02-15, 02-28"),
        ("0 0 5-6,15W,LW * *", "01-05, 01-06, 01-15, 01-31, 02-05"),
        ("0 0 * * mon#1,fri#3", "01-06, 01-17, 02-03, 02-21"),
        ("0 0 * * sun,wed#1,wedL", "01-05, 01-12, 01-19, 01-26, 01-29, 02-02, 02-05"),
        ("0 0 ? * mon", "01-06, 01-13"),
        ("0 0 15 * ?", "01-15, 02-15"),
        ("0 0 ? * ?", "01-02, 01-03"),
    ];
    for (line, expected) in table {
        assert_eq!(days(line, expected.split(", ").count()), expected, "{line}");
    }
}

#[test]
fn special_days_follow_the_rule_for_two_day_fields() {
    let table = [
        // One is enough.
        ("0 0 L * mon", "01-06, 01-13, 01-20, 01-27, 01-31, 02-03"),
        ("0 0 13 * fri#2", "01-10, 01-13, 02-13, 02-14"),
        // Both must match if a field begins with `*`; `?` counts as that.
        ("0 0 L * */2", "05-31, 07-31, 08-31"),
        ("0 0 ?,1 * 1", "01-06, 01-13"),
        ("0 0 1,? * 1", "01-02, 01-03, 01-04"),
    ];
    for (line, expected) in table {
        assert_eq!(days(line, expected.split(", ").count()), expected, "{line}");
    }
    let friday = ruled("0 0 L * friL", DayMatch::And).unwrap().cron;
    assert_eq!(
        friday.next(&zone("UTC"), utc("2025-03-01T00:00:00Z")),
        Some(utc("2025-10-31T00:00:00Z"))
    );
    let warnings = |line| Cron::parse(line).unwrap().warnings;
    assert_eq!(warnings("0 0 L * fri"), [CronWarning::AmbiguousDays(DayMatch::Or)]);
    assert_eq!(warnings("0 0 L * ?"), []);
    assert_eq!(warnings("0 0 ? * friL"), []);
}

/// The same for a single date, as simply as possible.
pub(super) fn is_nearest(day: Date, wanted: i8) -> bool {
    let length = day.days_in_month();
    let wanted = match day.with().day(wanted).build() {
        Err(_) => return false,
        Ok(wanted) => wanted,
    };
    let of_month = match wanted.weekday().to_monday_one_offset() {
        6 if wanted.day() == 1 => 3,
        6 => wanted.day() - 1,
        7 if wanted.day() == length => length - 2,
        7 => wanted.day() + 1,
        _ => wanted.day(),
    };
    day.day() == of_month
}

#[test]
fn every_special_day_of_28_years_is_found() {
    type Rule = Box<dyn Fn(Date) -> bool>;
    let mut rules: Vec<(String, Rule)> = vec![
        ("0 0 L * *".into(), Box::new(|day| day.day() == day.days_in_month())),
        ("0 0 LW * *".into(), Box::new(|day| is_nearest(day, day.days_in_month()))),
    ];
    for before in 0..=30 {
        let rule = Box::new(move |day: Date| day.day() + before == day.days_in_month());
        rules.push((format!("0 0 L-{before} * *"), rule));
        let rule = Box::new(move |day: Date| is_nearest(day, day.days_in_month() - before));
        rules.push((format!("0 0 L-{before}W * *"), rule));
    }
    for wanted in 1..=31 {
        let rule = Box::new(move |day| is_nearest(day, wanted));
        rules.push((format!("0 0 {wanted}W * *"), rule));
    }
    for weekday in 0..7 {
        let is_weekday = move |day: Date| day.weekday().to_sunday_zero_offset() == weekday;
        let is_last = move |day: Date| is_weekday(day) && day.day() + 7 > day.days_in_month();
        rules.push((format!("0 0 * * {weekday}L"), Box::new(is_last)));
        for nth in 1..=5 {
            let is_nth = move |day: Date| is_weekday(day) && (day.day() + 6) / 7 == nth;
            rules.push((format!("0 0 * * {weekday}#{nth}"), Box::new(is_nth)));
        }
    }
    let zone = Zone::utc();
    // Within 28 years every month has begun on every weekday, leap years included.
    let days =
        || date(2000, 1, 1).series(jiff::ToSpan::days(1)).take_while(|day| day.year() < 2028);
    for (line, rule) in rules {
        let (cron, mut at) = (cron(&line), utc("1999-12-31T23:59:59Z"));
        for day in days().filter(|day| rule(*day)) {
            at = cron.next(&zone, at).unwrap();
            assert_eq!(zone.to_local(at).date(), day, "{line}");
        }
        assert!(cron.next(&zone, at) >= Some(utc("2028-01-01T00:00:00Z")), "{line}");
    }
}

#[test]
fn meaningless_special_items_are_refused_with_a_hint() {
    let ranged = "mixes a range or a step with a kind of day; write it by itself or in a list, such \
                  as `1,15,L`";
    let table = [
        (
            "0 0 L-31 * *",
            "`L-31` does not say how many days before the last; write `L-1` to `L-30`, or `L-3W`",
        ),
        ("0 0 L- * *", "`L-` does not say how many days before the last"),
        ("0 0 L-fri * *", "`L-fri` does not say how many days before the last"),
        ("0 0 L-3/2 * *", "`L-3/2` does not say how many days before the last"),
        (
            "0 0 * * L-3",
            "`L-3` (a day counted from the end of the month) is not a weekday; write it as the day",
        ),
        ("0 0 W * *", "`W` does not say which day it should be near; write `15W`, or `LW`"),
        ("0 0 32W * *", "day of month `32` is out of range; write 1 to 31"),
        ("0 0 0W * *", "day of month `0` is out of range; write 1 to 31"),
        ("0 0 WL * *", "`WL` is not the name of a day of month"),
        ("0 0 L/2 * *", &format!("`L/2` {ranged}")),
        ("0 0 1-L * *", &format!("`1-L` {ranged}")),
        ("0 0 15W-20 * *", &format!("`15W-20` {ranged}")),
        ("0 0 15W/2 * *", &format!("`15W/2` {ranged}")),
        ("0 0 ?/2 * *", &format!("`?/2` {ranged}")),
        ("0 0 * * mon#1-fri#2", &format!("`mon#1-fri#2` {ranged}")),
        ("0 0 * * fri#2/2", &format!("`fri#2/2` {ranged}")),
        ("0 0 * * mon-friL", &format!("`mon-friL` {ranged}")),
        ("0 0 * * fri#6", "`6` does not say which one of the month; write `#1` to `#5`, or `friL`"),
        ("0 0 * * fri#0", "`0` does not say which one of the month"),
        ("0 0 * * fri#", "`` does not say which one of the month"),
        ("0 0 * * fri#1#2", "`1#2` does not say which one of the month"),
        ("0 0 * * #2", "a weekday is missing here"),
        ("0 0 * * 8#2", "weekday `8` is out of range; write 0 to 7"),
        ("0 0 * * 8L", "weekday `8` is out of range; write 0 to 7"),
        ("0 0 * * fry#2", "`fry` is not the name of a weekday; did you mean `friday`?"),
        ("0 0 * * fryL", "`fryL` is not the name of a weekday; did you mean `fridayL`?"),
        (
            "0 0 * * L",
            "`L` (the last day of the month) is not a weekday; write it as the day of month, or \
             `friL` for the last Friday",
        ),
        ("0 0 * * 15W", "`15W` (the nearest day from Monday to Friday) is not a weekday; write it"),
        (
            "0 0 5L * *",
            "`5L` (the last such weekday of the month) is not a day of month; write it as the \
             weekday",
        ),
        ("0 0 fri#2 * *", "`fri#2` (the nth such weekday of the month) is not a day of month"),
        ("? 0 * * *", "`?` (any day) is not a minute; did you mean `*`?"),
        ("0 0 * ? *", "`?` (any day) is not a month; did you mean `*`?"),
        (
            "L 0 * * *",
            "`L` (the last day of the month) is not a minute; write it as the day of month or the \
             weekday",
        ),
        ("0~30 * * * *", "`0~30` (a random value) is not supported; did you mean `H(0-30)`?"),
        ("~ 3 * * *", "`~` (a random value) is not supported; did you mean `H`?"),
        ("10~ 3 * * *", "`10~` (a random value) is not supported; did you mean `H(10-59)`?"),
        ("~30 3 * * *", "`~30` (a random value) is not supported; did you mean `H(0-30)`?"),
        (
            "0~30/10 3 * * *",
            "`0~30/10` (a random value) is not supported; did you mean `H(0-30)/10`?",
        ),
        (
            "*~30 3 * * *",
            "`*~30` (a random value) is not supported; write `H` or `H(a-b)`, a value",
        ),
        (
            "0 0 * * mon~fri",
            "`mon~fri` (a random value) is not supported; did you mean `H(mon-fri)`?",
        ),
        ("0 0 1 * fri#2,", "a weekday is missing here"),
        ("0 0 * * jul", "`jul` is not the name of a weekday"),
    ];
    for (line, expected) in table {
        let error = Cron::parse(line).expect_err(line);
        assert!(error.to_string().starts_with(expected), "{line}: {error}");
        assert_eq!(&line[error.span], &*error.token, "{line}");
    }
}

#[test]
fn special_days_that_never_come_are_refused() {
    let both = |line| ruled(line, DayMatch::And);
    for (line, dates) in [
        ("0 0 30W 2 *", "30W 2 *"),
        ("0 0 L-29 2 *", "L-29 2 *"),
        ("0 0 L-30 4,6 *", "L-30 4,6 *"),
        ("0 0 31W 4,6,9,11 *", "31W 4,6,9,11 *"),
        ("0 0 8 * mon#1", "8 * mon#1"),
        ("0 0 L 2 mon#3", "L 2 mon#3"),
        ("0 0 LW * sun", "LW * sun"),
        ("0 0 29-31 4 sat#4", "29-31 4 sat#4"),
    ] {
        let error = both(line).expect_err(line);
        assert_eq!((error.problem, &*error.token), (Problem::NeverComes, dates), "{line}");
    }
    for line in ["0 0 L 2 mon#5", "0 0 L 2 mon#4", "0 0 29W 2 *", "0 0 7 * mon#1"] {
        assert!(both(line).is_ok(), "{line}");
    }
    assert!(Cron::parse("0 0 8 * mon#1").is_ok(), "one of the two is enough");
}

#[test]
fn the_rarest_special_days_are_found() {
    // The 29th of February is a Monday every 28 years, and every 40 around most centuries.
    let cron = ruled("0 0 L 2 mon#5", DayMatch::And).unwrap().cron;
    let slot = |after| cron.next(&Zone::utc(), utc(after)).unwrap().to_string();
    assert_eq!(slot("2072-03-01T00:00:00Z"), "2112-02-29T00:00:00Z");
    assert_eq!(slot("2112-03-01T00:00:00Z"), "2140-02-29T00:00:00Z");
}

#[test]
fn the_canonical_form_tells_special_days() {
    assert_eq!(cron("0 3 L * *").canonical(), "cron 1 8 1 1ffe 7f and fixed");
    assert_eq!(cron("0 3 15W,LW * *").canonical(), "cron 1 8 0 1ffe 7f and fixed 8001 0:0:0:0:0:0");
    let counted_back = "cron 1 8 1 1ffe 7f and fixed 0 0:0:0:0:0:0 8:2";
    assert_eq!(cron("0 3 L,L-3,L-1W * *").canonical(), counted_back);
    let weekdays = "cron 1 8 fffffffe 1ffe 2 and fixed 0 0:20:0:0:0:1";
    assert_eq!(cron("0 3 * * mon,fri#2,sunL").canonical(), weekdays);
    assert_eq!(cron("0 3 ? * 0L,1,friday#2").canonical(), weekdays);
}

#[test]
fn names_of_weekdays_may_say_which_ones_of_a_month() {
    let (friday, last) = (1 << 5, |weekdays| (0, [0, 0, 0, 0, 0, weekdays]));
    for (text, read) in [
        ("mon-fri", (0b011_1110, [0; 6])),
        ("friL", last(friday)),
        ("5L", last(friday)),
        ("fri#2", (0, [0, friday, 0, 0, 0, 0])),
        ("mon-fri,sat#1", (0b011_1110, [1 << 6, 0, 0, 0, 0, 0])),
    ] {
        assert_eq!(weekdays(text), Some(read), "{text}");
    }
    for text in ["H", "L", "5", "mon-5", "?", "*", "", "fri#6", "fri#L", "local", "12-25"] {
        assert_eq!(weekdays(text), None, "{text}");
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "the clock measures the search, not a schedule")]
fn the_rarest_dates_are_found_at_once() {
    let zone = zone("America/New_York");
    let monday = ruled("0 0 29 2 mon", DayMatch::And).unwrap().cron;
    let mut at = utc("2073-01-01T00:00:00Z");
    for expected in ["2112-02-29T00:00:00-05:00", "2140-02-29T00:00:00-05:00"] {
        at = monday.next(&zone, at).unwrap();
        assert_eq!(zone.to_rfc3339(at), expected);
    }
    // A thousand of the longest searches, each in far less than a millisecond even unoptimized.
    let start = std::time::Instant::now();
    for year in 0..1000 {
        let after = UnixMs(utc("2072-03-01T00:00:00Z").0 + year * 365 * 86_400_000 * 7);
        let _ = monday.next(&zone, after);
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
}
