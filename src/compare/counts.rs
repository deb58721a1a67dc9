//! How many instants compare in which way.

use std::collections::BTreeMap;

use super::{Instant, Verdict};

/// The number of instants of each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Verdict, usize>);

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

    /// The number of this verdict.
    #[must_use]
    pub fn get(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    /// Whether something is on one side alone.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.get(Verdict::OnlyThere) + self.get(Verdict::OnlyHere) > 0
    }

    fn add(&mut self, verdict: Verdict) {
        *self.0.entry(verdict).or_default() += 1;
    }
}
