//! Sends requests to the store and others, and matches their responses.

use std::future::Future;

use tokio::sync::oneshot;

use super::detail::EntryDetail;
use super::status::{EntryStatus, Status};
use crate::core::{Answer, Delivery, Request, RequestId};
use crate::pending::Pending;
use crate::refused::Refused;
use crate::store::contract::{Counters, PausesRead, Snapshot, Store, StoreError};

/// A response, and what requested it.
pub(super) enum Done {
    /// For the scheduler.
    Answered(RequestId, Result<Answer, StoreError>),
    /// From a carrier.
    Published(RequestId, Vec<Delivery>),
    /// For a request of the status.
    Counted(Option<Counters>, Option<PausesRead>, oneshot::Sender<Status>),
    /// For a request of all entries.
    Listed(Option<Snapshot>, Option<PausesRead>, oneshot::Sender<Vec<EntryStatus>>),
    /// For a request of one entry.
    Detailed(
        Option<Snapshot>,
        Option<PausesRead>,
        String,
        oneshot::Sender<Result<Box<EntryDetail>, Refused>>,
    ),
    /// For the loop, after a pause or resume on this replica.
    Paused(Option<PausesRead>),
}

/// Sends the scheduler's request to the store.
pub(super) fn ask(
    pending: &mut Pending<Done>,
    store: &mut impl Store,
    id: RequestId,
    request: Request,
) {
    match request {
        Request::Read => add(pending, id, store.read(), |it| Answer::Snapshot(Box::new(it))),
        Request::Counters => add(pending, id, store.counters(), Answer::Counters),
        Request::History(query) => add(pending, id, store.history(query), Answer::History),
        Request::Register(request) => add(pending, id, store.register(request), Answer::Reply),
        Request::Dispatch(batch) => add(pending, id, store.dispatch(batch), Answer::Reply),
        Request::Intend(request) => add(pending, id, store.intend(request), Answer::Reply),
        Request::Settle(request) => add(pending, id, store.settle(request), Answer::Reply),
        Request::Fold(request) => add(pending, id, store.fold(request), Answer::Reply),
        Request::Trim(request) => add(pending, id, store.trim(request), Answer::Trimmed),
        Request::Pauses => add(pending, id, store.pauses(), Answer::Pauses),
        Request::PrunePauses(request) => {
            add(pending, id, store.prune_pauses(request), Answer::Pruned);
        }
    }
}

fn add<T: Send + 'static>(
    pending: &mut Pending<Done>,
    id: RequestId,
    answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    read: impl FnOnce(T) -> Answer + Send + 'static,
) {
    pending.push(async move { Done::Answered(id, answer.await.map(read)) });
}
