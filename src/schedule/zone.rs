//! A time zone as a table of stretches of constant offset.

/// An IANA zone.
#[derive(Debug)]
pub struct Zone {}
