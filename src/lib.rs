//! downbeat publishes each due slot of a YAML schedule exactly once to a task queue.
//!
//! - [`text`]: YAML and JSON with places, and problems that say what is wrong, and where; pure.
//! - [`config`]: schedule files and settings in, checked values or every problem out.
//! - [`schedule`]: entries, their slots, and the planner that says what is due; pure. The crate
//!   [`downbeat_time`] says when a timing fires.
//! - [`tzdata`]: zone rules, from the newer of the system's and the bundled ones.
//! - [`worker`]: queues and messages, with a folder for each kind of worker: what it takes and reports; pure.
//! - [`address`]: broker addresses, parsed once; no password is shown.
//! - [`store`]: where messages and records go, in one step: Redis, or a spool of files.
//! - [`carrier`]: brokers that take messages and keep no records: AMQP.
//! - [`tls`]: which certificates to trust for brokers.
//! - [`leader`]: the lease by which one of any number of replicas leads.
//! - [`core`]: decides what the leader does next, given what has happened; pure.
//! - [`render`]: a slot as the message and the record that are sent together.
//! - [`service`]: the loop that waits for events and does what the core decides.
//! - `refused`: why a request of a person or a program was not carried out.
//! - [`manual`]: messages that somebody requests, on the same path.
//! - [`pausing`]: pauses and resumes entries on request.
//! - [`compare`]: what another scheduler sent beside what a shadow run recorded; pure.
//! - [`cli`]: the command line as types, its help, and completions.
//! - [`commands`], [`control`]: what commands do and print, and how they reach the service.
//! - `import`: schedules of other schedulers as schedule files, and the proof that they mean the same.
//! - [`http`]: health, status and metrics, off the path of every task.
//! - `ownership`: who owns a directory, and who else may write to it.
//! - `regular_file`: opens files that another user may have put there.
//! - [`mask`], [`escape`]: hide passwords, and show hidden characters, in texts that leave the process.
//! - [`clock`], [`signals`], [`supervisor`], [`watch`], [`telemetry`], [`host`]: the edges of the
//!   process.
//!
//! The path of one task:
//!
//! ```text
//! schedule files ─ config ─► Schedule ─ Planner::plan(now) ─► items ─ render ─► writes
//!                               ▲ reload                                         │ one script:
//!                                                                                ▼ fence? new? push, record
//!                           leader's lease ──────────────────────────────►  queue ─► worker
//! ```

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod address;
pub mod carrier;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod compare;
pub mod config;
pub mod control;
pub mod core;
pub mod escape;
pub mod host;
pub mod http;
mod import;
pub mod leader;
pub mod manual;
pub mod mask;
mod ownership;
pub mod pausing;
mod pending;
mod refused;
mod regular_file;
pub mod render;
pub mod schedule;
pub mod service;
pub mod signals;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod text;
pub mod tls;
pub mod tzdata;
pub mod watch;
pub mod worker;

#[cfg(test)]
mod simulation;
