//! `at`: instants listed one by one.

use super::canonical::{Form, instant, is_ascending};
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// Instants listed one by one: at least one, sorted, without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instants(Box<[UnixMs]>);

impl From<UnixMs> for Instants {
    fn from(instant: UnixMs) -> Instants {
        Instants(Box::new([instant]))
    }
}

impl Instants {
    /// Sorts the instants and drops duplicates; `None` if there are none.
    #[must_use]
    pub fn new(mut instants: Vec<UnixMs>) -> Option<Instants> {
        instants.sort_unstable();
        instants.dedup();
        (!instants.is_empty()).then(|| Instants(instants.into()))
    }

    /// All instants, sorted.
    #[must_use]
    pub fn as_slice(&self) -> &[UnixMs] {
        &self.0
    }

    /// The first slot strictly later than `after`, or `None` if there is none.
    #[must_use]
    pub fn next(&self, after: UnixMs) -> Option<UnixMs> {
        self.0.get(self.until(after)).copied()
    }

    /// The last slot at or before `until`, or `None` if there is none.
    #[must_use]
    pub fn latest(&self, until: UnixMs) -> Option<UnixMs> {
        self.0[..self.until(until)].last().copied()
    }

    /// The number of slots later than `after` and not later than `until`.
    #[must_use]
    pub fn count_between(&self, after: UnixMs, until: UnixMs) -> u64 {
        self.until(until).saturating_sub(self.until(after)) as u64
    }

    /// The number of slots that are not later than `at`.
    #[must_use]
    pub fn until(&self, at: UnixMs) -> usize {
        self.0.partition_point(|slot| *slot <= at)
    }

    /// All instants in milliseconds, separated by spaces.
    pub(super) fn canonical(&self) -> String {
        let mut form = String::from("at");
        for slot in &self.0 {
            form.push(' ');
            form.push_str(&slot.0.to_string());
        }
        form
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<Instants> {
        words.literal("at")?;
        let mut instants = Vec::new();
        while let Some(instant) = words.peek().and_then(instant) {
            words.next();
            instants.push(instant);
        }
        let is_valid = !instants.is_empty() && is_ascending(&instants);
        is_valid.then(|| Instants(instants.into()))
    }

    /// Describes them in plain English: `once, at …`, or `3 times, first at … and last at …`.
    #[must_use]
    pub fn describe(&self, zone: &Zone) -> String {
        let [first, last] = [0, self.0.len() - 1].map(|index| zone.to_rfc3339(self.0[index]));
        match self.0.len() {
            1 => format!("once, at {first}"),
            count => format!("{count} times, first at {first} and last at {last}"),
        }
    }
}
