//! One AMQP broker: a connection that is opened on demand, and a channel per queue.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::error::{CallError, LinkError};
use super::tls::OverTls;
use super::{Missing, Names, properties};
use crate::address::{AmqpAddress, Login};
use crate::tls::Tls;
use crate::worker::celery::event;
use crate::worker::{AmqpQueue, Queue};

/// The pause after a failed attempt to connect: otherwise queues that share a broker would each wait in turn.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// The heartbeat in seconds: longer silence counts as the connection's end.
const HEARTBEAT: u16 = 10;

/// A queue's channel, while there is one.
pub(super) type Line = Mutex<Option<Channel>>;

pub(super) struct Link {
    address: Arc<AmqpAddress>,
    tls: Arc<Tls>,
    deadline: Duration,
    state: Mutex<State>,
    /// By queue name.
    lines: PlainMutex<HashMap<Arc<str>, Arc<Line>>>,
}

/// Shows the address without the password.
impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// When the last attempt to connect failed, and why.
    failed: Option<(Instant, LinkError)>,
    /// Exchanges that were found over this connection.
    exchanges: HashSet<Box<str>>,
}

impl Link {
    pub(super) fn new(address: &Arc<AmqpAddress>, tls: &Arc<Tls>, deadline: Duration) -> Link {
        let (state, lines) = (Mutex::default(), PlainMutex::default());
        let (address, tls) = (Arc::clone(address), Arc::clone(tls));
        Link { address, tls, deadline, state, lines }
    }

    /// The queue's line; a publisher holds its lock.
    pub(super) fn line(&self, queue: &Queue) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lines.entry(Arc::clone(&queue.name)).or_default())
    }

    /// Opens the line's channel with confirms, unless it is open, and declares what is to be declared.
    pub(super) async fn open(
        &self,
        queue: &Queue,
        amqp: &AmqpQueue,
        line: &mut Option<Channel>,
    ) -> Result<Channel, LinkError> {
        if let Some(channel) = line.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        *line = None;
        let channel = self.new_channel().await?;
        self.in_time(async {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            if amqp.declare { declare(&channel, queue, amqp).await } else { Ok(()) }
        })
        .await?;
        Ok(line.insert(channel).clone())
    }

    /// The number of messages in the queue of that name.
    pub(super) async fn count(&self, queue: &str) -> Result<u32, LinkError> {
        let channel = self.new_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), options, FieldTable::default());
        let count = self.in_time(found).await?.message_count();
        self.in_time(channel.close(200, "".into())).await?;
        Ok(count)
    }

    /// Returns which of these exchanges are missing. Publishing to a missing exchange closes the channel, and
    /// leaves the outcome of everything else on it uncertain.
    pub(super) async fn missing(&self, exchanges: Names<'_>) -> Result<Missing, LinkError> {
        let mut missing = Missing::new();
        for exchange in exchanges.into_iter().filter(|exchange| !exchange.is_empty()) {
            self.connect().await?;
            if self.state.lock().await.exchanges.contains(exchange) {
                continue;
            }
            let channel = self.new_channel().await?;
            let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let (kind, none) = (ExchangeKind::Direct, FieldTable::default());
            let found = channel.exchange_declare(exchange.into(), kind, options, none);
            match self.in_time(found).await {
                Ok(()) => {
                    self.in_time(channel.close(200, "".into())).await?;
                    self.state.lock().await.exchanges.insert(exchange.into());
                }
                Err(error) => {
                    missing.insert(exchange.into(), error.to_string());
                }
            }
        }
        Ok(missing)
    }

    /// Publishes events for Celery's consumers, if the exchange that they declare exists. Failures are ignored.
    pub(super) async fn publish_events(&self, events: impl Iterator<Item = &[u8]>) {
        let mut channel = None;
        for event in events {
            if channel.is_none() {
                let missing = self.missing([event::EXCHANGE].into()).await;
                if missing.map_or(true, |missing| !missing.is_empty()) {
                    return;
                }
                channel = self.new_channel().await.ok();
            }
            let Some(channel) = &channel else { return };
            let (exchange, key) = (event::EXCHANGE.into(), event::ROUTING_KEY.into());
            let options = BasicPublishOptions::default();
            let output =
                channel.basic_publish(exchange, key, options, event, properties::of_event());
            if self.in_time(async { output.await.map(drop) }).await.is_err() {
                return;
            }
        }
        if let Some(channel) = channel {
            let _ = self.in_time(channel.close(200, "".into())).await;
        }
    }

    /// Drops the connection after a late answer: it may be dead.
    pub(super) async fn drop_connection(&self) {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.take() {
            // Not awaited: it may never be answered.
            let close = async move { connection.close(200, "".into()).await };
            tokio::spawn(timeout(self.deadline, close));
        }
        state.exchanges.clear();
    }

    async fn new_channel(&self) -> Result<Channel, LinkError> {
        self.connect().await?;
        let state = self.state.lock().await;
        let connection = state.connection.as_ref().ok_or(CallError::TimedOut)?;
        Ok(self.in_time(connection.create_channel()).await?)
    }

    /// Opens the connection if there is none.
    pub(super) async fn connect(&self) -> Result<(), LinkError> {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|connection| connection.status().connected()) {
            return Ok(());
        }
        if let Some((at, error)) = &state.failed
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        *state = State::default();
        match self.open_connection().await {
            Ok(connection) => {
                state.connection = Some(connection);
                Ok(())
            }
            Err(error) => {
                let error = LinkError::connecting(&self.address, error);
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open_connection(&self) -> Result<Connection, CallError> {
        self.in_time(self.connection()?).await
    }

    fn connection(
        &self,
    ) -> Result<impl Future<Output = Result<Connection, lapin::Error>> + Send, CallError> {
        let uri = uri(&self.address);
        let properties = ConnectionProperties::default().with_connection_name("downbeat".into());
        let over_tls = match self.address.tls {
            true => {
                let connector = self.tls.connector(&self.address.host);
                Some(OverTls::to(connector.map_err(|error| CallError::Tls(Arc::new(error)))?))
            }
            false => None,
        };
        Ok(async move {
            match over_tls {
                None => Connection::connect_uri(uri, properties).await,
                Some(kit) => {
                    Connection::connect_uri_with_runtime(uri, properties, kit.into()).await
                }
            }
        })
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<T, CallError> {
        let done = timeout(self.deadline, call).await.map_err(|_| CallError::TimedOut)?;
        done.map_err(|error| CallError::amqp(error, self.address.tls))
    }
}

/// Declares what Celery's own producer declares.
async fn declare(channel: &Channel, queue: &Queue, amqp: &AmqpQueue) -> Result<(), lapin::Error> {
    let name = &*queue.name;
    let exchange = amqp.exchange.as_deref().unwrap_or(name);
    let key = amqp.routing_key.as_deref().unwrap_or(name);
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::default;
    channel.exchange_declare(exchange.into(), ExchangeKind::Direct, durable, none()).await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), durable, none()).await?;
    let bind = QueueBindOptions::default();
    channel.queue_bind(name.into(), exchange.into(), key.into(), bind, none()).await
}

/// The address in the client library's form, without TLS: the streams that it gets are already encrypted.
fn uri(address: &AmqpAddress) -> AMQPUri {
    let AmqpAddress { host, login, virtual_host, tls: _ } = address;
    let guest = || ("guest".to_owned(), "guest".to_owned());
    let named = |Login { user, password }: &Login| {
        (user.clone().unwrap_or_else(|| "guest".to_owned()), password.expose().to_owned())
    };
    let (username, password) = login.as_ref().map_or_else(guest, named);
    let userinfo = AMQPUserInfo { username, password };
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo, host: host.host().to_owned(), port: host.port() },
        vhost: virtual_host.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..Default::default() },
    }
}
