//! When schedules fire: cron, recurrence rules, intervals, instants and the sun, in any time zone.
//!
//! A [`Timing`] says when something is to happen, such as "at 02:30 on weekdays" or "at sunset in Seoul". The
//! instants at which it fires are its *slots*. This crate reads timings from text, finds their slots and puts them
//! into words:
//!
//! ```
//! use downbeat_time::cron::Cron;
//! use downbeat_time::{Timing, UnixMs, Zone};
//!
//! let timing = Timing::Cron(Cron::parse("0 9 * * mon-fri")?.cron);
//! assert_eq!(timing.describe(&Zone::utc()), "at 09:00 on Monday to Friday");
//!
//! let friday_noon = UnixMs::from("2026-11-20T12:00:00Z".parse::<jiff::Timestamp>()?);
//! let monday = timing.next(&Zone::utc(), friday_noon);
//! assert_eq!(monday.map(|slot| slot.to_string()).as_deref(), Some("2026-11-23T09:00:00Z"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Kinds of timings
//!
//! | kind | its slots |
//! | --- | --- |
//! | [`Cron`](cron::Cron) | a crontab line, or the arguments of Celery's `crontab(…)` |
//! | [`Quartz`](cron::Quartz) | a Quartz line, with seconds and years |
//! | [`Union`] | several cron or Quartz lines, one slot an instant |
//! | [`Rrule`](rrule::Rrule) | a recurrence rule of RFC 5545 (iCalendar) |
//! | [`Interval`](interval::Interval) | equal intervals of real time |
//! | [`Instants`] | instants listed one by one |
//! | [`Solar`](solar::Solar) | an event of the sun at a place |
//!
//! [`Bounds`] narrow a timing: to a first and a last instant, and to days and hours that are not excluded
//! ([`Except`]). A slot whose day is excluded may [`Move`] to another one. [`Slots`] are those of a timing within its
//! bounds.
//!
//! # Clock changes
//!
//! Cron, Quartz and recurrence rules name *readings* of a zone's clock. Twice a year many clocks skip an hour of
//! readings or show one twice. One rule covers every kind:
//!
//! - A reading fires once: the first time that the clock shows it. If the clock skips it, it fires right after
//!   the gap. Readings that fall on one instant make one slot.
//! - A cron or Quartz expression is a *wildcard* if its minute or hour (or second) begins with `*`. It fires
//!   whenever the clock shows a matching reading: again in a repeated hour, and not in a gap.
//! - A clock that is set forward by more than three hours has moved to another zone or over the date line. What
//!   it skipped is dropped.
//!
//! [`ClockChange`] says which change affects a slot. If it moved the slot over midnight, the date that the timing
//! names counts for [`Except`], and [`Origin`] has it. Intervals, instants and the sun follow real time, so no
//! clock change moves them.
//!
//! # Time and zone rules are arguments
//!
//! No function reads a clock, a file or the system's zone; `.clippy.toml` denies it. A [`Zone`] is made of the
//! rules that you pass, from the system's files or from a crate that bundles them, so you decide how current they
//! are. Every answer depends on its arguments alone: any two machines with the same rules agree on every slot,
//! including those of the sun.
//!
//! # Limits
//!
//! Slots of readings and of the sun lie between 1970 and the end of year 9999. Before 1970 a zone has the offset
//! with which it begins that year. Time has no leap seconds. Quartz lines and recurrence rules go down to the
//! second, intervals to the millisecond ([`MIN_PERIOD`](interval::MIN_PERIOD) is the shortest).
//!
//! A text that is not understood in full is refused. The error says where the mistake is and what to write
//! instead.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod cron;
pub mod interval;
pub mod rrule;
pub mod solar;

#[cfg(any(test, feature = "proptest"))]
pub mod arbitrary;

mod bounds;
mod calendar;
mod canonical;
mod clock_change;
mod except;
mod instants;
mod moved;
mod origin;
mod search;
mod slots;
mod spelling;
mod timing;
mod token;
mod union;
mod unix_ms;
mod utc;
mod wall;
mod words;
mod zone;

pub use bounds::Bounds;
pub use canonical::{FindZone, StoredTiming};
pub use clock_change::ClockChange;
pub use except::{Days, Except};
pub use instants::Instants;
pub use moved::{MAX_MOVE_DAYS, Move};
pub use origin::{Moment, Origin};
pub use slots::Slots;
pub use spelling::{nearest, wrong_letters};
pub use timing::Timing;
pub use union::Union;
pub use unix_ms::UnixMs;
pub use utc::UtcText;
pub use zone::Zone;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
