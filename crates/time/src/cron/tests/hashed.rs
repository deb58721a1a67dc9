//! `H`, hashed from the entry's name.

use super::*;

fn hashed(text: &str, entry: &str) -> Parsed {
    let line = Line { text, day_match: None, entry: Some(entry) };
    Cron::parse(line).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn resolved(text: &str, entry: &str) -> String {
    hashed(text, entry).resolved.unwrap().into()
}

/// Changing any of these would move entries in production.
#[test]
fn hashed_values_never_change() {
    let lines = [
        ("H H H H H", "3 13 18 6 6"),
        (" H  3 * * *\t", "3  3 * * *"),
        ("H/15 * * * *", "3-59/15 * * * *"),
        ("H(0-29)/10 H(22-4) * * h(mon-fri)", "3-29/10 1 * * 4"),
        ("H(0-29),H(30-59) * H(1-7),15 * H/2", "3,33 * 4,15 * 0-6/2"),
        ("0 H/6 H/9 H/5 H(5-7)/3", "0 1-23/6 5-28/9 3-12/5 6-0/3"),
    ];
    for (line, expected) in lines {
        assert_eq!(resolved(line, "nightly-report"), expected, "{line}");
    }
    assert_eq!(resolved("H H H H H", "한국어"), "7 11 8 10 6");
}

#[test]
fn a_hashed_line_means_its_resolved_line() {
    let lines = [
        "H H H H H",
        "H/7 H/5 H/9 H/5 H/2",
        "H(50-10)/4 H(22-4)/2 H(25-5)/3 H(nov-feb)/2 H(fri-tue)/2",
        "H(0-59) H(0-23) H(1-31) H(1-12) H(0-7)",
        "H(5-5) 3 * * H(5-7),H(5-7)/2",
        "0 0 1,H * 7,H(0-7)/3",
    ];
    for line in lines {
        for n in 0..500 {
            let parsed = hashed(line, &format!("entry-{n}"));
            let text = parsed.resolved.as_deref().unwrap();
            assert_eq!(parsed.cron, cron(text), "{line}: {text}");
        }
    }
    assert_eq!(hashed("0 3 * * *", "a").resolved, None);
    assert_eq!(hashed("@daily", "a").resolved, None);
}

/// How often each value is drawn, with a thousand names per value.
fn draws(line: &str, mask: impl Fn(&Cron) -> u64) -> Vec<u32> {
    let mut counts = vec![0; 64];
    for n in 0..6_000 {
        let mask = mask(&hashed(line, &format!("entry {n}")).cron);
        assert_eq!(mask.count_ones(), 1);
        counts[mask.trailing_zeros() as usize] += 1;
    }
    counts
}

#[test]
fn names_spread_evenly_over_the_values_that_always_exist() {
    let check = |counts: Vec<u32>, values: std::ops::RangeInclusive<u32>| {
        let even = 6_000 / values.clone().count() as u32;
        for (value, count) in (0..).zip(counts) {
            let expected = if values.contains(&value) { even / 2..even * 3 / 2 } else { 0..1 };
            assert!(expected.contains(&count), "{value} came {count} times, not {expected:?}");
        }
    };
    check(draws("H 0 * * *", |cron| cron.minutes), 0..=59);
    check(draws("0 H * * *", |cron| cron.hours.into()), 0..=23);
    check(draws("0 0 H * *", |cron| cron.days.into()), 1..=28);
    check(draws("0 0 1 H *", |cron| cron.months.into()), 1..=12);
    check(draws("0 0 * * H", |cron| cron.weekdays.into()), 0..=6);
    check(draws("H(10-19) 0 * * *", |cron| cron.minutes), 10..=19);
}

#[test]
fn fields_are_hashed_apart() {
    let same = |n: &usize| {
        let Cron { hours, months, .. } = hashed("0 H(1-12) 1 H *", &n.to_string()).cron;
        hours == u32::from(months)
    };
    assert!((0..1200).filter(same).count() < 150);
}

#[test]
fn a_hashed_field_is_fixed() {
    assert_eq!(hashed("H 3 * * *", "a").cron.class, Class::Fixed);
    assert_eq!(hashed("H(0-29)/10 H * * *", "a").cron.class, Class::Fixed);
    assert_eq!(hashed("H * * * *", "a").cron.class, Class::Wildcard);
}

#[test]
fn malformed_hashes_are_refused_with_a_hint() {
    let form = "is not a form of `H`; write `H`, `H(a-b)`, `H/n` or `H(a-b)/n`";
    let table = [
        ("H(5) * * * *", &*format!("`H(5)` {form}")),
        ("H() * * * *", &format!("`H()` {form}")),
        ("H(0-29 * * * *", &format!("`H(0-29` {form}")),
        ("H5 * * * *", &format!("`H5` {form}")),
        ("H-5 * * * *", &format!("`H-5` {form}")),
        ("5-H * * * *", &format!("`5-H` {form}")),
        ("Hourly * * * *", &format!("`Hourly` {form}")),
        ("H(1-2-3) * * * *", "`2-3` is not a minute; write 0 to 59"),
        ("H(0-60) * * * *", "minute `60` is out of range"),
        ("H(-5) * * * *", "a minute is missing here"),
        ("0 0 * * H(mon-fry)", "`fry` is not the name of a weekday; did you mean `friday`?"),
        ("H/ * * * *", "step `` of the minute is not a number"),
        ("H/0 * * * *", "a step of the minute can't be 0"),
        ("H/60 * * * *", "step `60` is larger than the range of the minute; write 1 to 59"),
        ("0 0 H/29 * *", "step `29` is larger than the range of the day of month; write 1 to 28"),
        ("H(0-9)/11 * * * *", "step `11` is larger than the range of the minute; write 1 to 10"),
        ("H/2/3 * * * *", "step `2/3` of the minute is not a number"),
    ];
    for (text, expected) in table {
        let line = Line { entry: Some("a"), ..text.into() };
        let error = Cron::parse(line).expect_err(text);
        assert!(error.to_string().starts_with(expected), "{text}: {error}");
        assert_eq!(&text[error.span], &*error.token, "{text}");
    }
}

#[test]
fn a_hash_without_an_entry_is_refused() {
    let error = Cron::parse("0 H * * *").unwrap_err();
    assert_eq!((error.problem, error.span.clone()), (Problem::NoEntry, 2..3));
    let expected = "`H` is hashed from an entry's name, and there is none; name an entry";
    assert_eq!(error.to_string(), expected);
}
