//! `import`: one subcommand for each source.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, RangedU64ValueParser};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::{Json, candidates};
use crate::address::Secret;
use crate::import::compare::MAX_INSTANTS;

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat import celery-beat shop.celery --output ./imported
  downbeat import celery-beat shop.celery --compare 200 > /dev/null

Prints a schedule file, and then what became of each job: same, differs (how) \
or cannot (why, and what to do instead). The source is not changed.

Exit status: 1 if a job is left out, or --compare finds a difference that it \
cannot explain.")]
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

Run it in the folder in which `celery -A APP beat` runs. It executes the \
application's code, as beat does, but connects to no broker.")]
    CeleryBeat(CeleryBeat),
    /// The rows of django-celery-beat, in a dump of a Django project
    #[command(after_help = "\
Examples:
  downbeat import django-celery-beat beat.json --app shop --output moved
  downbeat import django-celery-beat - --timezone Asia/Seoul < beat.json

FILE is what `manage.py dumpdata django_celery_beat` writes. A dump of the whole \
project will do; other models are ignored. With --app, it executes the \
application's code, as beat does, but connects to no broker.")]
    DjangoCeleryBeat(DjangoCeleryBeat),
    /// The entries of RedBeat in Redis
    #[command(after_help = "\
Examples:
  downbeat import redbeat redis://127.0.0.1:6379/0 --app shop --output moved
  downbeat import redbeat redis://127.0.0.1:6379/1 --prefix shop: --compare 50

Only reads the keys. With --app, it executes the application's code, as beat \
does, but connects to no broker.")]
    Redbeat(Redbeat),
    /// The jobs of sidekiq-cron, from its schedule file or from Redis
    #[command(after_help = "\
Examples:
  downbeat import sidekiq-cron config/schedule.yml --output ./imported
  downbeat import sidekiq-cron redis://localhost:6379/0 --compare 200

ERB in a file is not run. Redis also has the `sidekiq_options` of the classes; \
a file does not.")]
    SidekiqCron(SidekiqCron),
    /// The job schedulers of BullMQ
    #[command(after_help = "\
Examples:
  downbeat import bullmq redis://localhost:6379/0 --output ./imported
  downbeat import bullmq --queue mail --queue reports --compare 200

--compare runs Node in the current folder, where it must find `bullmq`.")]
    Bullmq(Bullmq),
    /// The jobs of RQ's running cron schedulers
    #[command(after_help = "\
Examples:
  downbeat import rq-cron redis://localhost:6379/0 --output ./imported
  downbeat import rq-cron --timezone Asia/Seoul --compare 200 --python ./venv/bin/python

RQ keeps these jobs in Redis only while `rq cron CONFIG` runs.")]
    RqCron(Rq),
    /// The jobs of rq-scheduler
    #[command(after_help = "\
Examples:
  downbeat import rq-scheduler redis://localhost:6379/0 --output ./imported
  downbeat import rq-scheduler --timezone Asia/Seoul --compare 200 --python ./venv/bin/python

Pickles are read, never executed. Jobs whose arguments are not plain data are \
left out.")]
    RqScheduler(Rq),
    /// A crontab, whose commands become tasks
    #[command(after_help = "\
Examples:
  downbeat import crontab /etc/cron.d/shop --map 'manage.py report=shop.report'
  crontab -l > crontab.txt && downbeat import crontab crontab.txt

A command that no --map names becomes the task `shell.run` with the command as \
its argument. A crontab line means the same in both; --compare does not work \
here, because cron has no code that could be asked.")]
    Crontab(Crontab),
}

/// What all sources have in common.
#[derive(Debug, Args)]
pub struct Importing {
    /// Write schedules/SOURCE.yaml and downbeat.yaml into this folder
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Replace schedules/SOURCE.yaml if it exists, in one step; downbeat.yaml is kept as it is
    #[arg(long, requires = "output")]
    pub replace: bool,
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
    #[arg(
        value_name = "APP",
        required_unless_present = "print_script",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub app: Option<String>,
    /// The application's Python [default: that of the active virtual environment, else python3]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Continue intervals from the last runs in beat's own file (celerybeat-schedule); stop beat first
    #[arg(long, value_name = "FILE")]
    pub last_runs: Option<PathBuf>,
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
    /// A part of a command (`*` for anything) and the task to call instead; can be repeated
    #[arg(long = "map", value_name = "PATTERN=TASK", value_parser = task_of_pattern)]
    pub tasks: Vec<(String, String)>,
    /// Whether a user comes before the command [default: in files of /etc]
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

/// `import django-celery-beat`.
#[derive(Debug, Args)]
pub struct DjangoCeleryBeat {
    /// What `manage.py dumpdata` wrote, as JSON; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The application
    #[command(flatten)]
    pub application: Application,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

/// `import redbeat`.
#[derive(Debug, Args)]
pub struct Redbeat {
    /// The address of RedBeat's Redis, as `redbeat_redis_url` has it [default: that of the service's broker]
    #[arg(value_name = "URL")]
    pub url: Option<Secret>,
    /// The prefix of its keys, `redbeat_key_prefix`
    #[arg(long, value_name = "TEXT", default_value = "redbeat:")]
    pub prefix: String,
    /// The application
    #[command(flatten)]
    pub application: Application,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

/// The application whose entries a store holds.
#[derive(Debug, Args)]
pub struct Application {
    /// The application, as for `celery -A`; it knows routes, options of tasks, and the default queue
    #[arg(long, value_name = "APP", value_parser = NonEmptyStringValueParser::new())]
    pub app: Option<String>,
    /// The application's Python [default: that of the active virtual environment, else python3]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// The zone of crontabs that name none [default: the application's, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
}

/// `import sidekiq-cron`.
#[derive(Debug, Args)]
pub struct SidekiqCron {
    /// A schedule file, or the address of Redis [default: that of the service's broker]
    #[arg(value_name = "FILE|URL")]
    pub source: Option<Secret>,
    /// The namespace of `redis-namespace`, which goes in front of every key
    #[arg(long, value_name = "NAME")]
    pub redis_namespace: Option<String>,
    /// The Ruby for --compare, with fugit installed [default: ruby]
    #[arg(long, value_name = "PATH")]
    pub ruby: Option<PathBuf>,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

/// `import bullmq`.
#[derive(Debug, Args)]
pub struct Bullmq {
    /// The address of Redis [default: that of the service's broker]
    #[arg(value_name = "URL")]
    pub url: Option<Secret>,
    /// The prefix of all keys
    #[arg(long, value_name = "PREFIX", default_value = "bull")]
    pub prefix: String,
    /// Import only this queue; can be repeated [default: all queues]
    #[arg(long, value_name = "QUEUE")]
    pub queue: Vec<String>,
    /// The zone of the machines that run the workers [default: UTC]
    #[arg(long, value_name = "ZONE", add = ArgValueCandidates::new(candidates::zones))]
    pub timezone: Option<String>,
    /// The Node for --compare, which must find `bullmq` [default: node]
    #[arg(long, value_name = "PATH")]
    pub node: Option<PathBuf>,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}

/// `import rq-cron` and `import rq-scheduler`.
#[derive(Debug, Args)]
pub struct Rq {
    /// The address of Redis [default: that of the service's broker]
    #[arg(value_name = "URL")]
    pub url: Option<Secret>,
    /// The zone of the machine that runs the scheduler [default: UTC]
    #[arg(long, value_name = "ZONE", add = ArgValueCandidates::new(candidates::zones))]
    pub timezone: Option<String>,
    /// The Python for --compare, with the library installed [default: that of the active virtual environment, else
    /// python3]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// In common
    #[command(flatten)]
    pub importing: Importing,
}
