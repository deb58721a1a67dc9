//! Random entries of every kind, for properties that all must have.

use downbeat_time::arbitrary::{bounds, bounds_of, timing, zone};
use proptest::prelude::*;

use super::*;
use crate::schedule::delay::{self, Delay};

/// An entry of any kind, with or without bounds and a delay.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let parts =
        (timing(), zone(), prop::option::of(bounds()), prop::option::of(delay()), "[a-z]{1,8}");
    parts.prop_map(|(timing, zone, bounds, delay, name)| Entry {
        zone,
        bounds: bounds.map(|bounds| Box::new(bounds_of(&timing, bounds))),
        delay: delay.map(Box::new),
        ..super::entry(&name, timing)
    })
}

fn delay() -> impl Strategy<Value = Delay> {
    let window = prop_oneof![0..120_000_u64, 0..delay::MAX_WINDOW.as_millis() as u64];
    (window, 0..20_usize, any::<bool>()).prop_map(|(window, index, is_spread)| {
        let window = Duration::from_millis(window);
        if is_spread { Delay::spread(window, index, 20) } else { Delay::jitter(window) }
    })
}
