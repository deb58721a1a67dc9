//! The settings of the service, which every command takes.

use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::candidates;
use crate::address::Secret;
use crate::config::{Caller, Overrides};

/// Settings of the service; they override the environment (`DOWNBEAT_…`) and the file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings, for every command")]
pub struct ServiceFlags {
    /// Configuration file [default: /etc/downbeat/downbeat.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Broker: redis://…, rediss://…, sentinel://…, unix:///…, amqp://…, amqps://…
    /// or spool:PATH
    #[arg(long, global = true, value_name = "URL")]
    pub broker: Option<Secret>,
    /// File with the broker's URL, which keeps a password off the command line
    #[arg(long, global = true, value_name = "FILE")]
    pub broker_file: Option<PathBuf>,
    /// Redis for leases and records, if the broker is AMQP
    #[arg(long, global = true, value_name = "URL")]
    pub state: Option<Secret>,
    /// CA certificates to trust, or the servers' own [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Only certificates to accept from a host: HOST=sha256:…,HOST=sha256:…
    #[arg(long, global = true, value_name = "PINS")]
    pub tls_pin: Option<String>,
    /// Schedule file, or folder of schedule files; can be repeated
    #[arg(long, global = true, value_name = "PATH")]
    pub schedules: Vec<PathBuf>,
    /// Namespace, one for each scheduler on a broker [default: downbeat]
    #[arg(long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The shadow run, which sends nothing: `run` starts it, other commands ask it
    #[arg(long, global = true)]
    pub shadow: bool,
    /// How long a lease lasts without renewal [default: 6s]
    #[arg(long, global = true, value_name = "LENGTH")]
    pub leader_ttl: Option<String>,
    /// How late a slot still counts as on time [default: 15s, or 2 × TTL + 3s]
    #[arg(long, global = true, value_name = "LENGTH")]
    pub grace: Option<String>,
    /// Folder for the accepted schedule files and the spool
    #[arg(long, global = true, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// Folder for the control socket
    #[arg(long, global = true, value_name = "PATH")]
    pub runtime_dir: Option<PathBuf>,
    /// Address for health and metrics, such as 127.0.0.1:9632; or a port
    /// [default: $PORT, else none]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// Log format: text, logfmt or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT", add = ArgValueCandidates::new(candidates::log_formats))]
    pub log_format: Option<String>,
    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL", add = ArgValueCandidates::new(candidates::log_levels))]
    pub log_level: Option<String>,
}

impl ServiceFlags {
    /// These settings, for a service or a command.
    #[must_use]
    pub fn overrides(self, caller: Caller) -> Overrides {
        Overrides {
            config: self.config,
            broker: self.broker,
            broker_file: self.broker_file,
            state: self.state,
            tls_ca: self.tls_ca,
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            tls_pin: self.tls_pin,
            schedules: self.schedules,
            namespace: self.namespace,
            shadow: self.shadow,
            leader_ttl: self.leader_ttl,
            grace: self.grace,
            state_dir: self.state_dir,
            runtime_dir: self.runtime_dir,
            http: self.http,
            log_format: self.log_format,
            log_level: self.log_level,
            caller,
        }
    }
}
