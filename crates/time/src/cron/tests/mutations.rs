//! Nearly valid lines: the parsers accept exactly what a second, simple reading of the grammar accepts, and
//! never panic.
//!
//! `PROPTEST_CASES=1000000 cargo test --release --lib mutations` runs longer.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

const CASES: u32 = 20_000;

const PIECES: [&str; 40] = [
    "*",
    "/",
    "-",
    ",",
    " ",
    "\t",
    "0",
    "1",
    "7",
    "31",
    "60",
    "99",
    "mon",
    "SUN",
    "jan",
    "L",
    "W",
    "#",
    "?",
    "H",
    "H(",
    ")",
    "(1-5)",
    "~",
    "+",
    ".",
    "@",
    "\n",
    "é",
    "999999999999999999999",
    "x",
    "LW",
    "15W",
    "fri#2",
    "0L",
    "#5",
    "5",
    "2027",
    "tues",
    "January",
];

/// One of `seeds` with up to three places overwritten.
fn mutated(seeds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit =
        (any::<prop::sample::Index>(), 0..3_usize, prop::sample::select(&PIECES[..]), 0..3_u8);
    (prop::sample::select(seeds), prop::collection::vec(edit, 1..=3)).prop_map(|(seed, edits)| {
        let mut line: Vec<char> = seed.chars().collect();
        for (at, length, piece, keep) in edits {
            let at = at.index(line.len() + 1);
            let end = (at + length).min(line.len());
            // Nothing in its place, the whole piece, or its first character.
            line.splice(at..end, piece.chars().take([0, usize::MAX, 1][usize::from(keep)]));
        }
        line.into_iter().collect()
    })
}

/// Passes many mutated lines to `read`, and compares the result with `accepts`.
fn compare(
    seeds: &'static [&'static str],
    read: impl Fn(&str) -> Result<(), CronError>,
    accepts: impl Fn(&str) -> bool,
) {
    let config = ProptestConfig::default();
    let cases = config.cases.max(CASES);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..config });
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let compared = runner.run(&mutated(seeds), |line| {
        match read(&line) {
            Ok(()) => {
                prop_assert!(accepts(&line), "{:?} is accepted", line);
                accepted.set(accepted.get() + 1);
            }
            Err(error) => {
                let never = error.problem == Problem::NeverComes;
                prop_assert!(never || !accepts(&line), "{:?} is refused: {}", line, error);
                prop_assert_eq!(line.get(error.span.clone()), Some(&*error.token));
                refused.set(refused.get() + 1);
            }
        }
        Ok(())
    });
    compared.unwrap_or_else(|error| panic!("{error}"));
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted > cases / 20 && refused > cases / 4, "{accepted} accepted, {refused} refused");
}

/// The common parts of the grammars.
mod grammar {
    pub(super) const MONTHS: &str = "january february march april may june july august september \
                                     october november december";
    pub(super) const WEEKDAYS: &str = "sunday monday tuesday wednesday thursday friday saturday";

    pub(super) fn number(text: &str, first: u64, last: u64) -> bool {
        let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        digits && text.parse().is_ok_and(|number: u64| first <= number && number <= last)
    }

    pub(super) fn kind_of_day(item: &str) -> bool {
        let nearest = |item: &str| item.strip_suffix('w').is_some_and(|day| number(day, 1, 31));
        let before_last = |item: &str| number(item.strip_suffix('w').unwrap_or(item), 0, 30);
        ["?", "l", "lw"].contains(&item)
            || nearest(item)
            || item.strip_prefix("l-").is_some_and(before_last)
    }
}

mod quartz {
    use super::grammar::{kind_of_day, number};
    use super::*;

    const SEEDS: [&str; 13] = [
        "0 30 9 * * MON-FRI",
        "0 0 12 ? * WED",
        "*/10 * * * * ?",
        "5,35 0/15 8-18/2 1,15 * ?",
        "0 0 0 1 1 ? 2027-2030",
        "59 59 23 31 DEC ? *",
        "0 0 3 ? JAN-JUNE/2 2-6",
        "0 */5 0-6,22 ?/2 february Tues,Sat 2026/3",
        "0 15 10 * * ? 2026",
        "* * * * * *",
        "0 0 12 L-3,LW * ?",
        "0 0 12 ? * 6#5,FRIL",
        "0 0 12 15W,L-1W * L",
    ];
    const MONTHS: &str = "jan january feb february mar march apr april may jun june jul july aug \
                          august sep september oct october nov november dec december";
    const WEEKDAYS: &str = "sun sunday mon monday tue tues tuesday wed wednesday thu thurs thursday \
                            fri friday sat saturday";

    fn accepts(line: &str) -> bool {
        let fields: Vec<&str> = line.split([' ', '\t']).filter(|text| !text.is_empty()).collect();
        let [second, minute, hour, day, month, weekday, ref year @ ..] = fields[..] else {
            return false;
        };
        let none = |_: &str| false;
        field(second, 0, 59, "", none)
            && field(minute, 0, 59, "", none)
            && field(hour, 0, 23, "", none)
            && field(day, 1, 31, "", kind_of_day)
            && field(month, 1, 12, MONTHS, none)
            && field(weekday, 1, 7, WEEKDAYS, kind_of_weekday)
            && match year {
                [] => true,
                [year] => field(year, 1970, 2100, "", none),
                _ => false,
            }
    }

    fn kind_of_weekday(item: &str) -> bool {
        let named = |text: &str| {
            text.len() >= 3
                && super::grammar::WEEKDAYS.split(' ').any(|name| name.starts_with(text))
        };
        let weekday = |text: &str| number(text, 1, 7) || named(text);
        let nth = |(day, nth): (&str, &str)| weekday(day) && number(nth, 1, 5);
        ["?", "l"].contains(&item)
            || item.split_once('#').is_some_and(nth)
            || item.strip_suffix('l').is_some_and(weekday)
    }

    fn field(text: &str, first: u64, last: u64, names: &str, kind: fn(&str) -> bool) -> bool {
        text.to_ascii_lowercase().split(',').all(|item| {
            let any = kind("?");
            if kind(item) {
                return true;
            }
            let (range, step) = item.split_once('/').map_or((item, None), |(r, s)| (r, Some(s)));
            let named =
                |text: &str| names.split(' ').position(|name| name == text && !name.is_empty());
            let ends: Vec<&str> = range.split('-').collect();
            let is_range_valid = match ends[..] {
                ["*"] => true,
                ["?"] => any,
                [one] => number(one, first, last) || (step.is_none() && named(one).is_some()),
                [one, two] => match (named(one), named(two)) {
                    (Some(one), Some(two)) if !names.is_empty() => {
                        one <= two || same(names, one, two)
                    }
                    _ => {
                        let fits = |text| number(text, first, last);
                        fits(one) && fits(two) && one.parse::<u64>().ok() <= two.parse().ok()
                    }
                },
                _ => false,
            };
            is_range_valid && step.is_none_or(|step| number(step, 1, last))
        })
    }

    /// Whether two names in the list mean the same: one is a prefix of the other.
    fn same(names: &str, one: usize, two: usize) -> bool {
        let name = |index| names.split(' ').nth(index).unwrap();
        name(one)[..3] == name(two)[..3]
    }

    #[test]
    fn of_mutated_lines_exactly_those_of_the_grammar_are_accepted() {
        compare(&SEEDS, |text| Quartz::parse(text).map(drop), accepts);
    }
}

mod crontab {
    use super::grammar::{MONTHS, WEEKDAYS, kind_of_day, number};
    use super::*;

    const SEEDS: [&str; 15] = [
        "*/5 * * * *",
        "0 3 * * mon-fri",
        "30 9 1,15 1 *",
        "0 22-4 * * *",
        "5/15 0-6/2 * nov-feb 7",
        "0 0 13 * fri",
        "59 23 31 12 sunday",
        "10-50/20,3 1 */2 jan,jul sat-sun",
        "0 0 L * *",
        "0 0 1,15W,LW * ?",
        "0 0 ? * fri#2,monL",
        "H H(0-6) * * *",
        "H/15 H(22-4)/3 H H H",
        "0 9 28W 2 0#4",
        "0 9 L-3,L-30W * *",
    ];

    fn accepts(line: &str) -> bool {
        let fields: Vec<&str> = line.split([' ', '\t']).filter(|text| !text.is_empty()).collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return false };
        field(minute, 0, 59, "", |_| false)
            && field(hour, 0, 23, "", |_| false)
            && field(day, 1, 31, "", kind_of_day)
            && field(month, 1, 12, MONTHS, |_| false)
            && field(weekday, 0, 7, WEEKDAYS, kind_of_weekday)
    }

    fn kind_of_weekday(item: &str) -> bool {
        let weekday = |text: &str| value(text, 0, 7, WEEKDAYS);
        let nth = |(day, nth): (&str, &str)| weekday(day) && number(nth, 1, 5);
        item == "?"
            || item.split_once('#').is_some_and(nth)
            || item.strip_suffix('l').is_some_and(weekday)
    }

    fn field(text: &str, first: u64, last: u64, names: &str, kind: fn(&str) -> bool) -> bool {
        text.split(',').all(|item| {
            let lower = item.to_lowercase();
            item.is_ascii()
                && (kind(&lower)
                    || lower.strip_prefix('h').is_some_and(|tail| hash(tail, first, last, names))
                    || ordinary(&lower, first, last, names))
        })
    }

    fn ordinary(item: &str, first: u64, last: u64, names: &str) -> bool {
        let (range, step) = item.split_once('/').map_or((item, None), |(r, s)| (r, Some(s)));
        let is_step_valid = step.is_none_or(|step| number(step, 1, last));
        let ends: Vec<&str> = range.split('-').collect();
        let is_range_valid = match ends[..] {
            ["*"] => true,
            [one] => value(one, first, last, names) && (step.is_none() || last != 7),
            [one, two] => value(one, first, last, names) && value(two, first, last, names),
            _ => false,
        };
        is_step_valid && is_range_valid
    }

    /// What follows an `H`.
    fn hash(tail: &str, first: u64, last: u64, names: &str) -> bool {
        let (range, step) = tail.split_once('/').map_or((tail, None), |(r, s)| (r, Some(s)));
        let inner = range.strip_prefix('(').and_then(|range| range.strip_suffix(')'));
        let length = match (range, inner) {
            ("", _) if last == 31 => 28,
            ("", _) => last.min(59) + 1 - first - u64::from(last == 7),
            (_, Some(inner)) if inner.contains('-') && ordinary(inner, first, last, names) => {
                values(inner, first, last, names)
            }
            _ => return false,
        };
        step.is_none_or(|step| number(step, 1, length.min(last)))
    }

    /// The number of values in a range.
    fn values(range: &str, first: u64, last: u64, names: &str) -> u64 {
        let index = |text: &str| {
            let named = names.split(' ').position(|name| name.starts_with(text));
            text.parse().unwrap_or_else(|_| named.unwrap() as u64 + first)
        };
        let (one, two) = range.split_once('-').unwrap();
        let (mut one, mut two) = (index(one), index(two));
        let length = if last == 7 { 7 } else { last + 1 - first };
        if last == 7 && one == 0 && two == 7 {
            return 7;
        }
        if last == 7 {
            (one, two) = (one % 7, two % 7);
        }
        if one > two {
            two += length;
        }
        two - one + 1
    }

    fn value(text: &str, first: u64, last: u64, names: &str) -> bool {
        let named = names.split(' ').any(|name| name.starts_with(text));
        number(text, first, last) || (named && text.len() >= 3)
    }

    #[test]
    fn of_mutated_lines_exactly_those_of_the_grammar_are_accepted() {
        let read = |text: &str| Cron::parse(Line { entry: Some("a"), ..text.into() }).map(drop);
        compare(&SEEDS, read, accepts);
    }
}
