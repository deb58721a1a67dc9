//! When entries are due, in order.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use super::Appointment;

/// The appointments of entries. A takeover's are sorted when the agenda is first read: by then the memory of
/// what was read from the store is free, and a million new nodes do not keep it from being returned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    sorted: OnceLock<BTreeSet<Appointment>>,
    /// Appointments to be added to `sorted`.
    unsorted: Vec<Appointment>,
}

impl Agenda {
    /// Adds the first appointments of many entries.
    pub(super) fn add_all(&mut self, mut appointments: Vec<Appointment>) {
        appointments.append(&mut self.unsorted);
        appointments.extend(self.sorted.take().into_iter().flatten());
        self.unsorted = appointments;
    }
}

impl Deref for Agenda {
    type Target = BTreeSet<Appointment>;

    fn deref(&self) -> &BTreeSet<Appointment> {
        self.sorted.get_or_init(|| self.unsorted.iter().copied().collect())
    }
}

impl DerefMut for Agenda {
    fn deref_mut(&mut self) -> &mut BTreeSet<Appointment> {
        self.sorted.get_or_init(|| self.unsorted.iter().copied().collect());
        self.unsorted = Vec::new();
        self.sorted.get_mut().expect("it was just made")
    }
}

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;

    use super::*;

    #[test]
    fn what_is_added_at_once_comes_in_order_with_what_was_there() {
        let mut agenda = Agenda::default();
        agenda.insert((UnixMs(5), 1));
        agenda.add_all(vec![(UnixMs(7), 2), (UnixMs(3), 3), (UnixMs(5), 1)]);
        assert_eq!(agenda.first(), Some(&(UnixMs(3), 3)));
        agenda.remove(&(UnixMs(7), 2));
        agenda.add_all(vec![(UnixMs(1), 4)]);
        assert_eq!(agenda.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [4, 3, 1]);
    }
}
