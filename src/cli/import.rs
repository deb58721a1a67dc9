//! `import`: one subcommand for each source.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::{Json, candidates};
use crate::import::compare::MAX_INSTANTS;

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat import celery-beat shop.celery --output ./imported
  downbeat import celery-beat shop.celery --compare 200 > /dev/null

Prints a schedule file, and then what became of each job: same, differs (how) \
or cannot (why, and what to do instead). Nothing of the source is changed.

Exit status: 1 if a job is left out, or --compare finds what it cannot explain.")]
pub struct Import {
    /// What to import
    #[command(subcommand)]
    pub source: Source,
}

/// A source of schedules.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// The schedule of a Celery application, which its own Python imports
    #[command(after_help = "\
Examples:
  downbeat import celery-beat shop.celery --python ./venv/bin/python
  downbeat import celery-beat --print-script

Run it where `celery -A APP beat` is run. It executes the application's code, \
as beat does, but connects to no broker.")]
    CeleryBeat(CeleryBeat),
    /// A crontab, whose commands become tasks
    #[command(after_help = "\
Examples:
  downbeat import crontab /etc/cron.d/shop --map 'manage.py report=shop.report'
  crontab -l > crontab.txt && downbeat import crontab crontab.txt

A command that no --map names becomes the task `shell.run` with the command as \
its argument. cron has no code that could be asked, so --compare does not work \
here; a crontab line means the same in both.")]
    Crontab(Crontab),
}

/// What all sources have in common.
#[derive(Debug, Args)]
pub struct Importing {
    /// Write schedules/SOURCE.yaml and, if queues need it, downbeat.yaml into this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Ask the old scheduler's own code for the next N instants of each entry, and compare
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_INSTANTS as u64))]
    pub compare: Option<usize>,
    /// Compare instants after this time [default: now]
    #[arg(long, value_name = "TIME", requires = "compare")]
    pub from: Option<String>,
    /// Output of what became of each job
    #[command(flatten)]
    pub output_format: Json,
}

/// `import celery-beat`.
#[derive(Debug, Args)]
pub struct CeleryBeat {
    /// The application, as for `celery -A`
    #[arg(value_name = "APP", required_unless_present = "print_script")]
    pub app: Option<String>,
    /// The application's Python [default: that of the active virtual environment, else python3]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Print the script that this Python would run, and run nothing
    #[arg(long)]
    pub print_script: bool,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

/// `import crontab`.
#[derive(Debug, Args)]
pub struct Crontab {
    /// The file, as `crontab -l` prints it or as in /etc
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A part of a command (`*` for anything) and the task that stands for it; repeated
    #[arg(long = "map", value_name = "PATTERN=TASK", value_parser = task_of_pattern)]
    pub tasks: Vec<(String, String)>,
    /// Whether the command comes after a user [default: in files of /etc]
    #[arg(long, value_name = "BOOL")]
    pub user_column: Option<bool>,
    /// The zone of the machine that runs it [default: this machine's]
    #[arg(long, value_name = "ZONE", add = ArgValueCandidates::new(candidates::zones))]
    pub timezone: Option<String>,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

fn task_of_pattern(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((pattern, task)) if !pattern.is_empty() && !task.is_empty() => {
            Ok((pattern.to_owned(), task.to_owned()))
        }
        _ => Err("expected PATTERN=TASK, such as `manage.py report=shop.report`".to_owned()),
    }
}
