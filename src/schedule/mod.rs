//! Entries, and which of their slots are due. Pure: nothing here reads a clock, a file or a socket.
//!
//! When a timing fires is computed by [`downbeat_time`].

pub mod delay;
pub mod entry;
pub mod forecast;
pub mod kind;
pub mod outcome;
pub mod pause;
pub mod planner;
pub mod progress;
pub mod registration;
pub mod task_id;
pub mod template;

pub use entry::{CatchUp, Entry, Guards, Schedule};
pub use forecast::Forecast;
pub use kind::Kind;
pub use planner::Planner;
pub use task_id::TaskIds;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod sample;
