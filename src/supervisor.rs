//! Tells the service manager how the service fares: the protocol of sd_notify(3), as systemd and
//! `start-stop-daemon --notify-await` understand it.
//!
//! What is told is the state, not its change, so that a message that was lost is made good by the
//! next one. Nothing here ever waits: the loop that tells must not hang on whoever listens.

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

/// The status is looked at no more often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Longer statuses are cut; in bytes.
const LONGEST_STATUS: usize = 500;

/// Whoever started the service and wants to hear of it; or nobody.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// A sign of life is due so long after the last one.
    beat_every: Option<Duration>,
    beaten_at: Option<Instant>,
    /// The message that was told last.
    said: String,
    looked_at: Option<Instant>,
    /// Reloads that have not come to an end.
    reloads: usize,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` names. It gets signs of life if `WATCHDOG_USEC` says how often
    /// at least, and `WATCHDOG_PID` does not say that another process gives them.
    #[must_use]
    pub fn of(env: &dyn Fn(&str) -> Option<OsString>) -> Supervisor {
        let socket = env("NOTIFY_SOCKET").and_then(|name| open(&name).ok());
        let number = |name| env(name)?.to_str()?.parse::<u64>().ok();
        let ours = env("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        // A third: one that comes late is not yet missed.
        let beat_every = limit.map(|usec| Duration::from_micros(usec) / 3);
        Supervisor { socket, beat_every, ..Supervisor::default() }
    }

    /// Whether the next [`turn`](Self::turn) wants to know the status.
    #[must_use]
    pub fn is_status_due(&self) -> bool {
        self.socket.is_some() && self.looked_at.is_none_or(|at| at.elapsed() >= STATUS_EVERY)
    }

    /// The loop has come round, so the service is alive, and ready unless it reloads. Gives how long
    /// the loop may sleep before it should come round again.
    pub fn turn(&mut self, status: Option<&str>) -> Duration {
        self.beat();
        let status_due_in = match (status, self.looked_at) {
            (Some(status), _) => {
                self.looked_at = Some(Instant::now());
                self.tell(status);
                Duration::MAX
            }
            // It may have changed in this turn.
            (None, Some(at)) if self.socket.is_some() => STATUS_EVERY.saturating_sub(at.elapsed()),
            (None, _) => Duration::MAX,
        };
        let beat_due_in = match (self.beat_every, self.beaten_at) {
            (Some(every), Some(at)) => every.saturating_sub(at.elapsed()),
            _ => Duration::MAX,
        };
        status_due_in.min(beat_due_in)
    }

    fn tell(&mut self, status: &str) {
        let ready = if self.reloads == 0 { "READY=1\n" } else { "" };
        let message = format!("{ready}STATUS={}", one_line(status));
        if message != self.said && self.send(&message) {
            self.said = message;
        }
    }

    /// A sign of life, if one is due. To be called where the loop makes progress, and nowhere else.
    pub fn beat(&mut self) {
        let Some(every) = self.beat_every else { return };
        if self.beaten_at.is_none_or(|at| at.elapsed() >= every) && self.send("WATCHDOG=1") {
            self.beaten_at = Some(Instant::now());
        }
    }

    /// A reload has begun.
    pub fn reloading(&mut self) {
        self.reloads += 1;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic().as_micros()));
    }

    /// A reload has come to its end, for better or worse: the next turn tells how.
    pub fn reloaded(&mut self) {
        self.reloads = self.reloads.saturating_sub(1);
        self.said.clear();
        self.looked_at = None;
    }

    /// The service is not ready yet, and why that takes time.
    pub fn starting(&mut self, what: &str) {
        self.send(&format!("STATUS={}", one_line(what)));
    }

    /// The service is about to end as it was asked to.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// The service cannot go on, for a reason that `errno` comes nearest to. Whoever waits for it to
    /// be ready need not wait any longer.
    pub fn failed(&mut self, reason: &str, errno: rustix::io::Errno) {
        self.send(&format!("STATUS={}\nERRNO={}", one_line(reason), errno.raw_os_error()));
    }

    /// Whether the message is on its way.
    fn send(&mut self, message: &str) -> bool {
        let Some((socket, address)) = &self.socket else { return false };
        let sent = socket.send_to_addr(mask(message).as_bytes(), address);
        if let Err(error) = &sent
            && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
        {
            // start-stop-daemon has heard all it wanted to hear.
            self.socket = None;
        }
        sent.is_ok()
    }
}

/// A path, or a name that begins with `@` in the namespace that the kernel has beside the files.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// A line of its own in the message.
fn one_line(text: &str) -> String {
    shorten(&escape(text), LONGEST_STATUS).into_owned()
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
        Supervisor::of(&|variable| {
            let given = watchdog.iter().find(|(name, _)| *name == variable);
            let value = given.map(|(_, value)| *value);
            value.or((variable == "NOTIFY_SOCKET").then_some(name)).map(OsString::from)
        })
    }

    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let next = || {
            let mut bytes = [0; 4096];
            let length = listener.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_told_when_it_changes_and_once_a_second_at_most() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        let mut rests = Vec::new();
        for turn in 0..50 {
            let status = supervisor.is_status_due().then(|| format!("at {}", turn / 20));
            rests.push(supervisor.turn(status.as_deref()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(rests[0], Duration::MAX);
        assert_eq!(rests[1], Duration::from_millis(900));
        let said = ["READY=1\nSTATUS=at 0", "READY=1\nSTATUS=at 1", "READY=1\nSTATUS=at 2"];
        assert_eq!(heard(&listener), said);
    }

    #[tokio::test(start_paused = true)]
    async fn the_service_is_ready_again_when_the_last_reload_has_ended() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        supervisor.turn(Some("a"));
        supervisor.reloading();
        supervisor.reloading();
        supervisor.reloaded();
        supervisor.turn(Some("a"));
        supervisor.reloaded();
        assert!(supervisor.is_status_due());
        supervisor.turn(Some("tab\there\nand more"));
        let heard = heard(&listener);
        assert!(heard[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
        assert_eq!(heard[0], "READY=1\nSTATUS=a");
        assert_eq!(heard[3..], ["STATUS=a", "READY=1\nSTATUS=tab\\there\\nand more"]);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_from_turns_three_times_within_the_limit() {
        let (listener, name) = listener();
        let ours = std::process::id().to_string();
        let limit = ("WATCHDOG_USEC", "3000000");
        let mut supervisor = supervisor(&name, &[limit, ("WATCHDOG_PID", &ours)]);
        for _ in 0..3 {
            let rest = supervisor.turn(None);
            assert_eq!(rest, Duration::from_secs(1));
            tokio::time::sleep(rest / 2).await;
            assert_eq!(supervisor.turn(None), rest / 2);
            tokio::time::sleep(rest / 2).await;
        }
        assert_eq!(heard(&listener), ["WATCHDOG=1"; 3]);
        // Time alone is no sign of life.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(heard(&listener), [""; 0]);
    }

    #[tokio::test]
    async fn no_signs_of_life_are_given_where_nobody_or_another_process_is_asked() {
        for watchdog in
            [&[][..], &[("WATCHDOG_USEC", "0")], &[("WATCHDOG_USEC", "9"), ("WATCHDOG_PID", "1")]]
        {
            let (listener, name) = listener();
            assert_eq!(supervisor(&name, watchdog).turn(None), Duration::MAX);
            assert_eq!(heard(&listener), [""; 0]);
        }
    }

    #[tokio::test]
    async fn whoever_stops_listening_is_told_nothing_more() {
        let (listener, name) = listener();
        let mut supervisor = supervisor(&name, &[]);
        supervisor.turn(Some("a"));
        drop(listener);
        supervisor.turn(Some("b"));
        assert!(!supervisor.is_status_due());
        assert_eq!(supervisor.turn(None), Duration::MAX);
        assert!(!Supervisor::of(&|_| None).is_status_due());
    }
}
