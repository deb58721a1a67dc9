//! The ways in which an imported entry behaves differently from the job it was.

/// A way in which an entry behaves differently from the job it was.
///
/// Each has a code, whose meaning the file gives once, and may have a detail that only the entry has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Difference {
    /// An interval is counted from another instant than before.
    Anchor,
    /// A length was rounded to what is possible here; the text says from what to what.
    Rounded(String),
    /// The old scheduler sends a job once at its start, whatever its schedule says.
    AtStart,
    /// Something in the job has no counterpart and is left out; the text names it.
    Dropped(String),
    /// The old scheduler computes an event of the sun for the wrong height.
    Horizon,
    /// The job names no queue, and the application, which may route it, was not asked.
    Unrouted,
    /// The old scheduler counts an interval from when it sent the last job.
    Drift,
    /// rq-scheduler keeps the results of repeated jobs for ever.
    Results,
    /// The options of the job's class are not in the store.
    Class,
    /// Something else, in one clause.
    Other(String),
}

impl Difference {
    /// The word for it in files and in JSON.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Difference::Anchor => "anchor",
            Difference::AtStart => "start",
            Difference::Rounded(_) => "rounded",
            Difference::Dropped(_) => "dropped",
            Difference::Horizon => "horizon",
            Difference::Unrouted => "unrouted",
            Difference::Drift => "drift",
            Difference::Results => "results",
            Difference::Class => "class",
            Difference::Other(_) => "other",
        }
    }

    /// What the code means, for the head of a file.
    pub(crate) fn meaning(&self) -> &'static str {
        match self {
            Difference::Anchor => {
                "the old scheduler counts the interval from its own start or its last run; here slots are counted \
                 from 1970-01-01 in UTC, or from `anchor`"
            }
            Difference::AtStart => {
                "beat also sends the job once at its `start_time`, whatever its schedule says; here its first slot is \
                 that of the schedule"
            }
            Difference::Rounded(_) => "a length is rounded",
            Difference::Dropped(_) => "what has no counterpart here is left out",
            Difference::Horizon => {
                "this version of Celery computes `dusk_astronomical` for the sun 18° above the horizon, in the \
                 afternoon; here, as in later versions, the sun is 18° below"
            }
            Difference::Unrouted => {
                "the job names no queue, so its entry sends to `celery`; the application may have another default \
                 queue, or route the task elsewhere"
            }
            Difference::Drift => {
                "the old scheduler counts each interval from when it sent the last job, so it drifts; here slots do \
                 not drift"
            }
            Difference::Results => {
                "rq-scheduler keeps the result of a repeated job for ever, together with its own record of the job; \
                 here each slot has a result of its own, which RQ keeps for 500 s, or as `result_ttl` says"
            }
            Difference::Class => {
                "the options of the class (queue, retry) are not known here: a job without a queue goes to `default`; \
                 for a class of ActiveJob, add `active_job: true` before the import"
            }
            Difference::Other(_) => "as the entry says",
        }
    }

    /// What is particular to the entry; empty if the meaning says it all.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Difference::Anchor
            | Difference::AtStart
            | Difference::Horizon
            | Difference::Unrouted
            | Difference::Drift
            | Difference::Results
            | Difference::Class => "",
            Difference::Rounded(text) | Difference::Dropped(text) | Difference::Other(text) => text,
        }
    }

    /// The detail, else the code, whose meaning the file gives elsewhere.
    pub(crate) fn in_words(&self) -> &str {
        match self.detail() {
            "" => self.code(),
            detail => detail,
        }
    }
}
