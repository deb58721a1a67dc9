//! A runtime for the AMQP client whose TCP streams speak TLS.
//!
//! The client library's own TLS would bring forty crates for a format of key files that nobody here
//! uses, and would trust the system's authorities beside the configured ones.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::{Compat, CompatExt as _};
use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Tokio, but for streams to one server.
#[derive(Clone, Debug)]
pub(super) struct OverTls {
    tokio: Tokio,
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl OverTls {
    /// Streams that end at `host`, whose certificate must be for that name.
    pub(super) fn to(host: &str, config: Arc<ClientConfig>) -> Result<OverTls, String> {
        let server = ServerName::try_from(host.to_owned());
        let server = server.map_err(|_| format!("`{host}` is not the name of a host"))?;
        Ok(OverTls { tokio: Tokio::current(), config, server })
    }
}

impl RuntimeKit for OverTls {}

impl Executor for OverTls {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, work: F) -> T {
        self.tokio.block_on(work)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn(work)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn_blocking(work)
    }
}

impl Reactor for OverTls {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, length: Duration) -> Self::Sleep {
        self.tokio.sleep(length)
    }

    fn interval(&self, length: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(length)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connector, server) = (TlsConnector::from(self.config.clone()), self.server.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(connector.connect(server, stream).await?.compat())
        }
    }
}
