//! `--shadow`: keeps everything of a shadow run apart from the service that sends, which may use the same
//! configuration on the same machine.

use super::broker::Broker;
use super::service_config::ServiceConfig;

/// Ends the namespaces of shadow runs, and no others.
pub(super) const SUFFIX: &str = "-shadow";
/// The runtime directory of the system's shadow run.
pub(super) const RUNTIME: &str = "/run/downbeat/shadow";
/// The name of its directories, which are within those of the service.
const DIRECTORY: &str = "shadow";

/// The configuration of the shadow run beside this service.
pub(super) fn of(service: ServiceConfig) -> ServiceConfig {
    ServiceConfig {
        namespace: format!("{}{SUFFIX}", service.namespace),
        state_dir: service.state_dir.join(DIRECTORY),
        runtime_dir: service.runtime_dir.join(DIRECTORY),
        broker: service.broker.map(records),
        shadow: true,
        ..service
    }
}

/// Where the shadow run keeps its records. A spool has one user at a time, so it has a spool of its own.
fn records(broker: Broker) -> Broker {
    match broker {
        Broker::Redis(address) => Broker::Redis(address),
        Broker::Spool(path) => Broker::Spool(path.join(DIRECTORY)),
    }
}
