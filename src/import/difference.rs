//! In which ways an imported entry behaves otherwise than the job it was.

/// A way in which an entry behaves otherwise than the job it was.
///
/// Each has a code, which a file explains once, and may have a detail of its entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Difference {
    /// An interval is counted from another instant than before.
    Anchor,
    /// A length was rounded to what is possible here; the text says from what to what.
    Rounded(String),
    /// Something of the job has no counterpart and is left out; the text names it.
    Dropped(String),
    /// The old scheduler computes an event of the sun for another height than is meant.
    Horizon,
    /// The entry names no queue, and the application that may route it was not asked.
    Unrouted,
    /// Something else, in one clause.
    Other(String),
}

impl Difference {
    /// The word for it in a file and in JSON.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Difference::Anchor => "anchor",
            Difference::Rounded(_) => "rounded",
            Difference::Dropped(_) => "dropped",
            Difference::Horizon => "horizon",
            Difference::Unrouted => "unrouted",
            Difference::Other(_) => "other",
        }
    }

    /// What the code means, for the head of a file.
    pub(crate) fn meaning(&self) -> &'static str {
        match self {
            Difference::Anchor => {
                "the old scheduler counts the interval from its own start or last run; here slots are counted \
                 from 1970-01-01 in UTC, or from `anchor`"
            }
            Difference::Rounded(_) => "a length is rounded",
            Difference::Dropped(_) => "what has no counterpart here is left out",
            Difference::Horizon => {
                "this version of Celery takes `dusk_astronomical` for the sun 18° above the horizon, in the afternoon; \
                 here, as in later versions, it is 18° below"
            }
            Difference::Unrouted => {
                "the job names no queue, and goes to `celery` here; the application may have another default queue, \
                 or route it elsewhere"
            }
            Difference::Other(_) => "as the entry says",
        }
    }

    /// What is particular to the entry; empty if the meaning says it all.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Difference::Anchor | Difference::Horizon | Difference::Unrouted => "",
            Difference::Rounded(text) | Difference::Dropped(text) | Difference::Other(text) => text,
        }
    }

    /// The detail, or the code if there is none; the code's meaning is said elsewhere.
    pub(crate) fn in_words(&self) -> &str {
        match self.detail() {
            "" => self.code(),
            detail => detail,
        }
    }
}
