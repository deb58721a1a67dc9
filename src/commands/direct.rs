//! A broker as a command sees it, without a running service.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure, usable_broker};
use crate::broker::redis::RedisBroker;
use crate::broker::spool::Spool;
use crate::broker::{Broker as _, BrokerError, Outgoing, Publish};
use crate::config::{Broker, ServiceConfig};
use crate::schedule::progress::State;

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) enum Direct {
    Redis(Box<RedisBroker>),
    Spool(PathBuf),
}

impl Direct {
    /// The broker that the service would use.
    pub(super) fn open(service: &ServiceConfig) -> Result<Direct, Failure> {
        match usable_broker(service, Exit::Usage)? {
            Broker::Redis(url) => {
                let broker = RedisBroker::new(url.expose(), &service.namespace, PATIENCE);
                let broker = broker.map_err(Failure::usage)?;
                Ok(Direct::Redis(Box::new(broker)))
            }
            Broker::Spool(path) => Ok(Direct::Spool(path)),
        }
    }

    pub(super) async fn read(&mut self) -> Result<State, Failure> {
        match self {
            Direct::Redis(broker) => broker.read().await.map_err(unreachable),
            Direct::Spool(path) => {
                Spool::peek(path).map_err(|error| Failure::new(Exit::Unreachable, error))
            }
        }
    }
}

impl Publish for Direct {
    async fn publish(&mut self, message: Outgoing) -> Result<(), BrokerError> {
        match self {
            Direct::Redis(broker) => broker.publish(message).await,
            Direct::Spool(path) => Ok(Spool::drop_in(path, &message)?),
        }
    }
}

pub(super) fn unreachable(error: BrokerError) -> Failure {
    Failure::new(Exit::Unreachable, format!("no service runs here, and the broker says: {error}"))
}
