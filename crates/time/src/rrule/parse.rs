//! Splits a text into the parts of a recurrence: its lines, their dates, and the parts of the rule, each with
//! its position. `build` combines the parts.
//!
//! Case does not matter. Any white space ends a line, so the text may also be on one line.

use super::error::{Allowed, FIRST_YEAR, Problem, RruleError};
use super::{MAX_DATES, MAX_TEXT};
use crate::calendar::{DAY_S, Date, day_of, month_length};
use crate::cron;
use crate::spelling::nearest;
use crate::token::{Token, number};
use crate::unix_ms::UnixMs;
use crate::zone::Zone;

const PROPERTIES: [&str; 4] = ["DTSTART", "RRULE", "EXDATE", "RDATE"];
const PARTS: [&str; 15] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
    "BYSETPOS",
    "DTSTART",
];
/// In the order of the week, from 0.
const WEEKDAYS: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];

/// The contents of a text, line by line.
pub(super) struct Written<'t> {
    /// The rule, to point at if something is missing.
    pub(super) rule: Token<'t>,
    pub(super) parts: Vec<Part<'t>>,
    /// DTSTART.
    pub(super) start: Option<i64>,
    pub(super) excluded: Vec<Dated<'t>>,
    pub(super) added: Vec<Dated<'t>>,
}

/// `NAME=value` in a rule.
#[derive(Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) name: &'static str,
    pub(super) value: Token<'t>,
    pub(super) whole: Token<'t>,
}

/// A reading and its position.
pub(super) struct Dated<'t> {
    pub(super) reading: i64,
    pub(super) token: Token<'t>,
}

/// A date as written, with or without a time, perhaps in UTC.
pub(super) struct Moment {
    /// Seconds since 1970 on the wall, or in UTC; midnight if there is no time.
    pub(super) second: i64,
    pub(super) has_time: bool,
    pub(super) utc: bool,
}

impl<'t> Written<'t> {
    pub(super) fn part(&self, name: &str) -> Option<Part<'t>> {
        self.parts.iter().find(|part| part.name == name).copied()
    }
}

/// Reads a text; `zone` is the entry's.
pub(super) fn read<'t>(text: &'t str, zone: &Zone) -> Result<Written<'t>, RruleError> {
    let whole = Token { text, at: 0 };
    if text.len() > MAX_TEXT {
        return Err(Problem::TooLong.at(whole));
    }
    let mut written = Written {
        rule: whole,
        parts: Vec::new(),
        start: None,
        excluded: Vec::new(),
        added: Vec::new(),
    };
    let mut at = 0;
    for text in text.split([' ', '\t', '\n', '\r']) {
        if !text.is_empty() {
            line(Token { text, at }, zone, &mut written)?;
        }
        at += text.len() + 1;
    }
    if written.parts.is_empty() { Err(Problem::NoRule.at(whole)) } else { Ok(written) }
}

/// The weekdays of a weekly rule that has nothing else, as `except` names them.
fn weekdays_of(rule: &str) -> Option<String> {
    let rule = rule.to_ascii_uppercase();
    let (mut days, mut is_weekly) = (None, false);
    for part in rule.split(';') {
        match part.split_once('=')? {
            ("FREQ", "WEEKLY") => is_weekly = true,
            ("BYDAY", names) => days = Some(names),
            ("WKST", _) => {}
            _ => return None,
        }
    }
    let name = |day| {
        let index = WEEKDAYS.iter().position(|known| *known == day)?;
        cron::WEEKDAYS[index].get(..3)
    };
    let names: Option<Vec<&str>> = days.filter(|_| is_weekly)?.split(',').map(name).collect();
    Some(names?.join(", "))
}

fn line<'t>(line: Token<'t>, zone: &Zone, written: &mut Written<'t>) -> Result<(), RruleError> {
    let (head, value) = line.split_once(':');
    // A rule alone needs no name.
    let Some(value) = value else { return rule(line, zone, written) };
    let (name, parameters) = head.split_once(';');
    let Some(property) = known(name, &PROPERTIES) else {
        if name.text.eq_ignore_ascii_case("EXRULE") {
            return Err(Problem::Exrule { days: weekdays_of(value.text) }.at(line));
        }
        let near = nearest(name.text, PROPERTIES).map(str::to_owned);
        return Err(Problem::UnknownProperty { name: name.quoted(), near }.at(name));
    };
    if value.text.is_empty() {
        return Err(Problem::NoValue(line.quoted()).at(line));
    }
    match (property, parameters) {
        ("RRULE", Some(parameters)) => {
            Err(Problem::UnknownParameter(parameters.quoted()).at(parameters))
        }
        ("RRULE", None) => rule(value, zone, written),
        ("DTSTART", _) => start(value, parameters, zone, written),
        ("EXDATE", _) => dates(value, parameters, zone, &mut written.excluded),
        _ => dates(value, parameters, zone, &mut written.added),
    }
}

fn known(name: Token<'_>, names: &[&'static str]) -> Option<&'static str> {
    names.iter().find(|known| known.eq_ignore_ascii_case(name.text)).copied()
}

fn rule<'t>(rule: Token<'t>, zone: &Zone, written: &mut Written<'t>) -> Result<(), RruleError> {
    if !written.parts.is_empty() {
        return Err(Problem::Twice("RRULE").at(rule));
    }
    written.rule = rule;
    for whole in rule.split(';') {
        let (name, value) = whole.split_once('=');
        let Some(known) = known(name, &PARTS) else { return Err(unknown_part(name)) };
        let Some(value) = value.filter(|value| !value.text.is_empty()) else {
            return Err(Problem::NoValue(whole.quoted()).at(whole));
        };
        if written.part(known).is_some() {
            return Err(Problem::Twice(known).at(whole));
        }
        if known == "DTSTART" {
            start(value, None, zone, written)?;
        }
        written.parts.push(Part { name: known, value, whole });
    }
    Ok(())
}

fn unknown_part(name: Token<'_>) -> RruleError {
    let upper = name.text.to_ascii_uppercase();
    let near = match upper.as_str() {
        "BYEASTER" => return Problem::Easter.at(name),
        // `dateutil`'s name.
        "BYWEEKDAY" => Some("BYDAY".to_owned()),
        _ => nearest(name.text, PARTS).map(str::to_owned),
    };
    Problem::UnknownPart { name: name.quoted(), near }.at(name)
}

fn start<'t>(
    value: Token<'t>,
    parameters: Option<Token<'t>>,
    zone: &Zone,
    written: &mut Written<'t>,
) -> Result<(), RruleError> {
    if written.start.is_some() {
        return Err(Problem::Twice("DTSTART").at(value));
    }
    let parameters = Parameters::read(parameters, zone)?;
    written.start = Some(parameters.reading(value, zone)?.second);
    Ok(())
}

fn dates<'t>(
    value: Token<'t>,
    parameters: Option<Token<'t>>,
    zone: &Zone,
    dates: &mut Vec<Dated<'t>>,
) -> Result<(), RruleError> {
    let parameters = Parameters::read(parameters, zone)?;
    for token in value.split(',') {
        let moment = parameters.reading(token, zone)?;
        if !moment.has_time {
            return Err(Problem::NoTime(token.quoted()).at(token));
        }
        if dates.len() == MAX_DATES {
            return Err(Problem::TooManyDates.at(token));
        }
        dates.push(Dated { reading: moment.second, token });
    }
    Ok(())
}

/// The parameters between the name and the `:` of a line with dates.
#[derive(Default)]
struct Parameters {
    /// Whether TZID is given, and is the entry's zone.
    zoned: bool,
    /// VALUE says whether there is a time.
    has_time: Option<bool>,
}

impl Parameters {
    fn read(parameters: Option<Token<'_>>, zone: &Zone) -> Result<Parameters, RruleError> {
        let mut read = Parameters::default();
        let Some(parameters) = parameters else { return Ok(read) };
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=');
            let value = value.unwrap_or(parameter);
            match known(name, &["TZID", "VALUE"]) {
                Some("TZID") if !read.zoned => {
                    if !zone.name().eq_ignore_ascii_case(value.text) {
                        let (token, zone) = (value.quoted(), zone.name());
                        return Err(Problem::AnotherZone { token, zone }.at(value));
                    }
                    read.zoned = true;
                }
                Some("VALUE") if read.has_time.is_none() => {
                    let Some(kind) = known(value, &["DATE", "DATE-TIME"]) else {
                        return Err(Problem::UnknownParameter(parameter.quoted()).at(parameter));
                    };
                    read.has_time = Some(kind == "DATE-TIME");
                }
                _ => return Err(Problem::UnknownParameter(parameter.quoted()).at(parameter)),
            }
        }
        Ok(read)
    }

    /// Reads a date in the entry's zone.
    fn reading(&self, token: Token<'_>, zone: &Zone) -> Result<Moment, RruleError> {
        let moment = moment(token)?;
        if self.has_time.is_some_and(|has_time| has_time != moment.has_time) {
            return Err(Problem::NotTheValue(token.quoted()).at(token));
        }
        if moment.utc && self.zoned {
            return Err(Problem::TwoZones(token.quoted()).at(token));
        }
        if moment.utc && !zone.is_utc() {
            let local = zone.to_local(UnixMs::from_secs(moment.second));
            let local = local.strftime("%Y%m%dT%H%M%S").to_string();
            let (token_text, zone) = (token.quoted(), zone.name());
            return Err(Problem::NotInUtc { token: token_text, zone, local }.at(token));
        }
        Ok(moment)
    }
}

/// `20260101`, `20260101T090000` or `20260101T090000Z`.
pub(super) fn moment(token: Token<'_>) -> Result<Moment, RruleError> {
    let text = token.text;
    let refuse = || Problem::NotADate(token.quoted()).at(token);
    let digits =
        |range: std::ops::Range<usize>| text.get(range).and_then(number).ok_or_else(refuse);
    let letter = |at: usize, upper: u8| {
        text.as_bytes().get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&upper))
    };
    let has_time = match text.len() {
        8 => false,
        15 | 16 if letter(8, b'T') && (text.len() == 15 || letter(15, b'Z')) => true,
        _ => return Err(refuse()),
    };
    let date = Date { year: digits(0..4)?, month: digits(4..6)?, day: digits(6..8)? };
    let [hour, minute, second] = match has_time {
        true => [digits(9..11)?, digits(11..13)?, digits(13..15)?],
        false => [0; 3],
    };
    let exists = date.year >= FIRST_YEAR
        && (1..=12).contains(&date.month)
        && (1..=month_length(date.year, date.month)).contains(&date.day)
        && (hour < 24 && minute < 60 && second < 60);
    if !exists {
        return Err(Problem::NoSuchDate(token.quoted()).at(token));
    }
    let time = i64::from(hour * 3600 + minute * 60 + second);
    Ok(Moment { second: day_of(date) * DAY_S + time, has_time, utc: text.len() == 16 })
}

/// Reads a number without a sign.
pub(super) fn whole(token: Token<'_>, allowed: Allowed) -> Result<u32, RruleError> {
    let Some(value) = number(token.text) else {
        return Err(Problem::NotANumber(token.quoted(), allowed).at(token));
    };
    if (allowed.least..=allowed.greatest).contains(&value) {
        return Ok(value);
    }
    Err(Problem::OutOfRange(token.quoted(), allowed).at(token))
}

/// Reads comma-separated numbers, sorted and without duplicates.
pub(super) fn numbers(list: Token<'_>, allowed: Allowed) -> Result<Vec<i16>, RruleError> {
    let item = |token: Token<'_>| {
        let (digits, negative) = match token.text.split_at_checked(1) {
            Some(("+", digits)) if allowed.signed => (digits, false),
            Some(("-", digits)) if allowed.signed => (digits, true),
            _ => (token.text, false),
        };
        let Some(value) = number(digits) else {
            return Err(Problem::NotANumber(token.quoted(), allowed).at(token));
        };
        match i16::try_from(value) {
            Ok(number) if (allowed.least..=allowed.greatest).contains(&value) => {
                Ok(if negative { -number } else { number })
            }
            _ => Err(Problem::OutOfRange(token.quoted(), allowed).at(token)),
        }
    };
    let mut numbers = list.split(',').map(item).collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Reads a weekday, 0 for Sunday.
pub(super) fn weekday(token: Token<'_>) -> Result<u8, RruleError> {
    let is = |day: &&str| day.eq_ignore_ascii_case(token.text);
    if let Some(weekday) = WEEKDAYS.iter().position(is) {
        return Ok(weekday as u8);
    }
    let begins = |day: &&&str| {
        token.text.get(..day.len()).is_some_and(|head| head.eq_ignore_ascii_case(day))
    };
    let near = WEEKDAYS.iter().find(begins).map(ToString::to_string);
    Err(Problem::UnknownWeekday { token: token.quoted(), near }.at(token))
}

/// Reads a weekday with the number before it, if there is one.
pub(super) fn numbered_weekday(
    token: Token<'_>,
    greatest: u32,
) -> Result<(Option<i8>, u8), RruleError> {
    let name_at = token.text.find(|c: char| !c.is_ascii_digit() && c != '+' && c != '-');
    let (number, name) = token.text.split_at(name_at.unwrap_or(token.text.len()));
    let weekday = match name {
        "" => Err(Problem::UnknownWeekday { token: token.quoted(), near: None }.at(token)),
        name => weekday(Token { text: name, at: token.at + number.len() }),
    }?;
    if number.is_empty() {
        return Ok((None, weekday));
    }
    let number = Token { text: number, at: token.at };
    let number = numbers(number, Allowed::signed(greatest))?;
    Ok((number.first().and_then(|number| i8::try_from(*number).ok()), weekday))
}
