//! Turns signals into requests to the service.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level::pipe};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::service::Request;

/// Receives signals; none is lost from [`catch`](Signals::catch) on.
#[derive(Debug)]
pub struct Signals {
    stop: std::os::unix::net::UnixStream,
    reload: std::os::unix::net::UnixStream,
    log_state: std::os::unix::net::UnixStream,
}

impl Signals {
    /// Starts to catch signals: TERM (systemd, init scripts, container runtimes) and INT (Ctrl-C) stop
    /// the service cleanly, HUP reloads and USR1 logs the state. The second TERM or INT ends the
    /// process at once, with status 128 + its number.
    ///
    /// # Errors
    /// If the operating system refuses a handler.
    pub fn catch() -> io::Result<Signals> {
        let stop = catch_stop(&[SIGTERM, SIGINT])?;
        let (reload, reload_in) = std::os::unix::net::UnixStream::pair()?;
        pipe::register(SIGHUP, reload_in)?;
        let (log_state, log_state_in) = std::os::unix::net::UnixStream::pair()?;
        pipe::register(SIGUSR1, log_state_in)?;
        Ok(Signals { stop, reload, log_state })
    }

    /// Waits for a stop for at most `timeout`; returns whether there was one.
    ///
    /// # Errors
    /// If the operating system refuses to wait.
    pub fn stop_within(&self, timeout: Duration) -> io::Result<bool> {
        let until = Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forwards signals to the service forever; a stop also notifies `stopping`.
    ///
    /// # Errors
    /// If the runtime cannot watch for them.
    pub async fn forward(
        self,
        service: mpsc::Sender<Request>,
        stopping: Arc<Notify>,
    ) -> io::Result<()> {
        let (mut stop, mut reload, mut log_state) =
            (watched(self.stop)?, watched(self.reload)?, watched(self.log_state)?);
        loop {
            // A burst of signals counts as one request.
            let (mut a, mut b, mut c) = ([0; 16], [0; 16], [0; 16]);
            let request = tokio::select! {
                _ = stop.read(&mut a) => Request::Stop,
                _ = reload.read(&mut b) => Request::Reload(oneshot::channel().0),
                _ = log_state.read(&mut c) => Request::LogState,
            };
            if matches!(request, Request::Stop) {
                stopping.notify_one();
            }
            if service.send(request).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Waits for Ctrl-C, from the call on. The second one ends the process at once.
///
/// # Errors
/// If the operating system refuses a handler, or the runtime cannot watch for it.
pub fn interrupt() -> io::Result<impl Future<Output = ()>> {
    let mut stop = watched(catch_stop(&[SIGINT])?)?;
    Ok(async move {
        let _ = stop.read(&mut [0; 1]).await;
    })
}

/// A stream to which these signals write. The second of them ends the process.
fn catch_stop(signals: &[i32]) -> io::Result<std::os::unix::net::UnixStream> {
    let (stop, stop_in) = std::os::unix::net::UnixStream::pair()?;
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals {
        // This comes first: once the signal is caught, nothing else reports it.
        pipe::register(*signal, stop_in.try_clone()?)?;
        flag::register_conditional_shutdown(*signal, 128 + signal, Arc::clone(&asked))?;
        flag::register(*signal, Arc::clone(&asked))?;
    }
    Ok(stop)
}

fn watched(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
