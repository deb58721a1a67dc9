//! The store on a Redis server.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::batch::{self, Context};
use super::counted::CountedQueues;
use super::keys::Keys;
use super::lease::{self, Sightings};
use super::link::Link;
use super::listener::Listener;
use super::notify::{QueueUpkeep, events};
use super::reading::{self, Source};
use super::requests::Requests;
use super::{history, inspect, lua, pauses, reply, writing};
use crate::address::RedisAddress;
use crate::schedule::TaskIds;
use crate::store::contract::{
    Acquire, Acquired, Announced, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold,
    History, HistoryQuery, Intend, MAX_ANNOUNCEMENT, MAX_REPLICAS, ManualMessage, ManualNote,
    Noted, OpenBackfill, PausesChanged, PausesRead, PrunePauses, Register, Renewed, Reply, Sent,
    Settle, Snapshot, Store, StoreError, Trim, Trimmed,
};
use crate::store::text::MAX_LEASE;
use crate::store::{Outgoing, open_backfills};
use crate::tls::Tls;

/// The maximum number of unread resignations kept: with this many, there is reason enough to ask for the lease.
const MAX_RESIGNATIONS: usize = 16;
/// The size of a probe's arguments.
const PROBE_BYTES: usize = 64 * 1024;

/// Lease, journal, controls and queues of one namespace on one Redis server.
///
/// Lease requests have a connection of their own, so that no batch delays them.
#[derive(Debug)]
pub struct RedisStore {
    pub(super) source: Source,
    lease: Source,
    /// A connection for changes of pauses only: it may have to wait for another server.
    pauses: Source,
    ids: TaskIds,
    pub(super) database: i64,
    counted: CountedQueues,
    /// The queues that the last read found among the counters.
    counted_before: Arc<Mutex<Option<CountedQueues>>>,
    upkeep: QueueUpkeep,
    inspected: Arc<Mutex<bool>>,
    resigned: mpsc::Receiver<Arc<str>>,
    sightings: Sightings,
    /// Where the next read of the replicas continues.
    replicas_from: Arc<Mutex<String>>,
}

impl RedisStore {
    /// Creates the store; it connects on the first request. A request takes at most about `timeout`, twice that
    /// if it has to connect, and three times that with Sentinels.
    #[must_use]
    pub fn new(
        address: &RedisAddress,
        tls: &Tls,
        namespace: &str,
        timeout: Duration,
    ) -> RedisStore {
        let keys = Keys::new(namespace);
        let (listener, resigned) = Listener::channel(MAX_RESIGNATIONS, MAX_LEASE);
        let over = |link| Source { requests: Requests::over(link), keys: keys.clone() };
        let link = || Link::new(address, tls, timeout);
        RedisStore {
            source: over(link()),
            lease: over(link().listen(&[keys.resigned()], listener)),
            pauses: over(link()),
            ids: TaskIds::new(namespace),
            database: address.database.into(),
            counted: CountedQueues::default(),
            counted_before: Arc::default(),
            upkeep: QueueUpkeep::default(),
            inspected: Arc::default(),
            resigned,
            sightings: Arc::default(),
            replicas_from: Arc::new(Mutex::new("0".to_owned())),
        }
    }

    /// What the calls of a request share.
    fn context(&mut self) -> Context<'_> {
        if let Some(counted) = lock(&self.counted_before).take() {
            self.counted = counted;
        }
        Context {
            keys: &self.source.keys,
            ids: self.ids,
            database: self.database,
            counted: &mut self.counted,
        }
    }

    /// Sends a fenced write other than a dispatch.
    fn write(
        &self,
        call: redis::Cmd,
        next: u64,
        items: usize,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static + use<> {
        let requests = self.source.requests.clone();
        requests.keep_alive(true);
        let answer = requests.ask(call);
        async move {
            let items: Vec<usize> = (0..items).collect();
            let item = |number: i64| {
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                index.and_then(|index| items.get(index..=index)).unwrap_or_default()
            };
            let reply = reply::fenced(answer.await?, next, item);
            follow(&reply, &requests);
            reply
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes idle connections once the caller no longer leads.
fn follow(reply: &Result<Reply, StoreError>, requests: &Requests) {
    if matches!(reply, Ok(Reply::Fenced)) {
        requests.keep_alive(false);
    }
}

impl Store for RedisStore {
    const CAPABILITIES: Capabilities =
        Capabilities { shared: true, sees_results: true, folds_itself: false };

    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static {
        self.upkeep.forget_declarations();
        let source = self.source.clone();
        let (inspected, counted) = (Arc::clone(&self.inspected), Arc::clone(&self.counted_before));
        async move {
            if !std::mem::replace(&mut *lock(&inspected), true) {
                // An ACL may forbid INFO; then there are no warnings.
                let info = source.requests.ask_repeatable(redis::cmd("INFO")).await;
                let info = info.ok().and_then(|info| reply::text(&info)).unwrap_or_default();
                for warning in inspect::warnings(&info) {
                    tracing::warn!(%warning, "found a setting of Redis that can lose messages");
                }
            }
            let snapshot = reading::snapshot(&source).await?;
            let known = reading::counted_queues(&source).await?;
            *lock(&counted) = Some(known);
            Ok(snapshot)
        }
    }

    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let call = writing::register(&mut self.context(), &request);
        self.write(call, request.fence.next, 0)
    }

    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let (call, layout) = batch::dispatch(&mut self.context(), &request);
        let requests = self.source.requests.clone();
        requests.keep_alive(true);
        let answer = requests.ask(call);
        let messages = request.writes.iter().filter_map(|write| write.message.as_ref());
        self.upkeep.maintain(messages.map(|message| &message.queue), &requests);
        let (database, next) = (self.database, request.fence.next);
        // The call holds copies of the messages: their memory is reused for the next batch.
        let with_events = request.writes.into_iter().enumerate().filter_map(|(item, write)| {
            let Outgoing { queue, event, .. } = write.message?;
            Some((item, queue, event?))
        });
        let with_events: Vec<_> = with_events.collect();
        async move {
            let reply = reply::fenced(answer.await?, next, |number| layout.items(number));
            follow(&reply, &requests);
            if let Ok(Reply::Written { exceptions, .. }) = &reply {
                let is_sent = |item| exceptions.binary_search_by_key(&item, |(at, _)| *at).is_err();
                let sent = with_events.iter().filter(|(item, ..)| is_sent(*item));
                let sent = sent.map(|(_, queue, event)| (&**queue, &**event));
                requests.fire_and_forget(events(sent, database));
            }
            reply
        }
    }

    fn intend(
        &mut self,
        request: Intend,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let call = writing::intend(&mut self.context(), &request);
        self.write(call, request.fence.next, request.slots.len())
    }

    fn settle(
        &mut self,
        request: Settle,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let call = writing::settle(&mut self.context(), &request);
        self.write(call, request.fence.next, 0)
    }

    fn fold(
        &mut self,
        request: Fold,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let call = writing::fold(&self.context(), &request);
        self.write(call, request.fence.next, 0)
    }

    fn trim(
        &mut self,
        request: Trim,
    ) -> impl Future<Output = Result<Trimmed, StoreError>> + Send + 'static {
        let source = self.source.clone();
        async move { history::trim(&source, &request).await }
    }

    fn send(
        &mut self,
        request: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send + 'static {
        let call = writing::send(&mut self.context(), &request);
        let requests = self.source.requests.clone();
        self.upkeep.maintain([&request.message.queue].into_iter(), &requests);
        let (answer, database) = (requests.ask(call), self.database);
        async move {
            let fields = reply::list(answer.await?)?;
            let said = fields.first().and_then(reply::text);
            match (said.as_deref(), &fields[..]) {
                (Some("sent"), _) => {
                    if let Some(event) = &request.message.event {
                        let queue = &*request.message.queue;
                        requests.fire_and_forget(events([(queue, &**event)], database));
                        // A command that sends a message may end right after it.
                        let _ = requests.ask(redis::cmd("PING")).await;
                    }
                    Ok(Sent::Now)
                }
                (Some("already"), _) => Ok(Sent::Already),
                (Some("other"), [_, _, of]) => Ok(Sent::Other(reply::run_of(of)?)),
                (Some("refused"), [_, _, why]) => {
                    let why = reply::text(why).ok_or_else(reply::unexpected_answer)?;
                    Ok(Sent::Refused(reply::refusal(why)))
                }
                _ => Err(reply::unexpected_answer()),
            }
        }
    }

    fn note(
        &mut self,
        note: ManualNote,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send + 'static {
        let call = writing::note(&mut self.context(), &note);
        let answer = self.source.requests.ask(call);
        async move {
            let fields = reply::list(answer.await?)?;
            let said = fields.first().and_then(reply::text);
            match (said.as_deref(), &fields[..]) {
                (Some("noted"), _) => Ok(Noted::Now),
                (Some("already"), _) => Ok(Noted::Already),
                (Some("busy"), _) => Ok(Noted::Busy),
                (Some("other"), [_, of]) => Ok(Noted::Other(reply::run_of(of)?)),
                _ => Err(reply::unexpected_answer()),
            }
        }
    }

    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send + 'static {
        let call = writing::note_backfill(&self.source.keys, &note);
        let answer = self.source.requests.ask_repeatable(call);
        async move {
            let other = reply::text(&answer.await?).ok_or_else(reply::unexpected_answer)?;
            Ok(open_backfills::read_line(&other).map(|(_, backfill)| backfill))
        }
    }

    fn history(
        &mut self,
        query: HistoryQuery,
    ) -> impl Future<Output = Result<History, StoreError>> + Send + 'static {
        let source = self.source.clone();
        async move { history::history(&source, &query).await }
    }

    fn pauses(&mut self) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static {
        pauses::read(self.source.clone())
    }

    fn change_pauses(
        &mut self,
        request: ChangePauses,
    ) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static {
        pauses::change(&self.pauses, &request)
    }

    fn prune_pauses(
        &mut self,
        request: PrunePauses,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static {
        pauses::prune(&self.source, &request)
    }

    fn open_intents(
        &mut self,
        entries: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, StoreError>> + Send + 'static {
        let source = self.source.clone();
        async move { pauses::open_intents(&source, entries).await }
    }

    fn counters(&mut self) -> impl Future<Output = Result<Counters, StoreError>> + Send + 'static {
        let source = self.source.clone();
        async move { reading::counters(&source).await }
    }

    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static {
        lease::acquire(self.lease.clone(), Arc::clone(&self.sightings), request)
    }

    fn renew(
        &mut self,
        lease: Arc<str>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static {
        let mut call = lua::call(&lua::RENEW, &[self.lease.keys.lease()]);
        call.arg(&*lease).arg(lease::ms(ttl));
        let answer = self.lease.requests.ask_repeatable(call);
        async move { lease::renewed(answer.await?) }
    }

    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.source.requests.keep_alive(false);
        let keys = [self.lease.keys.lease(), self.lease.keys.resigned()];
        let mut call = lua::call(&lua::RESIGN, &keys);
        call.arg(&*lease);
        let answer = self.lease.requests.ask(call);
        async move { answer.await.map(drop) }
    }

    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static {
        let from = Arc::clone(&self.replicas_from);
        let mut call = lua::call(&lua::ANNOUNCE, &[self.lease.keys.replicas()]);
        call.arg(&*replica).arg(said).arg(lease::ms(forgotten_after)).arg(&*lock(&from));
        call.arg(MAX_REPLICAS).arg(MAX_ANNOUNCEMENT);
        let answer = self.lease.requests.ask_repeatable(call);
        async move {
            let (announced, next) = lease::announced(answer.await?)?;
            *lock(&from) = next;
            Ok(announced)
        }
    }

    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let mut call = lua::large_call(&lua::PROBE, &[], PROBE_BYTES);
        call.arg(vec![b' '; PROBE_BYTES]);
        let answer = self.source.requests.ask(call);
        async move { answer.await.map(drop) }
    }

    async fn resigned(&mut self) -> Arc<str> {
        match self.resigned.recv().await {
            Some(lease) => lease,
            None => std::future::pending().await,
        }
    }

    fn reconnect(&mut self) {
        self.source.requests.reconnect();
    }
}
