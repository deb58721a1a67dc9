//! `jitter` and `spread`: how long after its slot a message is due, without a clock or random numbers.
//!
//! A delay is a share, from 0 to below 1, of a window that is cut off at the entry's next slot. So messages
//! never come early and never change their order, and every replica computes the same time. The slot itself,
//! which is the message's identity, does not move.

use std::io::Write as _;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

/// The longest window, about a month: a longer wait is another schedule.
pub const MAX_WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// A random constant; changing it would move every message with a jitter.
const ROOT: Uuid = Uuid::from_u128(0x6a3f_52d8_0be1_5c94_b7a6_19e4_83cd_f05b);

/// How long after its slot a message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    window_ms: u32,
    /// In 2^-32 of the window; `None`: by hash of entry and slot.
    share: Option<u32>,
}

impl Delay {
    /// A different time in the window for each slot; the window is at most [`MAX_WINDOW`].
    #[must_use]
    pub fn jitter(window: Duration) -> Delay {
        Delay { window_ms: bounded_ms(window), share: None }
    }

    /// The same time for all slots: place `index` of `count` that divide the window, which is at most
    /// [`MAX_WINDOW`].
    #[must_use]
    pub fn spread(window: Duration, index: usize, count: usize) -> Delay {
        // Rounded up, so that whole milliseconds stay whole.
        let share = ((index as u64) << 32).div_ceil(count.max(1) as u64);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        Delay { window_ms: bounded_ms(window), share: Some(share) }
    }

    /// The longest delay.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms.into())
    }

    /// Whether the delay is the same for all slots.
    #[must_use]
    pub fn is_spread(&self) -> bool {
        self.share.is_some()
    }

    /// When the message of the entry's `slot` is due; always before `next`, the slot after it, if there is one.
    #[must_use]
    pub fn due(&self, entry: &str, slot: UnixMs, next: Option<UnixMs>) -> UnixMs {
        let gap_ms = next.map_or(i64::MAX, |next| next.0.saturating_sub(slot.0));
        let window_ms = gap_ms.clamp(0, i64::from(self.window_ms)) as u64;
        let share = self.share.unwrap_or_else(|| hashed_share(entry, slot));
        slot + Duration::from_millis((window_ms * u64::from(share)) >> 32)
    }
}

fn bounded_ms(window: Duration) -> u32 {
    // MAX_WINDOW is less than 2^32 ms.
    u32::try_from(window.min(MAX_WINDOW).as_millis()).unwrap_or(u32::MAX)
}

fn hashed_share(entry: &str, slot: UnixMs) -> u32 {
    let mut name = Vec::with_capacity(entry.len() + 21);
    name.extend_from_slice(entry.as_bytes());
    // Writing to a Vec cannot fail.
    let _ = write!(name, "\0{}", slot.0);
    // The first bits are the hash's own, not the version's.
    (Uuid::new_v5(&ROOT, &name).as_u128() >> 96) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_jitter_of_a_slot_never_changes() {
        let due = |entry, slot| Delay::jitter(MINUTE).due(entry, UnixMs(slot), None).0 - slot;
        assert_eq!(due("nightly", 1_700_000_000_000), 22_572);
        assert_eq!(due("nightly", 1_700_000_060_000), 39_163);
        assert_eq!(due("hourly", 1_700_000_000_000), 20_137);
    }

    #[test]
    fn a_spread_divides_its_window_in_order() {
        let due = |index| Delay::spread(MINUTE, index, 4).due("any", UnixMs(0), None).0;
        assert_eq!([0, 1, 2, 3].map(due), [0, 15_000, 30_000, 45_000]);
    }

    #[test]
    fn a_window_longer_than_the_time_to_the_next_slot_is_cut_in_proportion() {
        let due =
            |index| Delay::spread(MINUTE, index, 4).due("any", UnixMs(0), Some(UnixMs(1000))).0;
        assert_eq!([0, 1, 2, 3].map(due), [0, 250, 500, 750]);
    }

    #[test]
    fn jitter_uses_the_whole_window_evenly() {
        let due = |n: i64| Delay::jitter(MINUTE).due("any", UnixMs(n), None).0 - n;
        let tenths = (0..10_000).map(|n| due(n) / 6000).fold([0; 10], |mut tenths, tenth| {
            tenths[tenth as usize] += 1;
            tenths
        });
        assert!(tenths.iter().all(|count| (900..1100).contains(count)), "{tenths:?}");
    }
}
