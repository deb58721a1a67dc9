//! `import`: the schedules of another scheduler as schedule files.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use downbeat_time::{UnixMs, Zone};

use super::{Exit, Failure, show, times};
use crate::cli;
use crate::cli::Source;
use crate::clock;
use crate::import::compare::{Comparison, compare};
use crate::import::crontab::{self, Reading};
use crate::import::report::{Imported, Report};
use crate::import::verify::{Verified, verify};
use crate::import::write::{SCHEDULES, summary};
use crate::import::{Found, Grade, ImportError, celery};
use crate::tzdata::Tzdata;

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        Failure::new(Exit::No, error)
    }
}

pub(super) fn import(asked: cli::Import) -> Result<Exit, Failure> {
    match asked.source {
        Source::CeleryBeat(asked) if asked.print_script => {
            show::exact(celery::SCRIPT.trim_end()).map(|()| Exit::Fine)
        }
        Source::CeleryBeat(asked) => {
            let app = asked.app.unwrap_or_default();
            finish(
                celery::from_app(&app, asked.python)?,
                "celery-beat",
                &asked.importing,
                clock::wall(),
            )
        }
        Source::Crontab(asked) => {
            let reading = Reading {
                tasks: asked.tasks,
                has_user: asked.user_column,
                timezone: asked.timezone,
            };
            finish(
                crontab::from_file(&asked.file, &reading)?,
                "crontab",
                &asked.importing,
                clock::wall(),
            )
        }
    }
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
