//! Where the counterpart of an instant would be, by how far apart the pairs are.

use std::ops::Range;

use downbeat_time::UnixMs;

use super::{Here, SAME_WITHIN, There};

/// How far the instants there are from those here, in milliseconds: what is alone would be as far off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    least: i64,
    most: i64,
}

impl Offsets {
    pub(super) fn of(pairs: &[(&Here, &There)]) -> Offsets {
        let offset =
            |(slot, message): &(&Here, &There)| Some(message.at?.0.saturating_sub(slot.at.0));
        let offsets = pairs.iter().filter_map(offset);
        let (least, most) = offsets.fold((0, 0), |(least, most), offset| {
            (i64::min(least, offset), i64::max(most, offset))
        });
        Offsets { least, most }
    }

    /// Where the counterpart of an instant here would be.
    pub(super) fn there_of(self, at: UnixMs) -> Place {
        Place::between(at.0.saturating_add(self.least), at.0.saturating_add(self.most))
    }

    /// Where the counterpart of an instant there would be.
    pub(super) fn here_of(self, at: UnixMs) -> Place {
        Place::between(at.0.saturating_sub(self.most), at.0.saturating_sub(self.least))
    }
}

/// Where an instant would be.
pub(super) struct Place {
    first: UnixMs,
    last: UnixMs,
}

impl Place {
    fn between(first: i64, last: i64) -> Place {
        Place { first: UnixMs(first) - SAME_WITHIN, last: UnixMs(last) + SAME_WITHIN }
    }

    pub(super) fn is_within(&self, known: &Range<UnixMs>) -> bool {
        known.start <= self.first && self.last < known.end
    }
}
