//! A runtime for the AMQP client whose TCP streams speak TLS.
//!
//! The client library's own TLS would add forty crates for a key file format that downbeat does not use, and
//! would trust the system's authorities beside the configured ones.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use async_compat::{Compat, CompatExt as _};
use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::tls::Connector;

/// Tokio's runtime, except that streams to one server use TLS.
#[derive(Clone, Debug)]
pub(super) struct OverTls {
    tokio: Tokio,
    connector: Connector,
}

impl OverTls {
    /// Creates a runtime whose streams to the server of `connector` use TLS.
    pub(super) fn to(connector: Connector) -> OverTls {
        OverTls { tokio: Tokio::current(), connector }
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

    #[expect(clippy::disallowed_types, reason = "the trait names it")]
    fn interval(
        &self,
        length: Duration,
    ) -> impl Stream<Item = std::time::Instant> + Send + 'static {
        self.tokio.interval(length)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connector = self.connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(connector.connect(stream).await?.compat())
        }
    }
}
