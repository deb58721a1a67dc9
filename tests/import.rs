//! `downbeat import`: schedules of other schedulers, and the proof that they mean the same.

mod celery_stores;
mod projects;
mod stored;
