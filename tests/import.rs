//! `downbeat import`: schedules of other schedulers.

mod redis_stores;
