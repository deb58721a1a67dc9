//! Why a slot is sent.

/// Why a message is sent; workers see it as the header `downbeat_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The slot was due and within its grace.
    Scheduled,
    /// The slot was missed and is made up for.
    CatchUp,
    /// The record that the slot was sent is lost, and maybe the message with it.
    Resent,
    /// Somebody asked for a run now.
    Manual,
    /// Somebody asked for the slots of a stretch of the past.
    Backfill,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] =
        [Kind::Scheduled, Kind::CatchUp, Kind::Resent, Kind::Manual, Kind::Backfill];

    /// The name on the wire, in logs and in the history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Scheduled => "scheduled",
            Kind::CatchUp => "catch_up",
            Kind::Resent => "resent",
            Kind::Manual => "manual",
            Kind::Backfill => "backfill",
        }
    }
}
