//! `diff`: what an edit of schedule files changes, entry by entry.

mod entries;
mod facts;
mod print;

use std::path::Path;
use std::slice;

use downbeat_time::UnixMs;

use super::{Exit, Failure, configuration, show, times};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{self, Caller, Loaded, ServiceConfig};
use crate::schedule::{Entry, Schedule};
use crate::text::Problem;
use crate::tzdata::Tzdata;

use self::entries::Difference;

/// Stands for a folder that does not exist, as in Git.
const NOTHING: &str = "/dev/null";

/// Exits with 0 if the entries are the same, with 1 if not, and with 2 if they cannot be compared, like `diff`.
pub(super) fn diff(flags: ServiceFlags, asked: &cli::Diff) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let now = clock::wall();
    let from = |entry: &Entry| -> Result<UnixMs, Failure> {
        let from = times::ahead("--from", asked.from.as_deref(), &entry.zone, now)?;
        Ok(from.unwrap_or(now))
    };
    let tzdata = Tzdata::load();
    let [old, new] = [&asked.old, &asked.new].map(|path| load(path, &service, &tzdata));
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => return refuse(asked, [old, new]),
    };
    let difference = Difference::between(&old, &new, from)?;
    if asked.output.json {
        show::json(&difference)?;
    } else {
        print::print(&difference)?;
    }
    Ok(if difference.is_empty() { Exit::Fine } else { Exit::No })
}

/// The schedule of a folder or file; else all its problems.
fn load(path: &Path, service: &ServiceConfig, tzdata: &Tzdata) -> Result<Schedule, Vec<Problem>> {
    if path == Path::new(NOTHING) {
        return Ok(Schedule::default());
    }
    let loaded = config::load(slice::from_ref(&path.to_owned()), &service.queues, tzdata);
    let Loaded { schedule, problems, .. } = loaded;
    schedule.ok_or(problems)
}

/// Reports the problems of both sides.
fn refuse(asked: &cli::Diff, sides: [Result<Schedule, Vec<Problem>>; 2]) -> Result<Exit, Failure> {
    let problems: Vec<Problem> = sides.into_iter().filter_map(Result::err).flatten().collect();
    if asked.output.json {
        show::json(&serde_json::json!({ "problems": problems }))?;
        return Ok(Exit::Usage);
    }
    Err(Failure::invalid(Exit::Usage, "cannot compare: invalid schedule", problems))
}
