//! A broker as a command sees it, without a running service.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure, usable_broker};
use crate::broker::amqp::Amqp;
use crate::broker::redis::RedisBroker;
use crate::broker::spool::Spool;
use crate::broker::{Broker as _, BrokerError, Parcel, Publish};
use crate::config::{Broker, ServiceConfig};
use crate::schedule::progress::State;

const PATIENCE: Duration = Duration::from_secs(5);

/// The broker that holds the state, and all AMQP brokers beside it.
pub(super) struct Direct {
    pub(super) store: Store,
    pub(super) amqp: Amqp,
}

pub(super) enum Store {
    Redis(Box<RedisBroker>),
    Spool(PathBuf),
}

impl Direct {
    /// The broker that the service would use.
    pub(super) fn open(service: &ServiceConfig) -> Result<Direct, Failure> {
        let store = match usable_broker(service, Exit::Usage)? {
            Broker::Redis(url) => {
                let broker = RedisBroker::new(&url, &service.tls, &service.namespace, PATIENCE);
                Store::Redis(Box::new(broker))
            }
            Broker::Spool(path) => Store::Spool(path),
        };
        Ok(Direct { store, amqp: Amqp::new(PATIENCE, &service.tls) })
    }

    pub(super) async fn read(&mut self) -> Result<State, Failure> {
        match &mut self.store {
            Store::Redis(broker) => broker.read().await.map_err(unreachable),
            Store::Spool(path) => {
                Spool::peek(path).map_err(|error| Failure::new(Exit::Unreachable, error))
            }
        }
    }
}

impl Publish for Direct {
    async fn publish(&mut self, message: Parcel) -> Result<(), BrokerError> {
        match (&mut self.store, message) {
            (_, message @ Parcel::Amqp(..)) => self.amqp.publish(message).await,
            (Store::Redis(broker), message) => broker.publish(message).await,
            (Store::Spool(path), Parcel::Store(message)) => Ok(Spool::drop_in(path, &message)?),
        }
    }
}

pub(super) fn unreachable(error: BrokerError) -> Failure {
    Failure::new(Exit::Unreachable, format!("no service runs here, and the broker says: {error}"))
}
