//! downbeat against the programs it works with: one module a subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod acl;
mod amqp;
mod bullmq;
mod celery_crontab;
mod celery_golden;
mod celery_solar;
mod celery_worker;
mod clocks;
mod commands;
mod containers;
mod dispatch_script;
mod dramatiq;
mod failover;
mod flower;
mod fresh_clone;
mod fuzz;
mod guards;
mod hosts;
mod http;
mod init_script;
mod logs;
mod neighbours;
mod overlap;
mod package;
mod peek;
mod plain;
mod python_repr;
mod release;
mod reload;
mod rq;
mod rrule_dateutil;
mod schedules_on_workers;
mod schema;
mod secrets;
mod sentinel;
mod sidekiq;
mod spool;
mod supervised;
mod support;
mod support_itself;
mod systemd;
mod templates;
mod three_kinds;
mod tls;
