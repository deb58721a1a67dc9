//! Stored values that cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Change;
use crate::store::journal::{MAX_UNREADABLE, shortened};

/// The field that a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Registration,
    Progress,
    Intent,
    Journal,
}

impl Field {
    const ALL: [Field; 4] = [Field::Registration, Field::Progress, Field::Intent, Field::Journal];
}

/// The unreadable values as stored, by entry and field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unreadable(pub(crate) BTreeMap<(Box<str>, Field), Value>);

impl Unreadable {
    /// Forgets values that the change replaces.
    pub(super) fn forget_replaced(&mut self, change: &Change) {
        if self.0.is_empty() {
            return;
        }
        let mut forget = |entry: &str, fields: &[Field]| {
            for field in fields {
                self.0.remove(&(entry.into(), *field));
            }
        };
        change.registrations.iter().for_each(|(entry, _)| forget(entry, &Field::ALL));
        let of_progress = [Field::Progress, Field::Journal];
        change.progress.iter().for_each(|(entry, _)| forget(entry, &of_progress));
        change.intents.iter().for_each(|(entry, _)| forget(entry, &[Field::Intent]));
    }

    /// The entries with unreadable values, and what is unreadable, up to the maximum.
    pub(super) fn named(&self) -> Vec<(Arc<str>, String)> {
        let output = |((entry, _), raw): (&(Box<str>, Field), &Value)| {
            (Arc::from(&**entry), shortened(raw.to_string().as_bytes()))
        };
        self.0.iter().take(MAX_UNREADABLE).map(output).collect()
    }
}
