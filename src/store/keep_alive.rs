//! When to ping a connection that its server would close because it is idle. A closed one costs the next request an
//! error, and the leader has to read everything anew.

use std::ops::Add;
use std::time::Duration;

/// The use of one connection. `T` is an instant of a clock that nobody sets.
#[derive(Debug)]
pub(crate) struct KeepAlive<T> {
    /// The longest time that the connection is idle, whatever the server says.
    max_idle: Duration,
    is_wanted: bool,
    used_at: T,
}

impl<T: Copy + Add<Duration, Output = T>> KeepAlive<T> {
    pub(crate) fn new(max_idle: Duration, now: T) -> KeepAlive<T> {
        KeepAlive { max_idle, is_wanted: false, used_at: now }
    }

    /// Sets whether the connection is to stay open while it is idle.
    pub(crate) fn set_wanted(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    /// Notes that a request or a ping is sent.
    pub(crate) fn on_sent(&mut self, now: T) {
        self.used_at = now;
    }

    /// When to ping, if nothing is sent before: well before the server, which closes connections that are idle for
    /// `timeout`, closes this one. `None`: the answers in flight come first, or nobody wants it open.
    pub(crate) fn ping_at(&self, timeout: Option<Duration>, in_flight: usize) -> Option<T> {
        let idle = timeout.map_or(self.max_idle, |timeout| (timeout / 2).min(self.max_idle));
        (self.is_wanted && in_flight == 0).then(|| self.used_at + idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Wanted, and used five seconds after the start.
    fn keep_alive() -> KeepAlive<Duration> {
        let mut keep_alive = KeepAlive::new(SECOND * 2, Duration::ZERO);
        keep_alive.set_wanted(true);
        keep_alive.on_sent(SECOND * 5);
        keep_alive
    }

    #[test]
    fn a_ping_is_due_after_half_of_the_timeout_or_the_longest_idle_time() {
        let ping_at = |timeout| keep_alive().ping_at(timeout, 0);
        assert_eq!(ping_at(Some(SECOND)), Some(SECOND * 5 + SECOND / 2));
        assert_eq!(ping_at(Some(SECOND * 4)), Some(SECOND * 7));
        assert_eq!(ping_at(Some(SECOND * 300)), Some(SECOND * 7));
        assert_eq!(ping_at(None), Some(SECOND * 7));
    }

    #[test]
    fn each_request_and_each_ping_puts_off_the_next_ping() {
        let mut keep_alive = keep_alive();
        keep_alive.on_sent(SECOND * 6);
        assert_eq!(keep_alive.ping_at(None, 0), Some(SECOND * 8));
    }

    #[test]
    fn no_ping_is_due_while_answers_are_awaited() {
        assert_eq!(keep_alive().ping_at(None, 1), None);
    }

    #[test]
    fn no_ping_is_due_unless_the_connection_is_wanted() {
        assert_eq!(KeepAlive::new(SECOND, SECOND).ping_at(None, 0), None);
        let mut keep_alive = keep_alive();
        keep_alive.set_wanted(false);
        assert_eq!(keep_alive.ping_at(None, 0), None);
    }
}
