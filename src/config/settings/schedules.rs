//! `schedules`: where the schedule files are.

use std::path::PathBuf;

use super::overrides::Overrides;
use super::sources::{Origin, Sources};

pub(super) fn read(overrides: &Overrides, from: &mut Sources<'_, '_, '_>) -> Option<Vec<PathBuf>> {
    if !overrides.schedules.is_empty() {
        from.note("schedules", &Origin::Flag("--schedules"));
        return Some(overrides.schedules.clone());
    }
    if let Some(list) = from.variable("schedules", "DOWNBEAT_SCHEDULES") {
        // An address that is split at its colons leaves its password before an `@`.
        let is_odd = |path: &str| path.contains('@') && !path.starts_with(['/', '.']);
        if list.text.contains("://") || list.text.split(':').any(is_odd) {
            let hint = "an address goes into DOWNBEAT_BROKER or DOWNBEAT_STATE";
            from.error(&list.place, "this looks like an address, not like a list of paths", hint);
            return None;
        }
        return Some(
            list.text.split(':').filter(|path| !path.is_empty()).map(Into::into).collect(),
        );
    }
    from.paths("schedules")
}
