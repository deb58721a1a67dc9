//! With how many seeds a fault is found, for `tests/remove_guards --simulation`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{MORE_SEEDS, simulate};

#[test]
#[ignore = "no seed fails while nothing is wrong"]
fn how_many_of_the_first_seeds_fail() {
    let seeds = std::env::var(MORE_SEEDS).map_or(100, |seeds| seeds.parse().unwrap());
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let simulate_some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let has_failed = std::panic::catch_unwind(|| drop(simulate(seed))).is_err();
            failed.fetch_add(has_failed.into(), Ordering::Relaxed);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(simulate_some)));
    });
    println!("seeds that fail: {failed:?} of {seeds}");
}
