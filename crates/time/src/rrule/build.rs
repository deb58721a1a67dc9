//! Combines the parts of a rule.

use super::days::Days;
use super::error::{Allowed, Problem, RruleError};
use super::next::MAX_STEPS;
use super::parse::{self, Part, Written};
use super::periods::{Freq, Periods};
use super::times::{Times, clock};
use super::{MAX_COUNTED, MAX_NUMBER, Parsed, Rrule, RruleWarning};
use crate::calendar::{DAY_S, END_S, date_of, weekday_of};
use crate::spelling::nearest;
use crate::unix_ms::UnixMs;
use crate::zone::Zone;

const MONDAY: u32 = 1;
const NUMBER: Allowed = Allowed::from(1, MAX_NUMBER);

impl Rrule {
    /// Reads the lines of a recurrence, or the `FREQ=…` of a rule alone.
    ///
    /// `zone` is the one whose clock the rule will read, so that TZID and UNTIL can be checked against it. What its
    /// clock shows at `start` replaces a missing DTSTART.
    ///
    /// # Errors
    ///
    /// When any part of the text is not wholly understood, contradicts another or the zone, and when the rule
    /// never comes.
    pub fn parse(text: &str, zone: &Zone, start: Option<UnixMs>) -> Result<Parsed, RruleError> {
        let written = parse::read(text, zone)?;
        let freq = freq(&written)?;
        refuse_strays(&written, freq)?;
        // Without a start, INTERVAL and COUNT would have no meaning.
        let start = written.start.or_else(|| start.map(|start| zone.reading_at(start)));
        let start = start.ok_or_else(|| Problem::NoStart.at(written.rule))?;
        let mut rrule = Box::new(rule(&written, freq, start)?);
        rrule.end(&written, zone)?;
        let warnings = rrule.except(&written);
        // A rule without slots is a mistake, even with an RDATE.
        if rrule.chosen_from(start).is_none() || rrule.next(zone, UnixMs::MIN).is_none() {
            return Err(Problem::NeverComes.at(written.rule));
        }
        Ok(Parsed { rrule, warnings })
    }
}

fn freq(written: &Written<'_>) -> Result<Freq, RruleError> {
    let Some(part) = written.part("FREQ") else {
        return Err(Problem::NoFreq.at(written.rule));
    };
    let known =
        Freq::ALL.into_iter().find(|freq| freq.name().eq_ignore_ascii_case(part.value.text));
    known.ok_or_else(|| {
        let near = nearest(part.value.text, Freq::ALL.map(Freq::name)).map(str::to_owned);
        Problem::UnknownFreq { token: part.value.quoted(), near }.at(part.value)
    })
}

/// Refuses parts that RFC 5545 (section 3.3.10, the table of BYxxx) does not define for the frequency.
fn refuse_strays(written: &Written<'_>, freq: Freq) -> Result<(), RruleError> {
    let day_parts_within = |freq: Freq| matches!(freq, Freq::Daily | Freq::Weekly | Freq::Monthly);
    let strays = [
        ("BYWEEKNO", freq != Freq::Yearly, "it goes with YEARLY only"),
        ("BYYEARDAY", day_parts_within(freq), "write YEARLY, or BYMONTH and BYMONTHDAY"),
        ("BYMONTHDAY", freq == Freq::Weekly, "write DAILY or MONTHLY, with BYDAY for the weekday"),
    ];
    for (part, stray, hint) in strays {
        if stray && let Some(part) = written.part(part) {
            let (part, whole) = (part.name, part.whole);
            return Err(Problem::NotWithFreq { part, freq: freq.name(), hint }.at(whole));
        }
    }
    if let (Some(count), Some(_)) = (written.part("COUNT"), written.part("UNTIL")) {
        return Err(Problem::CountAndUntil.at(count.whole));
    }
    let chosen_from = |part: &Part<'_>| part.name.starts_with("BY") && part.name != "BYSETPOS";
    match written.part("BYSETPOS") {
        Some(part) if !written.parts.iter().any(chosen_from) => {
            Err(Problem::NothingToChoose.at(part.whole))
        }
        _ => Ok(()),
    }
}

/// The rule without its end and its exceptions.
fn rule(written: &Written<'_>, freq: Freq, start: i64) -> Result<Rrule, RruleError> {
    let interval = match written.part("INTERVAL") {
        Some(part) => parse::whole(part.value, NUMBER)?,
        None => 1,
    };
    let positions = list(written, "BYSETPOS", Allowed::signed(366))?.unwrap_or_default();
    let week_start = week_start(written)?;
    let days = days(written, freq, start, week_start)?;
    let times = times(written, freq, start)?;
    // Most rules do not depend on where weeks begin.
    let cuts_weeks = freq == Freq::Weekly && (interval > 1 || !positions.is_empty());
    let week_start = if cuts_weeks { week_start } else { MONDAY };
    Ok(Rrule {
        start,
        periods: Periods::new(freq, interval.into(), week_start, start),
        days,
        times,
        positions: positions.into(),
        last: END_S,
        until: UnixMs::MAX,
        count: None,
        excluded: Box::default(),
        added: Box::default(),
    })
}

/// The numbers of a part, sorted and without duplicates.
fn list(
    written: &Written<'_>,
    name: &str,
    allowed: Allowed,
) -> Result<Option<Vec<i16>>, RruleError> {
    written.part(name).map(|part| parse::numbers(part.value, allowed)).transpose()
}

/// The numbers of a part as bits; negative ones as bits of a second mask.
fn masks(
    written: &Written<'_>,
    name: &str,
    allowed: Allowed,
) -> Result<Option<(u64, u64)>, RruleError> {
    let bits = |numbers: Vec<i16>| {
        let mask = |numbers: &[i16]| numbers.iter().fold(0, |mask, n| mask | 1 << n.unsigned_abs());
        let (back, forth) = numbers.split_at(numbers.partition_point(|number| *number < 0));
        (mask(forth), mask(back))
    };
    Ok(list(written, name, allowed)?.map(bits))
}

/// Where weeks begin: WKST, else Monday.
fn week_start(written: &Written<'_>) -> Result<u32, RruleError> {
    written.part("WKST").map_or(Ok(MONDAY), |part| parse::weekday(part.value).map(u32::from))
}

fn days(
    written: &Written<'_>,
    freq: Freq,
    start: i64,
    week_start: u32,
) -> Result<Days, RruleError> {
    let months = masks(written, "BYMONTH", Allowed::from(1, 12))?;
    let month_days = masks(written, "BYMONTHDAY", Allowed::signed(31))?;
    let year_days = list(written, "BYYEARDAY", Allowed::signed(366))?;
    let weeks = masks(written, "BYWEEKNO", Allowed::signed(53))?;
    let weekdays = weekdays(written, freq, months.is_some())?;
    let open = month_days.is_none() && year_days.is_none() && weeks.is_none() && weekdays.is_none();
    let day = start.div_euclid(DAY_S);
    let date = date_of(day);
    // What the rule leaves open is taken from DTSTART.
    let months = match months {
        Some((months, _)) => months as u16,
        None if open && freq == Freq::Yearly => 1 << date.month,
        None => Days::ALL_MONTHS,
    };
    let (month_days, month_days_back) = match month_days {
        Some((month_days, back)) => (month_days as u32, back as u32),
        None if open && freq <= Freq::Monthly => (1 << date.day, 0),
        None => (Days::ALL_MONTH_DAYS, 0),
    };
    let (weekdays, numbered) = match weekdays {
        Some(weekdays) => weekdays,
        None if open && freq == Freq::Weekly => (1 << weekday_of(day), Box::default()),
        None => (Days::ALL_WEEKDAYS, Box::default()),
    };
    let (weeks, weeks_back) = weeks.unwrap_or_default();
    Ok(Days {
        months,
        month_days,
        month_days_back,
        weekdays,
        numbered_in_year: !numbered.is_empty()
            && freq == Freq::Yearly
            && written.part("BYMONTH").is_none(),
        numbered,
        year_days: year_days.unwrap_or_default().into(),
        weeks,
        weeks_back,
        week_start: if weeks | weeks_back != 0 { week_start } else { MONDAY },
    })
}

/// BYDAY: weekdays as bits, and those with a number.
#[expect(clippy::type_complexity, reason = "two fields of `Days`")]
fn weekdays(
    written: &Written<'_>,
    freq: Freq,
    by_month: bool,
) -> Result<Option<(u8, Box<[(i8, u8)]>)>, RruleError> {
    let Some(part) = written.part("BYDAY") else { return Ok(None) };
    let counted =
        freq == Freq::Monthly || (freq == Freq::Yearly && written.part("BYWEEKNO").is_none());
    let greatest = if freq == Freq::Yearly && !by_month { 53 } else { 5 };
    let (mut plain, mut numbered) = (0, Vec::new());
    for token in part.value.split(',') {
        match parse::numbered_weekday(token, greatest)? {
            (None, weekday) => plain |= 1 << weekday,
            (Some(number), weekday) if counted => numbered.push((number, weekday)),
            (Some(_), _) => return Err(Problem::Numbered(token.quoted()).at(token)),
        }
    }
    numbered.sort_unstable();
    numbered.dedup();
    Ok(Some((plain, numbered.into())))
}

fn times(written: &Written<'_>, freq: Freq, start: i64) -> Result<Times, RruleError> {
    let [hour, minute, second] = clock(start.rem_euclid(DAY_S));
    // Units below the period are taken from DTSTART; those above come from the period.
    let open = |from: Freq, value: u32, all: u64| if freq >= from { all } else { 1 << value };
    let mask = |name: &str, greatest: u32| {
        Ok(masks(written, name, Allowed::from(0, greatest))?.map(|(mask, _)| mask))
    };
    Ok(Times {
        hours: mask("BYHOUR", 23)?.unwrap_or(open(Freq::Hourly, hour, Times::ALL_HOURS)),
        minutes: mask("BYMINUTE", 59)?.unwrap_or(open(Freq::Minutely, minute, Times::ALL_MINUTES)),
        seconds: mask("BYSECOND", 59)?.unwrap_or(open(Freq::Secondly, second, Times::ALL_MINUTES)),
    })
}

impl Rrule {
    /// UNTIL and COUNT.
    fn end(&mut self, written: &Written<'_>, zone: &Zone) -> Result<(), RruleError> {
        if let Some(part) = written.part("UNTIL") {
            let moment = parse::moment(part.value)?;
            match (moment.utc && !zone.is_utc(), moment.has_time) {
                (true, _) => self.until = UnixMs::from_secs(moment.second),
                (false, true) => self.last = moment.second,
                (false, false) => self.last = moment.second + DAY_S - 1,
            }
            if self.last < self.start {
                return Err(Problem::UntilBeforeStart.at(part.whole));
            }
        }
        if let Some(part) = written.part("COUNT") {
            let count = parse::whole(part.value, NUMBER)?;
            self.count = Some(count);
            self.last = self.last_of(count).ok_or_else(|| Problem::CountTooLarge.at(part.whole))?;
        }
        Ok(())
    }

    /// The last of the first `count` readings; the end of time if there are fewer, `None` if counting takes too
    /// long.
    fn last_of(&self, count: u32) -> Option<i64> {
        let Some(mut reading) = self.chosen_from(self.start) else { return Some(END_S) };
        let mut left = i64::from(count) - 1;
        if let Some((step_s, readings)) = self.alike() {
            reading = reading.saturating_add((left / readings).saturating_mul(step_s));
            left %= readings;
        }
        if reading >= END_S {
            return Some(END_S);
        }
        let mut all_steps = 0;
        for _ in 0..left {
            let mut steps_left = MAX_STEPS;
            let Some(next) = self.chosen_within(reading + 1, &mut steps_left) else {
                return Some(END_S);
            };
            reading = next;
            all_steps += MAX_STEPS - steps_left;
            if all_steps > MAX_COUNTED {
                return None;
            }
        }
        Some(reading)
    }

    /// The seconds from one counted period to the next and the number of readings in each, if all are alike.
    fn alike(&self) -> Option<(i64, i64)> {
        let (freq, Times { hours, minutes, seconds }) = (self.periods.freq(), self.times);
        let all_days = self.days.only_weekdays()
            && (freq == Freq::Weekly || self.days.weekdays == Days::ALL_WEEKDAYS);
        let all_times = (freq < Freq::Hourly || hours == Times::ALL_HOURS)
            && (freq < Freq::Minutely || minutes == Times::ALL_MINUTES)
            && (freq < Freq::Secondly || seconds == Times::ALL_MINUTES);
        if !(all_days && all_times && self.positions.is_empty()) {
            return None;
        }
        let days = if freq == Freq::Weekly { self.days.weekdays.count_ones() } else { 1 };
        let readings = i64::from(days * self.times.within(freq, 0).count());
        Some((self.periods.interval() * freq.length_s()?, readings))
    }

    /// EXDATE and RDATE.
    fn except(&mut self, written: &Written<'_>) -> Vec<RruleWarning> {
        let mut warnings = Vec::new();
        let mut excluded = Vec::new();
        let added = |reading| written.added.iter().any(|date| date.reading == reading);
        for date in &written.excluded {
            let reading = date.reading;
            let ruled = reading <= self.last && self.has(reading);
            if ruled || added(reading) {
                excluded.push(reading);
            } else if reading != self.start {
                // In the RFC, DTSTART is always a slot, which an EXDATE removes.
                warnings.push(RruleWarning { date: date.token.quoted(), span: date.token.span() });
            }
        }
        excluded.sort_unstable();
        excluded.dedup();
        let mut added: Vec<i64> = written.added.iter().map(|date| date.reading).collect();
        added.retain(|reading| excluded.binary_search(reading).is_err());
        added.sort_unstable();
        added.dedup();
        (self.excluded, self.added) = (excluded.into(), added.into());
        warnings
    }
}
