//! Which queues have counters of their own.

use std::collections::HashSet;
use std::sync::Arc;

use crate::store::contract::{MAX_COUNTED_QUEUES, OTHER_QUEUES};

/// The queues that have counters of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct CountedQueues {
    names: HashSet<Arc<str>>,
}

impl CountedQueues {
    /// Adds a queue that already has counters.
    pub(super) fn add(&mut self, name: &str) {
        if self.names.len() < MAX_COUNTED_QUEUES && name != OTHER_QUEUES {
            self.names.insert(name.into());
        }
    }

    /// The name that a queue is counted under: its own, while there are few queues.
    pub(super) fn name<'n>(&mut self, name: &'n Arc<str>) -> &'n str {
        let fits = self.names.contains(name) || self.names.len() < MAX_COUNTED_QUEUES;
        if fits {
            self.names.insert(Arc::clone(name));
        }
        if fits { name } else { OTHER_QUEUES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_came_first_are_counted_apart() {
        let mut counted = CountedQueues::default();
        counted.add("before");
        for n in 1..MAX_COUNTED_QUEUES {
            let name: Arc<str> = n.to_string().into();
            assert_eq!(counted.name(&name), &*name);
        }
        assert_eq!(counted.name(&"late".into()), OTHER_QUEUES);
        assert_eq!(counted.name(&"before".into()), "before");
    }
}
