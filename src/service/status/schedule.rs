//! What is shown of the loaded schedule.

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

/// What to do about a refused schedule.
const RELOAD_HINT: &str = "fixed files are loaded automatically";

/// The loaded schedule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Equal on replicas with equal files.
    pub hash: String,
    /// All entries, including disabled ones.
    pub entries: usize,
    /// The source and version of the zone rules.
    pub tzdata: String,
    /// When it was loaded.
    pub loaded_at: UnixMs,
    /// The last reload, if there was one.
    pub reload: Option<ReloadStatus>,
    /// The files have been invalid since the service started: it runs on the ones that were accepted
    /// before.
    pub started_from_kept: bool,
    /// When the kept files were accepted: a start that finds the configured ones invalid runs on them.
    /// Without any, such a start fails.
    pub kept_at: Option<UnixMs>,
    /// Why the files of this schedule were not kept.
    pub not_kept: Option<String>,
}

impl ScheduleStatus {
    /// That the files are invalid, what runs instead, and what the next start will do.
    pub(super) fn trouble(&self) -> Option<String> {
        let reload = self.reload.as_ref().filter(|reload| !reload.accepted)?;
        let first = reload.text.lines().next().unwrap_or_default();
        let refused = if self.started_from_kept {
            format!("the schedule files are invalid ({first})")
        } else {
            format!("the last reload failed ({first})")
        };
        Some(match (self.kept_at, &self.not_kept) {
            (Some(accepted_at), Some(why)) => format!(
                "{refused}: keeping the previous schedule; the next start will run the one accepted \
                 at {accepted_at}: {why}; {RELOAD_HINT}"
            ),
            (Some(accepted_at), None) => format!(
                "{refused}: running the schedule accepted at {accepted_at}, and will again after a \
                 restart; {RELOAD_HINT}"
            ),
            (None, Some(why)) => format!(
                "{refused}: keeping the previous schedule; the next start will fail: {why}; {RELOAD_HINT}"
            ),
            (None, None) => format!("{refused}: keeping the previous schedule; {RELOAD_HINT}"),
        })
    }
}

/// The outcome of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// When.
    pub at: UnixMs,
    /// `false` if the old schedule stays active.
    pub accepted: bool,
    /// The difference in words, or the errors found, each as `file:line:column: message`. Those who may
    /// read the status may not be permitted to read the files, so these are not quoted.
    pub text: String,
}
