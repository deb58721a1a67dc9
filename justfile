# The commands of everyday work. Each recipe is plain shell, so without `just` they can be typed as they stand.

# Format, lint, and unit tests without the simulation: the inner loop. Needs cargo-nextest.
quick:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo nextest run --profile quick --lib --locked

# Everything that must hold before a change is merged.
full:
    .ci/run

# All tests, then further seeds, fuzzing, and the removal of each guard: hours.
long:
    tests/run --long

# Wheel, packages, image and checksums of this commit, into target/release-files. Publishes nothing.
release:
    .ci/release

# What must hold before they are published: nothing uncommitted, newest zone rules, no vulnerability, all tests.
check-release:
    .ci/check-release

# Every benchmark; they print their baselines from the same run. Close other programs first.
bench:
    cargo bench --locked --bench '*'
