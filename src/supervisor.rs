//! Reports the service's state to the service manager: the protocol of sd_notify(3), as systemd and
//! `start-stop-daemon --notify-await` understand it.
//!
//! Each message has the whole state, not a change, so that the next one makes up for a lost one.
//! Nothing here blocks: the loop must not hang on the receiver.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::escape::{escape, shorten};
use crate::mask::mask;

/// Minimum time between two status messages.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Maximum bytes of a status; longer ones are cut.
const MAX_STATUS: usize = 500;

/// The service manager, if it wants to be notified.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often to send a keep-alive.
    beat_every: Option<Duration>,
    beat_at: Option<Instant>,
    /// The last message sent.
    last_sent: String,
    status_at: Option<Instant>,
    /// Reloads in progress.
    reloads: usize,
}

impl Supervisor {
    /// The service manager that `NOTIFY_SOCKET` names. It gets keep-alives if `WATCHDOG_USEC` sets an
    /// interval, unless `WATCHDOG_PID` names another process.
    #[must_use]
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> Supervisor {
        let socket = env("NOTIFY_SOCKET").and_then(|name| open(&name).ok());
        let number = |name| env(name)?.to_str()?.parse::<u64>().ok();
        let ours = env("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        // A third: a late one is still in time.
        let beat_every = limit.map(|usec| Duration::from_micros(usec) / 3);
        Supervisor { socket, beat_every, ..Supervisor::default() }
    }

    /// Whether the next [`tick`](Self::tick) should pass the status.
    #[must_use]
    pub fn is_status_due(&self) -> bool {
        self.socket.is_some() && self.status_at.is_none_or(|at| at.elapsed() >= STATUS_EVERY)
    }

    /// Records a loop iteration: the service is alive, and ready unless it reloads. Returns how long
    /// the loop may sleep before it should call this again.
    pub fn tick(&mut self, status: Option<&str>) -> Duration {
        self.beat();
        let status_due_in = match (status, self.status_at) {
            (Some(status), _) => {
                self.status_at = Some(Instant::now());
                self.notify(status);
                Duration::MAX
            }
            // It may have changed in this iteration.
            (None, Some(at)) if self.socket.is_some() => STATUS_EVERY.saturating_sub(at.elapsed()),
            (None, _) => Duration::MAX,
        };
        let beat_due_in = match (self.beat_every, self.beat_at) {
            (Some(every), Some(at)) => every.saturating_sub(at.elapsed()),
            _ => Duration::MAX,
        };
        status_due_in.min(beat_due_in)
    }

    fn notify(&mut self, status: &str) {
        let ready = if self.reloads == 0 { "READY=1\n" } else { "" };
        let message = format!("{ready}STATUS={}", one_line(status));
        if message != self.last_sent && self.send(&message) {
            self.last_sent = message;
        }
    }

    /// Sends a keep-alive if one is due. Call this only where the loop makes progress.
    pub fn beat(&mut self) {
        let Some(every) = self.beat_every else { return };
        if self.beat_at.is_none_or(|at| at.elapsed() >= every) && self.send("WATCHDOG=1") {
            self.beat_at = Some(Instant::now());
        }
    }

    /// A reload has begun.
    pub fn reloading(&mut self) {
        self.reloads += 1;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic().as_micros()));
    }

    /// A reload has ended, successfully or not; the next tick sends the result.
    pub fn reloaded(&mut self) {
        self.reloads = self.reloads.saturating_sub(1);
        self.last_sent.clear();
        self.status_at = None;
    }

    /// The service is not ready yet, for this reason.
    pub fn starting(&mut self, what: &str) {
        self.send(&format!("STATUS={}", one_line(what)));
    }

    /// The service is about to exit, as requested.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// The service cannot continue, for this reason; `errno` is the closest error number. Nobody needs
    /// to wait for it to become ready any more.
    pub fn failed(&mut self, reason: &str, errno: rustix::io::Errno) {
        self.send(&format!("STATUS={}\nERRNO={}", one_line(reason), errno.raw_os_error()));
    }

    /// Sends a message; returns whether it was sent.
    fn send(&mut self, message: &str) -> bool {
        let Some((socket, address)) = &self.socket else { return false };
        let sent = socket.send_to_addr(mask(message).as_bytes(), address);
        if let Err(error) = &sent
            && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
        {
            // start-stop-daemon needs no further messages.
            self.socket = None;
        }
        sent.is_ok()
    }
}

/// Opens a path, or an abstract socket whose name begins with `@`.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// The text as one line of the message.
fn one_line(text: &str) -> String {
    shorten(&escape(text), MAX_STATUS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (UnixDatagram, String) {
        let name = format!("downbeat-test-{}", uuid::Uuid::new_v4());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        listener.set_nonblocking(true).unwrap();
        (listener, format!("@{name}"))
    }

    fn supervisor(name: &str, watchdog: &[(&str, &str)]) -> Supervisor {
        Supervisor::from_env(&|variable| {
            let given = watchdog.iter().find(|(name, _)| *name == variable);
            let value = given.map(|(_, value)| *value);
            value.or((variable == "NOTIFY_SOCKET").then_some(name)).map(OsString::from)
        })
    }

    fn received(listener: &UnixDatagram) -> Vec<String> {
        let next = || {
            let mut bytes = [0; 4096];
            let length = listener.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_sent_when_it_changes_and_once_a_second_at_most() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        let mut rests = Vec::new();
        for turn in 0..50 {
            let status = supervisor.is_status_due().then(|| format!("at {}", turn / 20));
            rests.push(supervisor.tick(status.as_deref()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(rests[0], Duration::MAX);
        assert_eq!(rests[1], Duration::from_millis(900));
        let last_sent = ["READY=1\nSTATUS=at 0", "READY=1\nSTATUS=at 1", "READY=1\nSTATUS=at 2"];
        assert_eq!(received(&listener), last_sent);
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_is_ready_again_when_the_last_reload_has_ended() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        supervisor.tick(Some("a"));
        supervisor.reloading();
        supervisor.reloading();
        supervisor.reloaded();
        supervisor.tick(Some("a"));
        supervisor.reloaded();
        assert!(supervisor.is_status_due());
        supervisor.tick(Some("tab\there\nand more"));
        let heard = received(&listener);
        assert!(heard[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
        assert_eq!(heard[0], "READY=1\nSTATUS=a");
        assert_eq!(heard[3..], ["STATUS=a", "READY=1\nSTATUS=tab\\there\\nand more"]);
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_send_three_keep_alives_within_the_limit() {
        let (listener, name) = listener();
        let ours = std::process::id().to_string();
        let limit = ("WATCHDOG_USEC", "3000000");
        let mut supervisor = supervisor(&name, &[limit, ("WATCHDOG_PID", &ours)]);
        for _ in 0..3 {
            let rest = supervisor.tick(None);
            assert_eq!(rest, Duration::from_secs(1));
            tokio::time::sleep(rest / 2).await;
            assert_eq!(supervisor.tick(None), rest / 2);
            tokio::time::sleep(rest / 2).await;
        }
        assert_eq!(received(&listener), ["WATCHDOG=1"; 3]);
        // The passing of time alone sends no keep-alive.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(received(&listener), [""; 0]);
    }

    #[tokio::test]
    async fn no_keep_alives_are_sent_unless_this_process_is_asked_for_them() {
        for watchdog in
            [&[][..], &[("WATCHDOG_USEC", "0")], &[("WATCHDOG_USEC", "9"), ("WATCHDOG_PID", "1")]]
        {
            let (listener, name) = listener();
            assert_eq!(supervisor(&name, watchdog).tick(None), Duration::MAX);
            assert_eq!(received(&listener), [""; 0]);
        }
    }

    #[tokio::test]
    async fn a_manager_that_stopped_listening_gets_no_more_messages() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        supervisor.tick(Some("a"));
        drop(listener);
        supervisor.tick(Some("b"));
        assert!(!supervisor.is_status_due());
        assert_eq!(supervisor.tick(None), Duration::MAX);
        assert!(!Supervisor::from_env(&|_| None).is_status_due());
    }
}
