//! Pairs instants of two sides: the nearest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use downbeat_time::UnixMs;

/// An instant of one side, by its index there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: UnixMs,
    is_left: bool,
    index: usize,
}

/// The pairs of an instant on the left and one on the right that are at most `tolerance` apart, as indexes. Of all
/// that are left, the two nearest are paired first. Both sides are sorted.
///
/// The two nearest of different sides are always neighbours among all that are left, so only neighbours are looked
/// at: n instants take n log n steps, however large the tolerance.
pub(super) fn nearest(
    left: &[UnixMs],
    right: &[UnixMs],
    tolerance: Duration,
) -> Vec<(usize, usize)> {
    let places = |side: &[UnixMs], is_left| {
        let place = move |(index, at): (usize, &UnixMs)| Place { at: *at, is_left, index };
        side.iter().enumerate().map(place).collect::<Vec<_>>()
    };
    let mut all = [places(left, true), places(right, false)].concat();
    all.sort_unstable();
    let mut chain = Chain::of(all);
    let mut gaps: BinaryHeap<_> = (1..chain.places.len())
        .filter_map(|second| chain.gap(second - 1, second, tolerance))
        .map(Reverse)
        .collect();
    let mut pairs = Vec::new();
    while let Some(Reverse((_, first, second))) = gaps.pop() {
        if chain.next[first] != Some(second) || chain.is_taken[first] {
            continue;
        }
        pairs.push(chain.pair(first, second));
        if let Some((before, after)) = chain.remove(first, second) {
            gaps.extend(chain.gap(before, after, tolerance).map(Reverse));
        }
    }
    pairs
}

/// All instants in order, each linked to its neighbours that are left.
struct Chain {
    places: Vec<Place>,
    previous: Vec<Option<usize>>,
    next: Vec<Option<usize>>,
    is_taken: Vec<bool>,
}

impl Chain {
    fn of(places: Vec<Place>) -> Chain {
        let count = places.len();
        Chain {
            previous: (0..count).map(|index| index.checked_sub(1)).collect(),
            next: (1..=count).map(|index| (index < count).then_some(index)).collect(),
            is_taken: vec![false; count],
            places,
        }
    }

    /// How far two neighbours are apart, if they can be paired, and which they are.
    fn gap(
        &self,
        first: usize,
        second: usize,
        tolerance: Duration,
    ) -> Option<(Duration, usize, usize)> {
        let (a, b) = (self.places[first], self.places[second]);
        let gap = b.at.since(a.at);
        (a.is_left != b.is_left && gap <= tolerance).then_some((gap, first, second))
    }

    /// Their indexes, the left side's first.
    fn pair(&self, first: usize, second: usize) -> (usize, usize) {
        let (a, b) = (self.places[first], self.places[second]);
        if a.is_left { (a.index, b.index) } else { (b.index, a.index) }
    }

    /// Takes out two neighbours, and returns those that are neighbours then.
    fn remove(&mut self, first: usize, second: usize) -> Option<(usize, usize)> {
        let (before, after) = (self.previous[first], self.next[second]);
        (self.is_taken[first], self.is_taken[second]) = (true, true);
        if let Some(before) = before {
            self.next[before] = after;
        }
        if let Some(after) = after {
            self.previous[after] = before;
        }
        before.zip(after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(times: &[i64]) -> Vec<UnixMs> {
        times.iter().map(|at| UnixMs::from_secs(*at)).collect()
    }

    #[test]
    fn the_nearest_are_paired_first_and_the_rest_with_what_is_left() {
        for (left, right, within, pairs) in [
            (&[0, 10, 20][..], &[1, 11, 21][..], 60, &[(0, 0), (1, 1), (2, 2)][..]),
            // One is missing: nothing moves along.
            (&[0, 10, 20], &[11, 21], 60, &[(1, 0), (2, 1)]),
            (&[0, 10, 20], &[1, 21], 60, &[(0, 0), (2, 1)]),
            // Two at once.
            (&[5, 5], &[5, 5], 60, &[(0, 1), (1, 0)]),
            (&[0], &[61], 60, &[]),
            (&[0], &[60], 60, &[(0, 0)]),
            (&[], &[1], 60, &[]),
        ] {
            let mut found = nearest(&seconds(left), &seconds(right), Duration::from_secs(within));
            found.sort_unstable();
            assert_eq!(found, pairs, "{left:?} {right:?}");
        }
    }

    /// The same by looking at every pair.
    fn slowly(left: &[UnixMs], right: &[UnixMs], tolerance: Duration) -> Vec<Duration> {
        let (mut left, mut right) = (left.to_vec(), right.to_vec());
        let mut gaps = Vec::new();
        loop {
            let all = left.iter().enumerate().flat_map(|(l, a)| {
                right.iter().enumerate().map(move |(r, b)| (a.since(*b).max(b.since(*a)), l, r))
            });
            let Some((gap, l, r)) = all.min().filter(|(gap, ..)| *gap <= tolerance) else {
                return gaps;
            };
            gaps.push(gap);
            left.remove(l);
            right.remove(r);
        }
    }

    proptest! {
        #[test]
        fn looking_at_neighbours_finds_the_nearest_gap_of_all(
            mut left in prop::collection::vec(0i64..60, 0..12),
            mut right in prop::collection::vec(0i64..60, 0..12),
            tolerance in 0u64..40,
        ) {
            left.sort_unstable();
            right.sort_unstable();
            let (left, right) = (seconds(&left), seconds(&right));
            let tolerance = Duration::from_secs(tolerance);
            let gap = |(l, r): &(usize, usize)| left[*l].since(right[*r]).max(right[*r].since(left[*l]));
            let pairs = nearest(&left, &right, tolerance);
            prop_assert!(pairs.iter().all(|pair| gap(pair) <= tolerance));
            let mut ours: Vec<_> = pairs.iter().map(gap).collect();
            ours.sort_unstable();
            // Equal gaps may be paired in another order: the first, nearest gap never differs.
            let theirs = slowly(&left, &right, tolerance);
            prop_assert_eq!(ours.first(), theirs.first());
            let once = |side: Vec<usize>| {
                let mut once = side.clone();
                once.sort_unstable();
                once.dedup();
                once.len() == side.len()
            };
            prop_assert!(once(pairs.iter().map(|pair| pair.0).collect()));
            prop_assert!(once(pairs.iter().map(|pair| pair.1).collect()));
        }
    }
}
