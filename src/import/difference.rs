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
    /// An option of the job has no counterpart and is left out; the text names it.
    Dropped(String),
    /// A value is fixed here that the old scheduler computed; the text says which.
    Fixed(String),
    /// An interval was counted from when the last job was sent.
    Drift,
    /// Results of jobs that come again were kept for ever.
    Results,
    /// The options of the job's class are not in the store.
    Class,
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
            Difference::Fixed(_) => "fixed",
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
                "the old scheduler counts the interval from its own start or last run; here slots are counted \
                 from 1970-01-01 in UTC, or from `anchor`"
            }
            Difference::Rounded(_) => "a length is rounded",
            Difference::Dropped(_) => "a setting without a counterpart here is left out",
            Difference::Fixed(_) => "a value that was computed before is fixed now",
            Difference::Drift => {
                "the old scheduler counts each interval from when it sent the last job, a little late each time; here \
                 slots are equal steps"
            }
            Difference::Results => {
                "rq-scheduler keeps the result of a job for ever, because its own record is there, too; here each slot \
                 has a result, which RQ keeps for 500 s, or as `result_ttl` says"
            }
            Difference::Class => {
                "the options of the class (queue, retry) are not known here: without a queue the job goes to `default`; \
                 a class of ActiveJob needs `active_job: true` before the import"
            }
            Difference::Other(_) => "as the entry says",
        }
    }

    /// What is particular to the entry; empty if the meaning says it all.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Difference::Anchor | Difference::Drift | Difference::Results | Difference::Class => "",
            Difference::Rounded(text)
            | Difference::Dropped(text)
            | Difference::Fixed(text)
            | Difference::Other(text) => text,
        }
    }

    /// The code with the detail, for a comment and a table.
    pub(crate) fn in_words(&self) -> String {
        match self.detail() {
            "" => self.code().to_owned(),
            detail => format!("{}: {detail}", self.code()),
        }
    }
}
