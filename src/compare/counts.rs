//! How many instants of each entry compare in which way.

use std::collections::BTreeMap;

use super::{Instant, Verdict};

/// The number of instants by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// See [`Verdict::Same`].
    pub same: usize,
    /// See [`Verdict::Early`].
    pub early: usize,
    /// See [`Verdict::Late`].
    pub late: usize,
    /// See [`Verdict::OnlyThere`].
    pub only_there: usize,
    /// See [`Verdict::OnlyHere`].
    pub only_here: usize,
    /// See [`Verdict::NoTime`].
    pub no_time: usize,
    /// See [`Verdict::NotJudged`].
    pub not_judged: usize,
}

impl Counts {
    /// Of all instants.
    #[must_use]
    pub fn of<'i>(instants: impl IntoIterator<Item = &'i Instant>) -> Counts {
        let mut counts = Counts::default();
        instants.into_iter().for_each(|instant| counts.add(instant.verdict));
        counts
    }

    /// By entry and task; what is sent only there may have no entry.
    #[must_use]
    pub fn by_entry(instants: &[Instant]) -> BTreeMap<(Option<&str>, &str), Counts> {
        let mut entries: BTreeMap<_, Counts> = BTreeMap::new();
        for Instant { entry, task, verdict, .. } in instants {
            entries.entry((entry.as_deref(), &**task)).or_default().add(*verdict);
        }
        entries
    }

    /// Whether something is on one side alone.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.only_there + self.only_here > 0
    }

    fn add(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Same => &mut self.same,
            Verdict::Early => &mut self.early,
            Verdict::Late => &mut self.late,
            Verdict::OnlyThere => &mut self.only_there,
            Verdict::OnlyHere => &mut self.only_here,
            Verdict::NoTime => &mut self.no_time,
            Verdict::NotJudged => &mut self.not_judged,
        };
        *count += 1;
    }
}
