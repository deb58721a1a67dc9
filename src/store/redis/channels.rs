//! Listens to channels of a server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::link::Link;
use super::listener::Listener;
use crate::address::RedisAddress;
use crate::store::contract::StoreError;
use crate::tls::Tls;

/// The maximum number of unread messages kept.
const MAX_WAITING: usize = 1_000;
/// The maximum length of a message in bytes; Celery cuts the arguments in its events at 1024 characters.
const MAX_BYTES: usize = 24 << 10;
/// How often to check that the connection still is open.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Messages that somebody publishes while this listens; what was published before is gone.
#[derive(Debug)]
pub struct Channels {
    link: Link,
    heard: mpsc::Receiver<Arc<str>>,
}

impl Channels {
    /// Listens from when this returns.
    ///
    /// # Errors
    /// When Redis does not answer, or refuses.
    pub async fn listen(
        address: &RedisAddress,
        tls: &Tls,
        channels: &[String],
        deadline: Duration,
    ) -> Result<Channels, StoreError> {
        let (listener, heard) = Listener::channel(MAX_WAITING, MAX_BYTES);
        let link = Link::without_scripts(address, tls, deadline);
        let mut link = link.listen(channels, listener);
        link.connection().await?;
        Ok(Channels { link, heard })
    }

    /// The next message in UTF-8. A message that arrives while nobody waits for it is kept.
    ///
    /// # Errors
    /// When the connection is lost: messages may be missing from then on.
    pub async fn next(&mut self) -> Result<Arc<str>, StoreError> {
        loop {
            tokio::select! {
                Some(message) = self.heard.recv() => return Ok(message),
                () = tokio::time::sleep(CHECK_EVERY) => {
                    if self.link.current().is_none_or(|connection| connection.is_closed()) {
                        let text = format!("lost the connection to {}", self.link.address());
                        return Err(StoreError::Unavailable(text));
                    }
                }
            }
        }
    }
}
