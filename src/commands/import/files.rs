//! The files of an import: a schedule file, and the service's configuration.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::commands::{Exit, Failure, show};
use crate::import::ImportError;
use crate::import::verify::Verified;
use crate::import::write::SCHEDULES;

const CONFIGURATION: &str = "downbeat.yaml";

/// Prints the schedule file, below the configuration as a comment if that says more than where schedules are.
pub(super) fn print(verified: &Verified, has_queues: bool) -> Result<(), Failure> {
    if has_queues {
        let settings = &verified.settings;
        let commented: Vec<String> = settings.lines().map(|line| format!("# {line}")).collect();
        show::exact(&format!("# {CONFIGURATION}:\n{}\n", commented.join("\n")))?;
    }
    show::exact(verified.text.trim_end())
}

/// Writes both files into a folder, and returns their paths, the configuration's last. With `replace`, a schedule file
/// may exist. A configuration that exists may hold more than was imported, so it is kept.
pub(super) fn write(
    folder: &Path,
    name: &str,
    verified: &Verified,
    replace: bool,
) -> Result<Vec<String>, Failure> {
    let schedule = folder.join(SCHEDULES).join(format!("{name}.yaml"));
    let settings = folder.join(CONFIGURATION);
    let is_kept = settings.exists();
    let differs =
        is_kept && fs::read_to_string(&settings).ok().as_ref() != Some(&verified.settings);
    if !replace {
        let others = [
            (schedule.exists(), &schedule, "exists; replace it with --replace"),
            (differs, &settings, "exists, and says something else; keep it with --replace"),
        ];
        if let Some((_, path, what)) = others.iter().find(|(is_there, ..)| *is_there) {
            let message =
                format!("{} {what}, or name another folder with --output", path.display());
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    put(&schedule, &verified.text)?;
    if !is_kept {
        put(&settings, &verified.settings)?;
    } else if differs {
        show::complain(&format!(
            "note: {} is kept, and differs from what this import would write",
            settings.display()
        ));
    }
    Ok([schedule, settings].iter().map(|path| path.display().to_string()).collect())
}

/// Writes a file in one step: a service that watches it never reads a part.
fn put(path: &Path, text: &str) -> Result<(), ImportError> {
    let staged = path.with_extension("new");
    let write = || -> io::Result<()> {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::create(&staged)?.write_all(text.as_bytes())?;
        fs::rename(&staged, path)
    };
    write().map_err(|error| ImportError::of_file(path, error))
}
