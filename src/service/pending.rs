//! What store and carriers were asked and have not answered.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::detail::EntryDetail;
use super::status::{EntryStatus, Status};
use crate::core::{Answer, Delivery, Request, RequestId};
use crate::manual::Refused;
use crate::store::contract::{Counters, PausesRead, Snapshot, Store, StoreError};

/// Answers on their way. They are few, so all are looked at together.
#[derive(Default)]
pub(super) struct Pending {
    waiting: Vec<Pin<Box<dyn Future<Output = Done> + Send>>>,
    done: VecDeque<Done>,
}

/// An answer, and whose.
pub(super) enum Done {
    /// The scheduler's.
    Answered(RequestId, Result<Answer, StoreError>),
    /// A carrier's.
    Published(RequestId, Vec<Delivery>),
    /// Of somebody who wants the status.
    Counted(Option<Counters>, Option<PausesRead>, oneshot::Sender<Status>),
    /// Of somebody who wants to know of all entries.
    Listed(Option<Snapshot>, Option<PausesRead>, oneshot::Sender<Vec<EntryStatus>>),
    /// Of somebody who wants to know of one.
    Detailed(
        Option<Snapshot>,
        Option<PausesRead>,
        String,
        oneshot::Sender<Result<Box<EntryDetail>, Refused>>,
    ),
    /// Of the loop, as somebody has paused or resumed here.
    Paused(Option<PausesRead>),
}

impl Pending {
    /// Asks the store on the scheduler's behalf.
    pub(super) fn ask(&mut self, store: &mut impl Store, id: RequestId, request: Request) {
        match request {
            Request::Read => self.add(id, store.read(), |it| Answer::Snapshot(Box::new(it))),
            Request::Counters => self.add(id, store.counters(), Answer::Counters),
            Request::History(query) => self.add(id, store.history(query), Answer::History),
            Request::Register(request) => self.add(id, store.register(request), Answer::Reply),
            Request::Dispatch(batch) => self.add(id, store.dispatch(batch), Answer::Reply),
            Request::Intend(request) => self.add(id, store.intend(request), Answer::Reply),
            Request::Settle(request) => self.add(id, store.settle(request), Answer::Reply),
            Request::Fold(request) => self.add(id, store.fold(request), Answer::Reply),
            Request::Trim(request) => self.add(id, store.trim(request), Answer::Trimmed),
            Request::Pauses => self.add(id, store.pauses(), Answer::Pauses),
            Request::PrunePauses(request) => {
                self.add(id, store.prune_pauses(request), Answer::Pruned);
            }
        }
    }

    fn add<T: Send + 'static>(
        &mut self,
        id: RequestId,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        read: impl FnOnce(T) -> Answer + Send + 'static,
    ) {
        self.push(async move { Done::Answered(id, answer.await.map(read)) });
    }

    /// Waits for one more answer.
    pub(super) fn push(&mut self, done: impl Future<Output = Done> + Send + 'static) {
        self.waiting.push(Box::pin(done));
    }

    fn look(&mut self, context: &mut Context<'_>) {
        let done = &mut self.done;
        self.waiting.retain_mut(|waiting| match waiting.as_mut().poll(context) {
            Poll::Ready(answer) => {
                done.push_back(answer);
                false
            }
            Poll::Pending => true,
        });
    }

    /// Sends off what was asked, without waiting for an answer.
    pub(super) async fn send_off(&mut self) {
        poll_fn(|context| {
            self.look(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits for the next answer. Nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> Done {
        poll_fn(|context| {
            if self.done.is_empty() {
                self.look(context);
            }
            self.done.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
