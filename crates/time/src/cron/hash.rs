//! `H`: a value hashed from the entry's name, as in Jenkins. Entries that are all written `H 3 * * *` spread
//! over the hour, and each keeps its minute forever.

use uuid::Uuid;

use super::error::{CronError, Problem};
use super::field::{Field, FieldReader};
use crate::token::Token;

/// A random constant; changing it would move every entry that has an `H`.
const ROOT: Uuid = Uuid::from_u128(0x6d1c_02ea_9b35_5c1e_8f47_a1d0_73be_5029);
/// The last day for `H`, which every month has.
const LAST_HASHED_DAY: u32 = 28;

/// The first half of `UUIDv5(root, "<entry>\0<field>")`: the same on every host, whatever else the
/// schedule holds.
fn hash(entry: &str, field: Field) -> u64 {
    let text = format!("{entry}\0{}", field.key());
    Uuid::new_v5(&ROOT, text.as_bytes()).as_u64_pair().0
}

impl FieldReader<'_> {
    /// Reads `H`, `H(a-b)`, `H/n` or `H(a-b)/n`; `tail` is what follows the `H`.
    ///
    /// With a step, the hash decides where the steps begin.
    pub(super) fn hashed(&mut self, item: Token<'_>, tail: Token<'_>) -> Result<u64, CronError> {
        let (range, step) = tail.split_once('/');
        let (from, to) =
            self.hashed_range(range).unwrap_or_else(|| Err(self.error(Problem::BadHash, item)))?;
        let length = self.length(from, to);
        let Some(entry) = self.entry else { return Err(self.error(Problem::NoEntry, item)) };
        let hash = hash(entry, self.field);
        let below = |bound: u32| (hash % u64::from(bound)) as u32;
        let Some(step) = step else {
            let value = self.wrap(from + below(length));
            self.notes.hashed.push((item.span(), value.to_string()));
            return Ok(1 << value);
        };
        let (step_token, step) = (step, self.step(step)?);
        if step > length {
            let error = self.error(Problem::StepTooLarge, step_token);
            return Err(CronError { allowed: Some((1, length)), ..error });
        }
        let from = self.wrap(from + below(step));
        self.notes.hashed.push((item.span(), format!("{from}-{to}/{step}")));
        Ok(self.steps(item, from, to, step))
    }

    /// Reads nothing or `(a-b)`; otherwise `None`.
    fn hashed_range(&self, range: Token<'_>) -> Option<Result<(u32, u32), CronError>> {
        if range.text.is_empty() {
            let last = if self.field == Field::Day { LAST_HASHED_DAY } else { self.field.last() };
            return Some(Ok((self.field.first(), last)));
        }
        let inner = range.text.strip_prefix('(')?.strip_suffix(')')?;
        let (from, Some(to)) = (Token { text: inner, at: range.at + 1 }).split_once('-') else {
            return None;
        };
        let ends = self.value(from).and_then(|from| Ok((from, self.value(to)?)));
        Some(ends.map(|(from, to)| match self.sunday_at_both_ends(from, to) {
            // A week has seven days, even if its Sundays are both written.
            (0, 7) if self.field == Field::Weekday => (0, 6),
            (from, to) => (from, self.wrap(to)),
        }))
    }
}
