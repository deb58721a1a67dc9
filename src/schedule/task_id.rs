//! Task ids are derived from slots, so that a slot sent twice has the same id.

use std::io::Write as _;

use downbeat_time::UnixMs;
use uuid::Uuid;

/// A random constant; changing it would change every id.
const ROOT: Uuid = Uuid::from_u128(0x1f0a_6b1e_54c7_5d0c_9a55_8f3d_2b7e_6a41);

/// Makes the ids of one namespace: the same on every replica, forever.
#[derive(Clone, Copy, Debug)]
pub struct TaskIds {
    base: Uuid,
}

impl TaskIds {
    /// Makes ids for the schedulers that share `namespace`.
    #[must_use]
    pub fn new(namespace: &str) -> TaskIds {
        TaskIds { base: Uuid::new_v5(&ROOT, namespace.as_bytes()) }
    }

    /// `UUIDv5(UUIDv5(root, namespace), "<entry>\0<slot in UTC ms>")`.
    #[must_use]
    pub fn id(&self, entry: &str, slot: UnixMs) -> Uuid {
        let mut name = Vec::with_capacity(entry.len() + 21);
        name.extend_from_slice(entry.as_bytes());
        // Writing to a Vec cannot fail.
        let _ = write!(name, "\0{}", slot.0);
        Uuid::new_v5(&self.base, &name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let ids = TaskIds::new("downbeat");
        assert_eq!(
            ids.id("nightly-report", UnixMs::from_secs(1_700_000_000)).to_string(),
            "af06daa5-760e-55e0-9464-0c3d25b6bad2"
        );
    }

    #[test]
    fn namespace_entry_and_slot_each_change_the_id() {
        let id = TaskIds::new("a").id("b", UnixMs(1));
        assert_ne!(id, TaskIds::new("c").id("b", UnixMs(1)));
        assert_ne!(id, TaskIds::new("a").id("c", UnixMs(1)));
        assert_ne!(id, TaskIds::new("a").id("b", UnixMs(2)));
    }
}
