//! downbeat publishes each due slot of a YAML schedule exactly once to a task queue.

pub mod config;
pub mod envelope;
pub mod schedule;
pub mod tzdata;
