//! Accesses the brokers without the service's loop, over separate connections.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure, named_broker};
use crate::carrier::Amqp;
use crate::clock;
use crate::config::{Broker, ServiceConfig};
use crate::manual::{Delivery, ManualPublish, Publish, Publisher};
use crate::pausing::PauseStatus;
use crate::schedule::Schedule;
use crate::schedule::progress::State;
use crate::service::status;
use crate::store::contract::{BackfillNote, OpenBackfill, PausesRead, Store as _, StoreError};
use crate::store::redis::RedisStore;
use crate::store::spool::{SpoolError, SpoolStore};

const TIMEOUT: Duration = Duration::from_secs(5);

/// The store and all carriers.
pub(super) struct Direct {
    /// The broker behind `store`, if any is named.
    pub(super) broker: Option<Broker>,
    pub(super) store: Store,
    pub(super) amqp: Amqp,
    namespace: String,
}

pub(super) enum Store {
    Redis(Box<RedisStore>),
    Spool(Spool),
    /// For commands that send nothing.
    Nowhere,
}

pub(super) struct Spool {
    pub(super) path: PathBuf,
    opened: Option<SpoolStore>,
}

impl Direct {
    /// Opens the broker that the service would use.
    pub(super) fn open(service: &ServiceConfig) -> Result<Direct, Failure> {
        let broker = named_broker(service)?;
        let store = match &broker {
            Broker::Redis(url) => {
                let store = RedisStore::new(url, &service.tls, &service.namespace, TIMEOUT);
                Store::Redis(Box::new(store))
            }
            Broker::Spool(path) => Store::Spool(Spool { path: path.clone(), opened: None }),
        };
        let amqp = Amqp::new(TIMEOUT, &service.tls);
        Ok(Direct { broker: Some(broker), store, amqp, namespace: service.namespace.clone() })
    }

    /// Opens the broker; for a `dry_run`, which sends nothing, none is needed.
    pub(super) fn open_unless(dry_run: bool, service: &ServiceConfig) -> Result<Direct, Failure> {
        match Direct::open(service) {
            Err(_) if dry_run && service.broker.is_none() => Ok(Direct {
                broker: None,
                store: Store::Nowhere,
                amqp: Amqp::new(TIMEOUT, &service.tls),
                namespace: service.namespace.clone(),
            }),
            opened => opened,
        }
    }

    pub(super) async fn read(&mut self, grace: Duration) -> Result<State, Failure> {
        match &mut self.store {
            Store::Redis(redis) => {
                let mut snapshot = redis.read().await.map_err(of_broker)?;
                Ok(snapshot.take_state(grace))
            }
            Store::Spool(spool) => {
                let snapshot = SpoolStore::peek(&spool.path, &self.namespace, clock::wall());
                let failed = |error| Failure::new(Exit::Unreachable, error);
                Ok(snapshot.map_err(failed)?.take_state(grace))
            }
            Store::Nowhere => Ok(State::default()),
        }
    }
}

impl Direct {
    /// All pauses.
    pub(super) async fn pauses(&mut self) -> Result<PausesRead, Failure> {
        match &mut self.store {
            Store::Redis(redis) => redis.pauses().await.map_err(of_broker),
            Store::Spool(spool) => {
                SpoolStore::peek_pauses(&spool.path, &self.namespace, clock::wall())
                    .map_err(|error| Failure::new(Exit::Unreachable, error))
            }
            Store::Nowhere => Ok(PausesRead::default()),
        }
    }

    /// The pause of an entry, as far as it can be read.
    pub(super) async fn pause_of(
        &mut self,
        schedule: &Schedule,
        entry: &str,
    ) -> Option<PauseStatus> {
        let read = self.pauses().await.ok()?;
        status::pause_of(schedule.get(entry)?, &read.to_pauses(), read.now)
    }
}

impl Publish for Direct {
    async fn publish(&mut self, message: ManualPublish) -> Delivery {
        let carrier = self.amqp.clone();
        match &mut self.store {
            Store::Redis(redis) => {
                Publisher { store: &mut **redis, carrier }.publish(message).await
            }
            Store::Spool(spool) => match spool.open(&self.namespace) {
                Ok(store) => Publisher { store, carrier }.publish(message).await,
                Err(error) => Delivery::Unreachable(error.to_string()),
            },
            Store::Nowhere => Delivery::Unreachable("no broker is configured".to_owned()),
        }
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        match &mut self.store {
            Store::Redis(redis) => redis.note_backfill(note).await,
            Store::Spool(spool) => spool.open(&self.namespace)?.note_backfill(note).await,
            Store::Nowhere => Ok(None),
        }
    }
}

impl Spool {
    /// Takes the spool's lock and keeps it, so that no service uses the spool meanwhile.
    pub(super) fn open(&mut self, namespace: &str) -> Result<&mut SpoolStore, SpoolError> {
        if self.opened.is_none() {
            self.opened = Some(SpoolStore::open_for_command(&self.path, namespace)?);
        }
        self.opened.as_mut().ok_or_else(|| SpoolError::Locked(self.path.clone()))
    }
}

/// The failure of a broker, without a running service.
pub(super) fn of_broker(error: StoreError) -> Failure {
    Failure::of_store(&error, format!("no service runs here, and the broker says: {error}"))
}
