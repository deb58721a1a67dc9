//! The lease of Redis as a store that keeps nothing else.

use std::future::{self, Future};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::lock::{self, Lock};
use crate::store::BrokerError;
use crate::store::contract::{
    Acquire, Acquired, Announced, Announcement, Batch, Capabilities, Counters, Fold, History,
    HistoryQuery, Intend, ManualMessage, Register, Renewed, Reply, Sent, Settle, Snapshot, Store,
    StoreError, Trim, Trimmed,
};

/// A lock for a campaign.
#[derive(Debug)]
pub struct LockStore(Arc<Mutex<Lock>>);

impl From<Lock> for LockStore {
    fn from(lock: Lock) -> LockStore {
        LockStore(Arc::new(Mutex::new(lock)))
    }
}

impl From<BrokerError> for StoreError {
    fn from(error: BrokerError) -> StoreError {
        match error {
            BrokerError::Unavailable(text) => StoreError::Unavailable(text),
            BrokerError::Unusable(text) => StoreError::Unusable(text),
        }
    }
}

macro_rules! keeps_nothing {
    ($($name:ident($($request:ty)?) -> $answer:ty;)+) => {$(
        fn $name(
            &mut self
            $(, _: $request)?
        ) -> impl Future<Output = Result<$answer, StoreError>> + Send + 'static {
            future::ready(Err(StoreError::Unusable("this keeps a lease only".to_owned())))
        }
    )+};
}

impl Store for LockStore {
    const CAPABILITIES: Capabilities =
        Capabilities { shared: true, sees_results: false, folds_itself: false };

    keeps_nothing! {
        read() -> Snapshot;
        register(Register) -> Reply;
        dispatch(Batch) -> Reply;
        intend(Intend) -> Reply;
        settle(Settle) -> Reply;
        fold(Fold) -> Reply;
        trim(Trim) -> Trimmed;
        send(ManualMessage) -> Sent;
        history(HistoryQuery) -> History;
        counters() -> Counters;
    }

    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static {
        let lock = Arc::clone(&self.0);
        async move {
            let (attempt, now) =
                lock.lock().await.acquire(&request.holder, request.even_unmarked).await?;
            Ok(match attempt {
                lock::Attempt::Acquired(lease) => Acquired::Ours { lease, now },
                lock::Attempt::Held(lease, left) => Acquired::Held { lease, left, now },
                lock::Attempt::Unmarked => Acquired::Unmarked { now },
            })
        }
    }

    fn renew(
        &mut self,
        lease: Arc<str>,
        _: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static {
        let lock = Arc::clone(&self.0);
        async move {
            let (kept, now) = lock.lock().await.renew(&lease).await?;
            Ok(Renewed { kept, now })
        }
    }

    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let lock = Arc::clone(&self.0);
        async move { Ok(lock.lock().await.resign(&lease).await?) }
    }

    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        _: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static {
        let lock = Arc::clone(&self.0);
        async move {
            let replicas = lock.lock().await.announce(&replica, &said).await?;
            let read = |(replica, said)| Announcement { replica, said, ..Announcement::default() };
            let replicas: Vec<_> = replicas.into_iter().map(read).collect();
            Ok(Announced { count: replicas.len(), replicas })
        }
    }

    fn resigned(&mut self) -> impl Future<Output = ()> + Send {
        let lock = Arc::clone(&self.0);
        async move { lock.lock().await.resigned().await }
    }

    fn reconnect(&mut self) {}
}
