//! The brokers as others than the service's loop see them, over connections of their own.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure, named_broker};
use crate::carrier::amqp::Amqp;
use crate::config::{Broker, ServiceConfig};
use crate::schedule::legacy::State;
use crate::store::redis::RedisBroker;
use crate::store::spool::Spool;
use crate::store::{Broker as _, BrokerError, Parcel, Publish};

const PATIENCE: Duration = Duration::from_secs(5);

/// The broker that holds the state, and all AMQP brokers beside it.
pub(super) struct Direct {
    /// What `store` is, if anything names it.
    pub(super) broker: Option<Broker>,
    pub(super) store: Store,
    pub(super) amqp: Amqp,
}

pub(super) enum Store {
    Redis(Box<RedisBroker>),
    Spool(PathBuf),
    /// For what sends nothing.
    Nowhere,
}

impl Direct {
    /// The broker that the service would use.
    pub(super) fn open(service: &ServiceConfig) -> Result<Direct, Failure> {
        let broker = named_broker(service)?;
        let store = match &broker {
            Broker::Redis(url) => {
                let broker = RedisBroker::new(url, &service.tls, &service.namespace, PATIENCE);
                Store::Redis(Box::new(broker))
            }
            Broker::Spool(path) => Store::Spool(path.clone()),
        };
        let amqp = Amqp::new(PATIENCE, &service.tls);
        Ok(Direct { broker: Some(broker), store, amqp })
    }

    /// The same for what sends nothing if it is a `dry_run`, so that it goes without a broker.
    pub(super) fn open_unless(dry_run: bool, service: &ServiceConfig) -> Result<Direct, Failure> {
        match Direct::open(service) {
            Err(_) if dry_run && service.broker.is_none() => Ok(Direct {
                broker: None,
                store: Store::Nowhere,
                amqp: Amqp::new(PATIENCE, &service.tls),
            }),
            opened => opened,
        }
    }

    pub(super) async fn read(&mut self) -> Result<State, Failure> {
        match &mut self.store {
            Store::Redis(broker) => broker.read().await.map_err(unreachable),
            Store::Spool(path) => {
                Spool::peek(path).map_err(|error| Failure::new(Exit::Unreachable, error))
            }
            Store::Nowhere => Ok(State::default()),
        }
    }
}

impl Publish for Direct {
    async fn publish(&mut self, message: Parcel) -> Result<(), BrokerError> {
        match (&mut self.store, message) {
            (_, message @ Parcel::Amqp(..)) => self.amqp.publish(message).await,
            (Store::Redis(broker), message) => broker.publish(message).await,
            (Store::Spool(path), Parcel::Store(message)) => Ok(Spool::drop_in(path, &message)?),
            (Store::Nowhere, _) => Err(BrokerError::Unusable("no broker is named".to_owned())),
        }
    }
}

pub(super) fn unreachable(error: BrokerError) -> Failure {
    Failure::new(Exit::Unreachable, format!("no service runs here, and the broker says: {error}"))
}
