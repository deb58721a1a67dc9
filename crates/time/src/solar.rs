//! `solar`: events of the sun at a place, computed offline.
//!
//! Between two culminations (from solar noon to solar midnight, or back) the sun only sinks or only rises. So a
//! half day has at most one event of a kind, and it has one exactly if the sun is on different sides of the
//! event's height at its two ends. Half days are numbered, and a slot depends only on the place and the number
//! of its half day: searches from anywhere agree. Near the poles, where noon is hardly higher than midnight, any
//! two ends would do.
//!
//! A slot is rounded to the nearest minute. Refraction near the horizon is not known better than that, and
//! otherwise the last bit of another machine's sine would make another slot of the same sunset.

use std::f64::consts::{PI, TAU};
use std::fmt;
use std::ops::RangeInclusive;

use super::canonical::Form;
use super::unix_ms::UnixMs;
use super::words::Length;

mod event;
mod sun;

pub use event::Event;
use event::Height;
use sun::Sun;

const MINUTES_PER_DAY: f64 = 1440.0;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: f64 = 86_400_000.0;
/// 9999-12-30T22:00:00Z: no timing has later slots.
const LAST: UnixMs = UnixMs::from_secs(253_402_207_200);
/// Solar noon is less than this many days from noon on the clock: half an hour, minutes more than needed.
const MAX_EQUATION_DAYS: f64 = 0.5 / 24.0;
/// The sun's declination, and its height at noon, change by less than this in a day (0.4°).
const MAX_RADIANS_PER_DAY: f64 = 0.007;
/// Even at the poles, the sun passes every event's height below the horizon once a year.
const MAX_EVENTLESS_DAYS: f64 = 731.0;
/// The number of halvings until less than a millisecond of half a day is left.
const HALVINGS: usize = 26;

/// An event of the sun at a place, or a time before or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solar {
    event: Event,
    latitude: Degrees,
    longitude: Degrees,
    /// How long after the event; negative before it.
    offset_ms: i32,
}

impl Solar {
    /// Every offset is shorter than this: a day.
    pub const DAY_MS: i32 = 86_400_000;
    /// All latitudes, in degrees, north positive.
    pub const LATITUDES: RangeInclusive<f64> = -90.0..=90.0;
    /// All longitudes, in degrees, east positive.
    pub const LONGITUDES: RangeInclusive<f64> = -180.0..=180.0;

    /// Creates an event at a place, which is rounded to a millionth of a degree (11 cm); `None` if there is no
    /// such place.
    #[must_use]
    pub fn new(event: Event, latitude: f64, longitude: f64) -> Option<Solar> {
        let on_earth = Self::LATITUDES.contains(&latitude) && Self::LONGITUDES.contains(&longitude);
        on_earth.then(|| Solar {
            event,
            latitude: Degrees::nearest(latitude),
            longitude: Degrees::nearest(longitude),
            offset_ms: 0,
        })
    }

    /// The event moved by less than a day ([`Solar::DAY_MS`]), in milliseconds: back if it is negative.
    ///
    /// A slot is the moved instant, and belongs to the day that it then falls on. A day without the event has no
    /// slot of it. `None` if the offset is a day or longer.
    #[must_use]
    pub fn offset(self, offset_ms: i64) -> Option<Solar> {
        let offset_ms = i32::try_from(offset_ms).ok()?;
        (1 - Self::DAY_MS..Self::DAY_MS).contains(&offset_ms).then_some(Solar { offset_ms, ..self })
    }

    /// The first slot strictly later than `after`; `None` after year 9999. The event is at a whole minute.
    ///
    /// Days without the event are skipped: beyond the polar circles there may be months of them, and at the
    /// poles the sun rises once a year. There are no slots before 1970.
    #[must_use]
    pub fn next(&self, after: UnixMs) -> Option<UnixMs> {
        if after >= LAST {
            return None;
        }
        let offset_ms = i64::from(self.offset_ms);
        let event = self.next_event(UnixMs(after.0.max(-1) - offset_ms))?;
        Some(UnixMs(event.0 + offset_ms)).filter(|slot| *slot <= LAST)
    }

    fn next_event(&self, after: UnixMs) -> Option<UnixMs> {
        let place = Place::of(self);
        match self.event.height() {
            None => place.next_noon(after),
            Some(height) => place.next_crossing(&height, after),
        }
    }

    /// The event, the place in millionths of a degree, and the offset, if there is one. It has no zone, because
    /// the sun does not depend on one.
    pub(super) fn canonical(&self) -> String {
        let Solar { event, latitude, longitude, offset_ms } = self;
        let form = format!("solar {} {} {}", event.as_str(), latitude.0, longitude.0);
        if *offset_ms == 0 { form } else { format!("{form} {offset_ms}") }
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<Solar> {
        words.literal("solar")?;
        let word = words.next()?;
        let event = Event::ALL.into_iter().find(|event| event.as_str() == word)?;
        let (latitude, longitude): (i32, i32) = (words.parsed()?, words.parsed()?);
        let solar = Solar::new(event, f64::from(latitude) / 1e6, f64::from(longitude) / 1e6)?;
        // What follows otherwise is a word.
        match words.peek().and_then(|word| word.parse().ok()) {
            None => Some(solar),
            Some(offset_ms) => {
                words.next();
                solar.offset(offset_ms).filter(|_| offset_ms != 0)
            }
        }
    }

    /// Describes it in plain English: `at sunset at 37.57° N, 126.98° E`, `30 minutes before sunset at …`.
    #[must_use]
    pub fn describe(&self) -> String {
        let (latitude, longitude) = (self.latitude, self.longitude);
        let north = if latitude.0 < 0 { 'S' } else { 'N' };
        let east = if longitude.0 < 0 { 'W' } else { 'E' };
        let length = Length(i64::from(self.offset_ms.unsigned_abs()));
        let when = match self.offset_ms {
            0 => "at".to_owned(),
            ..0 => format!("{length} before"),
            1.. => format!("{length} after"),
        };
        format!("{when} {} at {latitude} {north}, {longitude} {east}", self.event.words())
    }
}

/// An angle in millionths of a degree, so that it has one text and can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Degrees(i32);

impl Degrees {
    fn nearest(degrees: f64) -> Degrees {
        Degrees((degrees * 1e6).round() as i32)
    }

    fn radians(self) -> f64 {
        (f64::from(self.0) / 1e6).to_radians()
    }
}

/// Without its sign: `37.57°`.
impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}°", f64::from(self.0.unsigned_abs()) / 1e6)
    }
}

/// The place from which the sun is seen. Times are days since the epoch.
struct Place {
    sin_latitude: f64,
    cos_latitude: f64,
    /// East of Greenwich, in turns.
    longitude: f64,
}

/// The sun at solar noon or midnight.
struct Culmination {
    time: f64,
    sun: Sun,
    /// The cosine of the hour angle: 1 at noon, -1 at midnight.
    side: f64,
}

impl Place {
    fn of(solar: &Solar) -> Place {
        let (sin_latitude, cos_latitude) = libm::sincos(solar.latitude.radians());
        Place { sin_latitude, cos_latitude, longitude: solar.longitude.radians() / TAU }
    }

    fn next_noon(&self, after: UnixMs) -> Option<UnixMs> {
        let first = self.half_day_of(after).div_euclid(2) * 2;
        let noons = (first..).step_by(2).map(|number| to_slot(self.culmination(number).time));
        noons.take(MAX_EVENTLESS_DAYS as usize).find(|slot| *slot > after)
    }

    fn next_crossing(&self, height: &Height, after: UnixMs) -> Option<UnixMs> {
        let mut number = self.half_day_of(after);
        let mut start = self.culmination(number);
        let last = start.time + MAX_EVENTLESS_DAYS;
        while start.time < last {
            let end = self.culmination(number + 1);
            let [before, then] = [&start, &end].map(|it| self.excess(&it.sun, it.side, height));
            if before < 0.0 && then >= 0.0 {
                let slot = to_slot(self.crossing(height, &start, &end));
                if slot > after {
                    return Some(slot);
                }
            }
            match eventless_days(before, then) {
                0 => (number, start) = (number + 1, end),
                days => {
                    number += 2 * days;
                    start = self.culmination(number);
                }
            }
        }
        None
    }

    /// The number of a half day before which none has slots later than `after`.
    fn half_day_of(&self, after: UnixMs) -> i64 {
        let day = after.0 as f64 / DAY_MS - MAX_EQUATION_DAYS;
        (2.0 * (day - 0.5 + self.longitude)).floor() as i64
    }

    /// The beginning of the half day of that number; even ones begin at noon.
    fn culmination(&self, number: i64) -> Culmination {
        let on_the_clock = number as f64 / 2.0 + 0.5 - self.longitude;
        // The equation of time changes by at most half a minute a day: the second guess is right to a
        // millisecond.
        let guess = on_the_clock - Sun::at(on_the_clock).equation;
        let sun = Sun::at(guess);
        let side = if number % 2 == 0 { 1.0 } else { -1.0 };
        Culmination { time: on_the_clock - sun.equation, sun, side }
    }

    /// How far the sine of the sun's height is beyond that of the event's.
    fn excess(&self, sun: &Sun, cos_hour_angle: f64, height: &Height) -> f64 {
        let sine = self.sin_latitude * sun.sin_declination
            + self.cos_latitude * sun.cos_declination() * cos_hour_angle;
        let excess = sine - libm::sin(height.of_the_centre(sun));
        if height.rises { excess } else { -excess }
    }

    /// When the sun passes the height between two culminations on different sides of it.
    fn crossing(&self, height: &Height, start: &Culmination, end: &Culmination) -> f64 {
        let (mut before, mut then) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let part = f64::midpoint(before, then);
            let sun = start.sun.interpolate(&end.sun, part);
            if self.excess(&sun, start.side * libm::cos(PI * part), height) < 0.0 {
                before = part;
            } else {
                then = part;
            }
        }
        start.time + (end.time - start.time) * then
    }
}

/// The number of days after two culminations with these excesses in which there is surely no event.
fn eventless_days(before: f64, then: f64) -> i64 {
    if before * then <= 0.0 {
        return 0;
    }
    (before.abs().min(then.abs()) / MAX_RADIANS_PER_DAY) as i64
}

/// Rounds to the nearest minute.
fn to_slot(time: f64) -> UnixMs {
    UnixMs((time * MINUTES_PER_DAY).round() as i64 * MINUTE_MS)
}

#[cfg(test)]
mod tests;
