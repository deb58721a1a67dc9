//! Loads the service configuration: flags override the environment, which overrides the file.
//!
//! An environment variable that is set but empty counts as unset. Relative paths in the file are
//! relative to the file's directory, all others to the working directory.

mod broker;
mod directories;
mod environment;
mod exposure;
mod grace;
mod history;
mod http;
mod keys;
mod log;
mod namespace;
mod overrides;
mod pins;
mod queues;
mod refusal;
mod schedules;
mod service_config;
mod shadow;
mod shown;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
mod unit;

pub use broker::Broker;
pub use environment::check as check_environment;
pub use log::LogFormat;
pub use overrides::{Caller, Overrides};
pub use service_config::{DEFAULT_FILE, ServiceConfig};
pub use shown::Identity;
pub use sources::SettingSource;
