//! Where zone rules come from: the newer of the system's tzdata and the bundled one.
