//! What is due when. Pure: nothing here reads a clock, a file or a socket.

pub mod bounds;
mod calendar;
pub mod canonical;
mod clock_change;
pub mod cron;
pub mod delay;
pub mod entry;
pub mod except;
pub mod forecast;
pub mod instants;
pub mod interval;
pub mod kind;
pub mod outcome;
pub mod pause;
pub mod planner;
pub mod progress;
pub mod registration;
pub mod rrule;
pub mod solar;
pub mod task_id;
pub mod template;
pub mod timing;
mod token;
pub mod unix_ms;
pub(crate) mod utc;
mod wall;
mod words;
pub mod zone;

pub use clock_change::ClockChange;
pub use entry::{CatchUp, Entry, Guards, Message, Schedule};
pub use forecast::Forecast;
pub use instants::Instants;
pub use kind::Kind;
pub use planner::Planner;
pub use solar::Solar;
pub use task_id::TaskIds;
pub use timing::Timing;
pub use unix_ms::UnixMs;
pub use zone::Zone;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod sample;
