//! `import`: the schedules of another scheduler as schedule files.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use downbeat_time::{UnixMs, Zone};

use super::{Exit, Failure, configuration, show, times};
use crate::address::Secret;
use crate::cli::{self, ServiceFlags, Source};
use crate::clock;
use crate::config::{Broker, Caller};
use crate::import::celery::store::Application;
use crate::import::compare::{Comparison, compare};
use crate::import::crontab::{self, Reading};
use crate::import::django_celery_beat::from_dump;
use crate::import::redis_reader::RedisReader;
use crate::import::report::{Imported, Report};
use crate::import::verify::{Verified, verify};
use crate::import::write::{SCHEDULES, summary};
use crate::import::{Found, Grade, ImportError, bullmq, celery, redbeat, rq, sidekiq_cron};
use crate::tzdata::Tzdata;

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        let exit =
            if matches!(error, ImportError::Broker(_)) { Exit::Unreachable } else { Exit::No };
        Failure::new(exit, error)
    }
}

pub(super) fn import(asked: cli::Import, flags: ServiceFlags) -> Result<Exit, Failure> {
    let now = clock::wall();
    match asked.source {
        Source::CeleryBeat(asked) if asked.print_script => {
            show::exact(celery::SCRIPT.trim_end()).map(|()| Exit::Fine)
        }
        Source::CeleryBeat(asked) => {
            let app = asked.app.unwrap_or_default();
            let found = celery::from_app(&app, asked.python, asked.last_runs.as_deref())?;
            finish(found, "celery-beat", &asked.importing, now)
        }
        Source::DjangoCeleryBeat(asked) => {
            let found = from_dump(&asked.file, &application(asked.application), now)?;
            finish(found, "django-celery-beat", &asked.importing, now)
        }
        Source::Redbeat(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let application = application(asked.application);
            let found = redbeat::from_redis(&mut redis, &asked.prefix, &application, now)?;
            finish(found, "redbeat", &asked.importing, now)
        }
        Source::SidekiqCron(asked) => {
            let file = asked.source.as_ref().filter(|source| !is_address(source));
            let found = match file {
                Some(path) => sidekiq_cron::from_file(Path::new(path.expose()), asked.ruby)?,
                None => {
                    let mut redis = redis(asked.source, flags)?;
                    sidekiq_cron::from_redis(&mut redis, asked.redis_namespace, asked.ruby)?
                }
            };
            finish(found, "sidekiq-cron", &asked.importing, now)
        }
        Source::Bullmq(asked) => {
            let cli::Bullmq { url, prefix, queue, timezone, node, importing } = asked;
            let source = bullmq::Source { prefix, queues: queue, timezone, node };
            let found = bullmq::from_redis(&mut redis(url, flags)?, source, now)?;
            finish(found, "bullmq", &importing, now)
        }
        Source::RqCron(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let found = rq::from_cron(&mut redis, asked.timezone, asked.python)?;
            finish(found, "rq-cron", &asked.importing, now)
        }
        Source::RqScheduler(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let found = rq::from_scheduler(&mut redis, asked.timezone, asked.python, now)?;
            finish(found, "rq-scheduler", &asked.importing, now)
        }
        Source::Crontab(asked) => {
            let cli::Crontab { file, tasks, user_column, timezone, importing } = asked;
            let reading = Reading { tasks, has_user: user_column, timezone };
            finish(crontab::from_file(&file, &reading)?, "crontab", &importing, now)
        }
    }
}

/// Whether the source of an import is an address rather than a path.
fn is_address(source: &Secret) -> bool {
    source.expose().split_once("://").is_some()
}

/// The Redis at an address, or that of the service, with the service's certificates.
fn redis(url: Option<Secret>, flags: ServiceFlags) -> Result<RedisReader, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    match (url, service.broker) {
        (Some(url), _) => Ok(RedisReader::open(url.expose(), &service.tls)?),
        (None, Some(Broker::Redis(address))) => Ok(RedisReader::at(address, &service.tls)?),
        (None, Some(Broker::Spool(_)) | None) => {
            let message =
                "name the Redis to import from: `redis://HOST:6379/0`, or set it with --broker";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

fn application(application: cli::Application) -> Application {
    let cli::Application { app, python, timezone } = application;
    Application { app, python, timezone }
}

/// Writes the files of a source and says what became of each job.
fn finish(
    mut found: Found,
    name: &str,
    asked: &cli::Importing,
    now: UnixMs,
) -> Result<Exit, Failure> {
    let from = times::ahead("--from", asked.from.as_deref(), &Zone::utc(), now)?.unwrap_or(now);
    let verified = verify(&mut found, &Tzdata::load())?;
    let comparisons = match asked.compare {
        Some(count) => compare(&found, &verified.schedule, from, count)?,
        None => Vec::new(),
    };
    let files = match &asked.output {
        Some(folder) => write_files(folder, name, &verified)?,
        None if asked.output_format.json => Vec::new(),
        None => print_files(&verified).map(|()| Vec::new())?,
    };
    let report = Report::new(&found, comparisons, files);
    if asked.output_format.json {
        show::json(&report)?;
    } else {
        tell(&report, &found, asked.output.is_some())?;
        show::problems(&verified.warnings);
    }
    Ok(if report.is_incomplete() { Exit::No } else { Exit::Fine })
}

fn print_files(verified: &Verified) -> Result<(), Failure> {
    if let Some(settings) = &verified.settings {
        let commented: Vec<String> = settings.lines().map(|line| format!("# {line}")).collect();
        show::exact(&format!("# downbeat.yaml:\n{}\n", commented.join("\n")))?;
    }
    show::exact(verified.text.trim_end())
}

/// Writes the files into a folder that has none of them yet, and returns their paths.
fn write_files(folder: &Path, name: &str, verified: &Verified) -> Result<Vec<String>, Failure> {
    let schedule = (folder.join(SCHEDULES).join(format!("{name}.yaml")), Some(&verified.text));
    let settings = (folder.join("downbeat.yaml"), verified.settings.as_ref());
    let files: Vec<(PathBuf, &String)> =
        [schedule, settings].into_iter().filter_map(|(path, text)| Some((path, text?))).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        let message =
            format!("{} exists; remove it, or name another folder with --output", path.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut written = Vec::new();
    for (path, text) in files {
        create(&path, text).map_err(|error| ImportError::of_file(&path, error))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

const COLUMNS: [show::Column; 3] = [
    show::Column::cut("ENTRY", 12),
    show::Column::whole("GRADE"),
    show::Column::cut("HOW", 20).or(""),
];
const COMPARED: show::Column = show::Column::whole("COMPARED");

/// Says what became of each job: on standard output, or on standard error if the file itself is printed.
fn tell(report: &Report, found: &Found, is_written: bool) -> Result<(), Failure> {
    let is_compared = report.entries.iter().any(|entry| entry.comparison.is_some());
    let rows: Vec<Vec<String>> =
        report.entries.iter().map(|entry| row(entry, is_compared)).collect();
    if is_written {
        let [entry, grade, how] = COLUMNS;
        let columns =
            if is_compared { vec![entry, grade, COMPARED, how] } else { vec![entry, grade, how] };
        show::table(&columns, &rows)?;
        report.files.iter().try_for_each(|file| show::line(&format!("wrote {file}")))?;
    } else {
        let changed = report.entries.iter().zip(&rows);
        // A person who reads the file needs no list of what is the same.
        let changed =
            changed.filter(|(entry, _)| entry.grade != Grade::Same || entry.comparison.is_some());
        changed.for_each(|(_, row)| show::complain(&row.join(": ")));
    }
    show::complain(&format!("downbeat: {}", summary(&found.jobs)));
    report.notes.iter().for_each(|note| show::complain(&format!("note: {note}")));
    let faults =
        report.entries.iter().filter_map(|entry| Some((&entry.entry, entry.comparison.as_ref()?)));
    for (entry, comparison) in faults.filter(|(_, comparison)| comparison.is_fault()) {
        let what = comparison.error.clone().unwrap_or_else(|| comparison.examples.join(", "));
        show::complain(&format!("unexplained: {entry}: {what}"));
    }
    if is_compared {
        let count = |of: fn(&Comparison) -> usize| {
            report
                .entries
                .iter()
                .filter_map(|entry| entry.comparison.as_ref())
                .map(of)
                .sum::<usize>()
        };
        show::complain(&format!(
            "downbeat: compared {} instants: {} the same, {} explained, {} unexplained",
            count(|it| it.theirs),
            count(|it| it.same),
            count(|it| it.explained.values().sum()),
            count(|it| it.unexplained)
        ));
    }
    Ok(())
}

fn row(entry: &Imported, is_compared: bool) -> Vec<String> {
    let grade = match entry.grade {
        Grade::Same => "same",
        Grade::Differs => "differs",
        Grade::Cannot => "cannot",
    };
    let differences = entry.differences.iter().map(|it| it.text.clone());
    let why = entry.cannot.iter().map(|cannot| match &cannot.instead {
        Some(instead) => format!("{}; {instead}", cannot.why),
        None => cannot.why.clone(),
    });
    let how: Vec<String> =
        if entry.cannot.is_some() { why.collect() } else { differences.collect() };
    let how = how.join("; ");
    let compared = is_compared.then(|| entry.comparison.as_ref().map(compared).unwrap_or_default());
    [Some(entry.entry.clone()), Some(grade.to_owned()), compared, Some(how)]
        .into_iter()
        .flatten()
        .collect()
}

/// `198 of 200, 2 at a change of the clock`.
fn compared(comparison: &Comparison) -> String {
    if comparison.error.is_some() {
        return "failed".to_owned();
    }
    let mut text = format!("{} of {}", comparison.same, comparison.theirs);
    for (explanation, count) in &comparison.explained {
        text += &format!(", {count} {}", explanation.in_words());
    }
    match comparison.unexplained {
        0 => text,
        count => format!("{text}, {count} UNEXPLAINED"),
    }
}
