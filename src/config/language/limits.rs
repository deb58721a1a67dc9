//! How much a schedule file may hold, and what applies where it says nothing.

use std::time::Duration;

/// Maximum bytes of an entry's name.
pub(crate) const MAX_ENTRY_NAME: usize = 200;
/// Maximum number of an entry's `tags`.
pub(crate) const MAX_TAGS: usize = 32;
/// Maximum bytes of a tag.
pub(crate) const MAX_TAG: usize = 64;
/// The queue of entries that name none: Celery's default.
pub(crate) const DEFAULT_QUEUE: &str = "celery";
/// Default of `within`: how old a slot may be and still be sent.
pub(crate) const DEFAULT_WITHIN: Duration = Duration::from_secs(86_400);
