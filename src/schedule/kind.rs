//! The reasons to send a slot.

/// The reason why a message is sent; workers see it as the header `downbeat_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The slot was due and within its grace.
    Scheduled,
    /// The slot was missed and is caught up.
    CatchUp,
    /// The record of the slot is lost, and maybe the message as well, so it is sent again.
    Resent,
    /// Somebody asked for a run now.
    Manual,
    /// Somebody asked for the slots of a past segment.
    Backfill,
}

impl Kind {
    /// All kinds.
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
