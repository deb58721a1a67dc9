//! Sends manual messages, each in its own task, so that the loop waits for none. The task requests the
//! store's part from the loop.

use tokio::sync::{mpsc, oneshot};

use super::{Service, status};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::core::Event;
use crate::manual::{self, Backfill, Backfilled, ManualStore, Publisher, Trigger, Triggered};
use crate::pausing::PauseStatus;
use crate::refused::Refused;
use crate::schedule::Schedule;
use crate::store::contract::{
    BackfillNote, ManualMessage, ManualNote, Noted, OpenBackfill, PausesRead, Sent, Store,
    StoreError,
};

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A request of such a task to the loop.
pub(super) enum ManualRequest {
    /// Send a message through the store.
    Send(Box<ManualMessage>, Answer<Sent>),
    /// Record the outcome of a message in the store.
    Note(Box<ManualNote>, Answer<Noted>),
    /// Record the state of a backfill in the store.
    NoteBackfill(Box<BackfillNote>, Answer<Option<OpenBackfill>>),
    /// Read the pauses.
    Pauses(Answer<PausesRead>),
    /// The task has finished.
    Done,
}

/// The loop's store, as seen by a task.
struct LoopStore(mpsc::UnboundedSender<ManualRequest>);

impl LoopStore {
    async fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> ManualRequest,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(request(answer));
        let stopped = |_| StoreError::Unanswered("the service has stopped".to_owned());
        answered.await.map_err(stopped)?
    }
}

impl LoopStore {
    /// The pause of an entry; manual messages are sent during it all the same.
    async fn pause_of(&self, schedule: &Schedule, entry: &str) -> Option<PauseStatus> {
        let read = super::in_time(self.ask(ManualRequest::Pauses)).await?;
        status::pause_of(schedule.get(entry)?, &read.to_pauses(), read.now)
    }
}

impl ManualStore for LoopStore {
    async fn send(&mut self, message: ManualMessage) -> Result<Sent, StoreError> {
        self.ask(|answer| ManualRequest::Send(Box::new(message), answer)).await
    }

    async fn note(&mut self, note: ManualNote) -> Result<Noted, StoreError> {
        self.ask(|answer| ManualRequest::Note(Box::new(note), answer)).await
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        self.ask(|answer| ManualRequest::NoteBackfill(Box::new(note), answer)).await
    }
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    pub(super) fn trigger(
        &mut self,
        asked: Box<Trigger>,
        answer: oneshot::Sender<Result<Triggered, Refused>>,
    ) {
        let (carrier, to_loop) = (self.carrier.clone(), self.to_manual.clone());
        let (renderer, schedule) = (self.renderer.clone(), self.scheduler.schedule().clone());
        let (broker, now) = (self.settings.broker.clone(), self.clock.now());
        self.manual_tasks += 1;
        tokio::spawn(async move {
            let mut store = LoopStore(to_loop);
            let mut publisher = Publisher { store: &mut store, carrier };
            let done =
                manual::trigger(&mut publisher, Some(&broker), &renderer, &schedule, &asked, now);
            let done = done.await;
            let paused = store.pause_of(&schedule, &asked.entry).await;
            let _ = store.0.send(ManualRequest::Done);
            let _ = answer.send(done.map(|done| Triggered { paused, ..done }));
        });
    }

    pub(super) fn backfill(
        &mut self,
        asked: Box<Backfill>,
        answer: oneshot::Sender<Result<Backfilled, Refused>>,
    ) {
        let (carrier, to_loop) = (self.carrier.clone(), self.to_manual.clone());
        let (renderer, schedule) = (self.renderer.clone(), self.scheduler.schedule().clone());
        let (broker, now) = (self.settings.broker.clone(), self.clock.now());
        self.manual_tasks += 1;
        tokio::spawn(async move {
            let mut store = LoopStore(to_loop);
            let mut publisher = Publisher { store: &mut store, carrier };
            let done =
                manual::backfill(&mut publisher, Some(&broker), &renderer, &schedule, &asked, now);
            let done = done.await;
            let paused = store.pause_of(&schedule, &asked.entry).await;
            let _ = store.0.send(ManualRequest::Done);
            let _ = answer.send(done.map(|done| Backfilled { paused, ..done }));
        });
    }

    /// Passes the request to the store; the loop does not wait for the response.
    pub(super) fn on_manual(&mut self, request: ManualRequest) -> Option<Event> {
        match request {
            ManualRequest::Send(message, answer) => {
                let sent = self.store.send(*message);
                tokio::spawn(async move { answer.send(sent.await) });
            }
            ManualRequest::Note(note, answer) => {
                let noted = self.store.note(*note);
                tokio::spawn(async move { answer.send(noted.await) });
            }
            ManualRequest::NoteBackfill(note, answer) => {
                let noted = self.store.note_backfill(*note);
                tokio::spawn(async move { answer.send(noted.await) });
            }
            ManualRequest::Pauses(answer) => {
                let read = self.store.pauses();
                tokio::spawn(async move { answer.send(read.await) });
            }
            ManualRequest::Done => {
                self.manual_tasks -= 1;
                return Some(Event::CountersMoved);
            }
        }
        None
    }
}
