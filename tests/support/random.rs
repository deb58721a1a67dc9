//! Seeds for random inputs, so that they can be repeated.

/// Returns and prints the seed: `DOWNBEAT_SEED`, else `PROPTEST_RNG_SEED`, which `tests/run` sets, else a
/// random one.
pub(crate) fn seed() -> u64 {
    let given = ["DOWNBEAT_SEED", "PROPTEST_RNG_SEED"].iter().find_map(|name| {
        let seed = std::env::var(name).ok().filter(|seed| !seed.is_empty())?;
        Some(seed.parse().unwrap_or_else(|_| panic!("{name} is no number: {seed}")))
    });
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: repeat with DOWNBEAT_SEED={seed}");
    seed
}
