//! Several expressions as one: the union of their slots.

use super::bounds::INSTANT;
use super::canonical::Form;
use super::cron::{Cron, Quartz};
use super::timing::Timing;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// Cron or Quartz expressions: it fires when any of them does, and once if several do.
///
/// Each keeps its own rule for clock changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Union(Box<[Timing]>);

impl Union {
    /// The maximum number of expressions.
    pub const MAX: usize = 100;
    /// The maximum number of expressions described in words.
    const MAX_DESCRIBED: usize = 5;

    /// The union of cron and Quartz expressions, in the order in which they are written; one alone is itself.
    ///
    /// `None` if there are none, more than [`Union::MAX`], or timings of another kind.
    #[must_use]
    pub fn of(mut parts: Vec<Timing>) -> Option<Timing> {
        let is_expression = |part: &Timing| matches!(part, Timing::Cron(_) | Timing::Quartz(_));
        if parts.len() > Self::MAX || !parts.iter().all(is_expression) {
            return None;
        }
        let mut forms = Vec::new();
        parts.retain(|part| {
            let form = part.form();
            let is_new = !forms.contains(&form);
            forms.push(form);
            is_new
        });
        match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(Timing::Union(Union(parts.into()))),
        }
    }

    /// The expressions, all different.
    #[must_use]
    pub fn parts(&self) -> &[Timing] {
        &self.0
    }

    /// The first slot strictly later than `after`, or `None` if there is none.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        self.0.iter().filter_map(|part| part.next(zone, after)).min()
    }

    pub(super) fn last_between(&self, zone: &Zone, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        self.0.iter().filter_map(|part| part.last_between(zone, after, until)).max()
    }

    /// Two lines may have different readings on one slot, right after a gap: then the first counts.
    pub(super) fn reading_on(&self, zone: &Zone, slot: UnixMs, from_s: i64) -> Option<i64> {
        let fires = |part: &&Timing| part.next(zone, slot - INSTANT) == Some(slot);
        self.0.iter().filter(fires).filter_map(|part| part.reading_on(zone, slot, from_s)).min()
    }

    /// Describes it in plain English: `at 09:30 every day, and at 16:00 every day`.
    #[must_use]
    pub fn describe(&self, zone: &Zone) -> String {
        let shown = self.0.iter().take(Self::MAX_DESCRIBED).map(|part| part.describe(zone));
        let mut words: Vec<String> = shown.collect();
        if let more @ 1.. = self.0.len().saturating_sub(Self::MAX_DESCRIBED) {
            words.push(format!("{more} more"));
        }
        words.join(", and ")
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|part| size_of::<Timing>() + part.heap_size()).sum()
    }

    /// The number of expressions and their forms, sorted.
    pub(super) fn canonical(&self) -> String {
        let mut forms: Vec<String> = self.0.iter().map(Timing::form).collect();
        forms.sort_unstable();
        format!("union {} {}", forms.len(), forms.join(" "))
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<Union> {
        words.literal("union")?;
        let count = words.parsed().filter(|count: &usize| (2..=Self::MAX).contains(count))?;
        let part = |_| match words.peek()? {
            "cron" => Cron::from_canonical(words).map(Timing::Cron),
            _ => Quartz::from_canonical(words).map(|quartz| Timing::Quartz(Box::new(quartz))),
        };
        let parts: Option<Vec<Timing>> = (0..count).map(part).collect();
        let union = Union(parts?.into());
        let forms: Vec<String> = union.0.iter().map(Timing::form).collect();
        forms.is_sorted_by(|one, two| one < two).then_some(union)
    }
}

#[cfg(test)]
mod tests;
