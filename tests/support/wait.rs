//! Waits for a condition, with a deadline.

use std::time::Duration;

// The only monotonic clock that the project allows.
use downbeat_time::UnixMs;
use tokio::time::Instant;

/// How long a program may take for anything that needs no waiting, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The same for a program that starts slowly.
pub(crate) const START: Duration = Duration::from_secs(120);

/// The first value that `look` returns; tries every few milliseconds.
///
/// Panics with `what` if there is none within `limit`.
pub(crate) fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The current time, for messages that must expire in the past or the future.
#[expect(clippy::disallowed_types, reason = "the workers under test read the same clock")]
pub(crate) fn wall_clock() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(since.as_millis()).unwrap())
}
