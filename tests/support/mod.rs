//! The programs that tests run against, each started fresh and ended by its own process id.

#![allow(dead_code, reason = "a toolbox: not every test needs every tool")]

pub(crate) mod beat;
pub(crate) mod celery;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod container;
pub(crate) mod downbeat;
pub(crate) mod http;
pub(crate) mod kind;
pub(crate) mod lines;
pub(crate) mod machine;
pub(crate) mod manager;
pub(crate) mod preload;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rabbitmq;
pub(crate) mod random;
pub(crate) mod recorded;
pub(crate) mod redis;
pub(crate) mod replica;
pub(crate) mod rq;
pub(crate) mod sent;
pub(crate) mod sentinels;
pub(crate) mod sources;
pub(crate) mod spool;
pub(crate) mod tools;
pub(crate) mod wait;
pub(crate) mod worker;
