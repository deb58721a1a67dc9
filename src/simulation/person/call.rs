//! A call in progress: the code that sends manual messages, with requests that wait for the simulated store and
//! carrier.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::sync::{mpsc, oneshot};

use crate::carrier::{Carrier, CarrierError, PublishOutcome};
use crate::manual::{
    Backfill, Backfilled, ManualStore, Publisher, Refused, Trigger, Triggered, backfill, trigger,
};
use crate::render::Renderer;
use crate::schedule::Schedule;
use crate::store::contract::{
    BackfillNote, ManualMessage, ManualNote, Noted, OpenBackfill, Sent, StoreError,
};
use crate::worker::{Publication, Queue};

/// What a call asks for, one after the other.
#[derive(Clone)]
pub(super) enum Request {
    Send(ManualMessage),
    Note(ManualNote),
    NoteBackfill(BackfillNote),
    Publish(Arc<Queue>, Vec<Publication>),
    Pause(Duration),
}

/// The reply to it.
pub(super) enum Reply {
    Sent(Sent),
    Noted(Noted),
    NotedBackfill(Option<OpenBackfill>),
    Published(Vec<PublishOutcome>),
    Paused,
}

pub(super) type Answer = Result<Reply, StoreError>;

/// What a call is made for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Backfill(Backfill),
    Trigger(Trigger),
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Done {
    Backfill(Result<Backfilled, Refused>),
    Trigger(Result<Triggered, Refused>),
}

/// What follows when a call goes on.
pub(super) enum Turn {
    Asks(Request),
    Ends(Done),
}

/// One call.
pub(super) struct Call {
    future: Pin<Box<dyn Future<Output = Done>>>,
    requests: mpsc::UnboundedReceiver<(Request, oneshot::Sender<Answer>)>,
    awaited: Option<oneshot::Sender<Answer>>,
}

impl Call {
    pub(super) fn new(
        asked: Asked,
        renderer: Renderer,
        schedule: Arc<Schedule>,
        now: UnixMs,
    ) -> Call {
        let (sender, requests) = mpsc::unbounded_channel();
        let future = async move {
            let carrier = Link(sender);
            let mut store = carrier.clone();
            let mut publisher = Publisher { store: &mut store, carrier };
            match asked {
                Asked::Backfill(asked) => Done::Backfill(
                    backfill(&mut publisher, None, &renderer, &schedule, &asked, now).await,
                ),
                Asked::Trigger(asked) => Done::Trigger(
                    trigger(&mut publisher, None, &renderer, &schedule, &asked, now).await,
                ),
            }
        };
        Call { future: Box::pin(future), requests, awaited: None }
    }

    /// Goes on: at first without an answer, then with the answer to the last request.
    pub(super) fn go_on(&mut self, answer: Option<Answer>) -> Turn {
        if let Some((awaited, answer)) = self.awaited.take().zip(answer) {
            let _ = awaited.send(answer);
        }
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Turn::Ends(done),
            Poll::Pending => {
                let (request, awaited) = self.requests.try_recv().expect("it waits for an answer");
                self.awaited = Some(awaited);
                Turn::Asks(request)
            }
        }
    }
}

/// The store and the carrier, as a call sees them.
#[derive(Clone)]
struct Link(mpsc::UnboundedSender<(Request, oneshot::Sender<Answer>)>);

impl Link {
    async fn ask(&self, request: Request) -> Answer {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send((request, sender));
        answer.await.expect("a call that goes on gets an answer")
    }
}

const OF_ITS_KIND: &str = "the answer is to the request";

impl ManualStore for Link {
    async fn send(&mut self, message: ManualMessage) -> Result<Sent, StoreError> {
        let Reply::Sent(sent) = self.ask(Request::Send(message)).await? else {
            unreachable!("{OF_ITS_KIND}")
        };
        Ok(sent)
    }

    async fn note(&mut self, note: ManualNote) -> Result<Noted, StoreError> {
        let Reply::Noted(noted) = self.ask(Request::Note(note)).await? else {
            unreachable!("{OF_ITS_KIND}")
        };
        Ok(noted)
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        let Reply::NotedBackfill(other) = self.ask(Request::NoteBackfill(note)).await? else {
            unreachable!("{OF_ITS_KIND}")
        };
        Ok(other)
    }

    async fn pause(&mut self, length: Duration) {
        let _ = self.ask(Request::Pause(length)).await;
    }
}

impl Carrier for Link {
    async fn publish_all(
        &self,
        queue: &Queue,
        messages: &[Publication],
        _: impl Fn() -> bool + Send,
    ) -> Vec<PublishOutcome> {
        let request = Request::Publish(Arc::new(queue.clone()), messages.to_vec());
        let Ok(Reply::Published(outcomes)) = self.ask(request).await else {
            unreachable!("{OF_ITS_KIND}")
        };
        outcomes
    }

    async fn count_waiting(&self, _: &Queue) -> Result<u64, CarrierError> {
        unreachable!("manual messages pass no guards")
    }
}
