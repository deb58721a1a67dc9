//! The settings of the command line.

use std::path::PathBuf;

use crate::address::Secret;

/// The settings of the command line; `None` for an absent flag.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--broker`
    pub broker: Option<Secret>,
    /// `--broker-file`
    pub broker_file: Option<PathBuf>,
    /// `--state`
    pub state: Option<Secret>,
    /// `--tls-ca`
    pub tls_ca: Option<PathBuf>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--tls-pin`
    pub tls_pin: Option<String>,
    /// `--schedules`, once for each use.
    pub schedules: Vec<PathBuf>,
    /// `--namespace`
    pub namespace: Option<String>,
    /// `--shadow`
    pub shadow: bool,
    /// `--leader-ttl`
    pub leader_ttl: Option<String>,
    /// `--grace`
    pub grace: Option<String>,
    /// `--http`
    pub http: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--runtime-dir`
    pub runtime_dir: Option<PathBuf>,
    /// Who reads the configuration.
    pub caller: Caller,
}

/// Who reads the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// The service itself.
    #[default]
    Service,
    /// A command outside the service: a secret that only the service may read is not a problem, and the
    /// command looks for the credentials that systemd passes to the service.
    Command,
}
