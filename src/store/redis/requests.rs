//! Sends requests to the server one after the other over one connection.
//!
//! A task of its own holds the connection. Requests are sent in the order in which they are made, without
//! waiting for answers. If the server lacks a script, its requests are sent again in the same order.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::connect::Connection;
use super::failure::in_flight_error;
use super::link::Link;
use crate::address::RedisAddress;
use crate::store::contract::StoreError;
use crate::store::keep_alive::KeepAlive;

/// The longest time that a leader's connection is idle.
const MAX_IDLE: Duration = Duration::from_secs(2);

/// The sending end; clones share the connection, which closes with the last of them.
#[derive(Clone)]
pub(super) struct Requests {
    stage: Arc<Mutex<Stage>>,
}

enum Stage {
    /// No request has been made yet.
    New(Box<Option<Link>>),
    Running(mpsc::UnboundedSender<Job>),
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

enum Job {
    Ask(Request),
    /// Commands whose answers are ignored.
    FireAndForget(Box<Pipeline>),
    /// Whether to keep an idle connection alive.
    KeepAlive(bool),
    Reconnect,
}

struct Request {
    call: Arc<Cmd>,
    answer: Answer,
    /// Whether it can be sent again on a new connection, because twice does no harm.
    is_repeatable: bool,
    /// Whether it makes sense only on the current connection.
    is_bound: bool,
}

type Answer = oneshot::Sender<Result<Value, StoreError>>;

impl Requests {
    /// Creates the sending end; connects on the first request.
    pub(super) fn over(link: Link) -> Requests {
        Requests { stage: Arc::new(Mutex::new(Stage::New(Box::new(Some(link))))) }
    }

    fn post(&self, job: Job) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::New(link) = &mut *stage {
            let Some(link) = link.take() else { return };
            let (jobs, posted) = mpsc::unbounded_channel();
            tokio::spawn(ConnectionTask::new(link).run(posted));
            *stage = Stage::Running(jobs);
        }
        if let Stage::Running(jobs) = &*stage {
            // The task ends only with the last sender.
            let _ = jobs.send(job);
        }
    }

    /// Makes a request now; the caller may await the answer later, or drop it.
    pub(super) fn ask(
        &self,
        call: Cmd,
    ) -> impl Future<Output = Result<Value, StoreError>> + Send + 'static + use<> {
        self.make(call, false, false)
    }

    /// The same for a request that may be repeated: it is sent again if the connection is lost.
    pub(super) fn ask_repeatable(
        &self,
        call: Cmd,
    ) -> impl Future<Output = Result<Value, StoreError>> + Send + 'static + use<> {
        self.make(call, true, false)
    }

    /// The same for a request that refers to earlier answers: it is refused if their connection is lost.
    pub(super) fn ask_on_same_connection(
        &self,
        call: Cmd,
    ) -> impl Future<Output = Result<Value, StoreError>> + Send + 'static + use<> {
        self.make(call, false, true)
    }

    fn make(
        &self,
        call: Cmd,
        is_repeatable: bool,
        is_bound: bool,
    ) -> impl Future<Output = Result<Value, StoreError>> + Send + 'static + use<> {
        let (answer, answered) = oneshot::channel();
        self.post(Job::Ask(Request { call: Arc::new(call), answer, is_repeatable, is_bound }));
        async move {
            let ended = || StoreError::Unanswered("the connection to redis was lost".to_owned());
            answered.await.unwrap_or_else(|_| Err(ended()))
        }
    }

    /// Sends commands whose answers nobody needs, if there is a connection.
    pub(super) fn fire_and_forget(&self, pipeline: Pipeline) {
        if !pipeline.is_empty() {
            self.post(Job::FireAndForget(Box::new(pipeline)));
        }
    }

    /// Sets whether to keep an idle connection alive.
    pub(super) fn keep_alive(&self, alive: bool) {
        self.post(Job::KeepAlive(alive));
    }

    /// Makes the next request reconnect.
    pub(super) fn reconnect(&self) {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Running(jobs) = &*stage {
            let _ = jobs.send(Job::Reconnect);
        }
    }
}

/// A request that was sent but not answered yet.
struct Sent {
    /// `None`: a ping.
    request: Option<Request>,
    connection: Connection,
    reply: Reply,
    /// Whether this is its second attempt.
    is_repeated: bool,
}

enum Reply {
    Awaited(Pin<Box<dyn Future<Output = RedisResult<Value>> + Send>>),
    There(Option<RedisResult<Value>>),
}

impl Sent {
    /// Sends a request or a ping, after everything sent before.
    async fn send(request: Option<Request>, connection: Connection, is_repeated: bool) -> Sent {
        let ping = || Arc::new(redis::cmd("PING"));
        let call = request.as_ref().map_or_else(ping, |request| Arc::clone(&request.call));
        let mut over = connection.clone();
        let mut reply: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            let value = over.req_packed_command(&call).await;
            value.and_then(Value::extract_error)
        });
        let reply = match poll_fn(|context| Poll::Ready(reply.as_mut().poll(context))).await {
            Poll::Pending => Reply::Awaited(reply),
            Poll::Ready(value) => Reply::There(Some(value)),
        };
        Sent { request, connection, reply, is_repeated }
    }

    async fn reply(&mut self) -> RedisResult<Value> {
        match &mut self.reply {
            Reply::Awaited(reply) => reply.await,
            Reply::There(value) => value.take().unwrap_or(Ok(Value::Nil)),
        }
    }
}

/// The task that holds the connection.
struct ConnectionTask {
    link: Link,
    address: RedisAddress,
    sent: VecDeque<Sent>,
    keep_alive: KeepAlive<Instant>,
}

enum Event {
    Replied(RedisResult<Value>),
    Posted(Option<Job>),
    Idle,
}

impl ConnectionTask {
    fn new(link: Link) -> ConnectionTask {
        let address = link.address().clone();
        let sent = VecDeque::new();
        let keep_alive = KeepAlive::new(MAX_IDLE, Instant::now());
        ConnectionTask { link, address, sent, keep_alive }
    }

    async fn run(mut self, mut posted: mpsc::UnboundedReceiver<Job>) {
        let mut is_open = true;
        while is_open || !self.sent.is_empty() {
            let ping_at = self.ping_at();
            let event = tokio::select! {
                biased;
                reply = first(&mut self.sent) => Event::Replied(reply),
                job = posted.recv(), if is_open => Event::Posted(job),
                () = sleep_until_some(ping_at) => Event::Idle,
            };
            match event {
                Event::Replied(reply) => self.take(reply).await,
                Event::Posted(Some(job)) => self.carry_out(job, &mut posted).await,
                Event::Posted(None) => is_open = false,
                Event::Idle => self.ping().await,
            }
        }
    }

    fn ping_at(&self) -> Option<Instant> {
        let ping_at = self.keep_alive.ping_at(self.link.idle_timeout(), self.sent.len());
        ping_at.filter(|_| self.is_connected())
    }

    fn is_connected(&self) -> bool {
        self.link.current().is_some_and(|connection| !connection.is_closed())
    }

    async fn carry_out(&mut self, job: Job, posted: &mut mpsc::UnboundedReceiver<Job>) {
        match job {
            Job::Ask(request) if request.is_bound && !self.is_connected() => {
                let text = "the connection to redis was lost".to_owned();
                request.respond(Err(StoreError::Unavailable(text)));
            }
            Job::Ask(request) => match self.connect().await {
                Ok(connection) => {
                    self.keep_alive.on_sent(Instant::now());
                    self.sent.push_back(Sent::send(Some(request), connection, false).await);
                }
                Err(error) => {
                    request.respond(Err(error.clone()));
                    // Requests made meanwhile would wait as long, and fail as well.
                    while let Ok(job) = posted.try_recv() {
                        match job {
                            Job::Ask(request) => request.respond(Err(error.clone())),
                            Job::KeepAlive(alive) => self.keep_alive.set_wanted(alive),
                            Job::FireAndForget(_) | Job::Reconnect => {}
                        }
                    }
                }
            },
            Job::FireAndForget(pipeline) => {
                if let Some(mut connection) = self.link.current() {
                    // A refusal does not matter.
                    tokio::spawn(async move {
                        let _ = pipeline.query_async::<Value>(&mut connection).await;
                    });
                }
            }
            Job::KeepAlive(alive) => self.keep_alive.set_wanted(alive),
            Job::Reconnect => self.link.drop_connection(),
        }
    }

    async fn connect(&mut self) -> Result<Connection, StoreError> {
        if !self.is_connected() {
            self.link.drop_connection();
        }
        self.link.connection().await
    }

    async fn ping(&mut self) {
        self.keep_alive.on_sent(Instant::now());
        if let Some(connection) = self.link.current() {
            self.sent.push_back(Sent::send(None, connection, false).await);
        }
    }

    /// Handles the reply to the oldest request.
    async fn take(&mut self, reply: RedisResult<Value>) {
        let Some(sent) = self.sent.pop_front() else { return };
        let Sent { request, mut connection, is_repeated, .. } = sent;
        let error = match reply {
            Ok(value) => {
                if let Some(request) = request {
                    request.respond(Ok(value));
                }
                return;
            }
            Err(error) => error,
        };
        if is_transport(&error) && self.link.is_over(&connection) {
            self.link.drop_connection();
        }
        let Some(request) = request else { return };
        let has_no_script = error.kind() == ErrorKind::Server(ServerErrorKind::NoScript);
        let was_cut = is_transport(&error) && !error.is_timeout();
        if has_no_script && !is_repeated && Link::load_scripts(&mut connection).await.is_ok() {
            self.sent.push_back(Sent::send(Some(request), connection, true).await);
        } else if was_cut && request.is_repeatable && !is_repeated {
            match self.connect().await {
                Ok(connection) => {
                    self.sent.push_back(Sent::send(Some(request), connection, true).await);
                }
                Err(error) => request.respond(Err(error)),
            }
        } else {
            request.respond(Err(in_flight_error(error, &self.address)));
        }
    }
}

impl Request {
    fn respond(self, result: Result<Value, StoreError>) {
        // The caller may have given up.
        let _ = self.answer.send(result);
    }
}

/// Sleeps until `at`; forever without one.
async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The reply to the oldest request; pending forever if there is none.
async fn first(sent: &mut VecDeque<Sent>) -> RedisResult<Value> {
    match sent.front_mut() {
        Some(sent) => sent.reply().await,
        None => std::future::pending().await,
    }
}

/// Whether the error means that the connection is unusable.
fn is_transport(error: &RedisError) -> bool {
    !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}
