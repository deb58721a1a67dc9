//! A crontab: that of a user, or one of the system with a column for the user.

mod command;

use std::io::{self, Read as _};
use std::path::Path;

use serde_json::{Value, json};

use self::command::{after, arguments, name_of, percent};
use super::literal::literal;
use super::names::Names;
use super::{Difference, Found, ImportError, Job, MAX_JOBS};
use crate::regular_file;

/// Maximum bytes of a crontab.
const MAX_BYTES: u64 = 16 << 20;
/// The task of a command that no `--map` names.
const SHELL_TASK: &str = "shell.run";

/// How a crontab is read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Parts of commands, with the tasks that stand for them; the first that matches counts.
    pub(crate) tasks: Vec<(String, String)>,
    /// Whether a column with the user comes before the command; `None`: as in /etc.
    pub(crate) has_user: Option<bool>,
    /// The zone of the machine that runs it; `None`: this machine's.
    pub(crate) timezone: Option<String>,
}

/// Imports a crontab; `-` is standard input.
///
/// # Errors
///
/// If it cannot be read, or is not UTF-8.
pub(crate) fn from_file(path: &Path, reading: &Reading) -> Result<Found, ImportError> {
    let text = read(path)?;
    let is_of_system =
        path.starts_with("/etc") || path.file_name().is_some_and(|name| name == "crontab");
    let has_user = reading.has_user.unwrap_or(is_of_system);
    let zone = reading.timezone.clone().or_else(local_zone);
    let mut found = from_text(&text, has_user, &reading.tasks, zone.clone());
    found.source = format!("the crontab {}", path.display());
    if zone.is_none() {
        found.notes.push("The zone of this machine is not known: times are read in UTC, unless --timezone names one.".to_owned());
    }
    if found.jobs.len() > MAX_JOBS {
        return Err(ImportError::Invalid(format!(
            "{}: more than {MAX_JOBS} lines",
            path.display()
        )));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String, ImportError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        match io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 > MAX_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
            read => read.map(|_| bytes),
        }
    } else {
        regular_file::read(path, MAX_BYTES)
    };
    let bytes = bytes.map_err(|error| ImportError::of_file(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ImportError::Invalid(format!(
            "{}:{line}: this is not UTF-8; convert the file, such as with `iconv -f latin1 -t utf-8`",
            path.display()
        ))
    })
}

/// The zone by whose clock cron runs: that of the machine.
fn local_zone() -> Option<String> {
    let target = std::fs::read_link("/etc/localtime").ok()?;
    let name = target.to_str()?.split_once("/zoneinfo/")?.1.to_owned();
    Some(name).filter(|name| name != "Etc/UTC")
}

/// Reads the lines: settings, and commands with their times.
fn from_text(
    text: &str,
    has_user: bool,
    tasks: &[(String, String)],
    zone: Option<String>,
) -> Found {
    let mut found = Found { timezone: zone, ..Found::default() };
    let (mut names, mut cron_zone, mut settings) = (Names::default(), None, Vec::new());
    let mut about = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix('#') {
            about = comment.trim_start_matches('#').trim().to_owned();
            continue;
        }
        if let Some((name, value)) = setting(line) {
            match name {
                "CRON_TZ" => cron_zone = Some(value.to_owned()),
                name => settings.push(name.to_owned()),
            }
        } else if let Some(mut job) = job(line, has_user, tasks) {
            job.name = names.unique(&job.name);
            if let Some(zone) = &cron_zone {
                job.set("timezone", zone.clone());
            }
            if !about.is_empty() {
                job.set("description", about.clone());
            }
            found.jobs.push(job);
        }
        about.clear();
    }
    settings.sort();
    settings.dedup();
    if !settings.is_empty() {
        found.notes.push(format!(
            "Settings for commands have no effect on tasks: {}.",
            settings.join(", ")
        ));
    }
    if found.jobs.iter().any(|job| job.text("task") == SHELL_TASK) {
        found.notes.push(format!(
            "Commands that no --map names become the task `{SHELL_TASK}`: write one that runs its first argument, or \
             name tasks."
        ));
    }
    found
}

/// `NAME = value`, as cron reads it.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name, value.trim().trim_matches(['"', '\''])))
}

fn job(line: &str, has_user: bool, tasks: &[(String, String)]) -> Option<Job> {
    if line.is_empty() {
        return None;
    }
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let (when, rest) = split_fields(line, fields);
    let (user, command) = if has_user { split_fields(rest, 1) } else { ("", rest) };
    let mut job = Job::new(name_of(command));
    if command.is_empty() {
        job.name = "incomplete line".to_owned();
        job.cannot(format!("`{line}` has no command"), None);
        return Some(job);
    }
    let (command, input) = percent(command);
    let mapped = tasks
        .iter()
        .find_map(|(pattern, task)| Some((after(pattern, &command).map(arguments)?, task)));
    match mapped {
        Some((rest, task)) => {
            job.set("task", task.clone());
            if !rest.is_empty() {
                let rest = format!("`{rest}` of its command: write it as `args` or `kwargs`");
                job.differs(Difference::Dropped(rest));
            }
        }
        None => {
            job.set("task", SHELL_TASK);
            job.differs(Difference::Other(format!(
                "the task `{SHELL_TASK}` has to run the command"
            )));
        }
    }
    match when {
        "@reboot" => {
            job.cannot("it runs when the machine starts", Some("make it a service of systemd"))
        }
        when => set_when(&mut job, when),
    }
    if job.text("task") == SHELL_TASK {
        job.set("args", literal(json!([command])));
    }
    if !user.is_empty() && user != "root" {
        job.differs(Difference::Dropped(format!("the worker's user runs it, not `{user}`")));
    }
    if let Some(input) = input {
        job.set("kwargs", literal(json!({"input": input})));
        job.differs(Difference::Other(
            "what follows `%` was the command's input; it is passed as `input`".to_owned(),
        ));
    }
    job.set("queue", Value::from("celery"));
    Some(job)
}

/// Sets `cron`, and says how two restricted fields of days combine: crontab(5) wants both to match if one begins with
/// a star, else one of them.
fn set_when(job: &mut Job, when: &str) {
    let fields: Vec<&str> = when.split_whitespace().collect();
    job.set("cron", fields.join(" "));
    if let [_, _, day, _, weekday] = fields[..]
        && day != "*"
        && weekday != "*"
    {
        let is_both = day.starts_with('*') || weekday.starts_with('*');
        job.set("day_match", if is_both { "and" } else { "or" });
    }
}

/// The first fields, and the rest.
fn split_fields(line: &str, count: usize) -> (&str, &str) {
    let mut rest = line;
    for _ in 0..count {
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        rest = rest[end..].trim_start();
    }
    (line[..line.len() - rest.len()].trim_end(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Grade, verify::verify};
    use crate::tzdata::Tzdata;

    fn found(text: &str, has_user: bool) -> Found {
        let tasks = vec![("manage.py report*--daily".to_owned(), "reports.daily".to_owned())];
        let mut found = from_text(text, has_user, &tasks, None);
        verify(&mut found, &Tzdata::load()).unwrap();
        found
    }

    #[test]
    fn lines_become_entries_and_named_commands_tasks() {
        let text = "MAILTO=ops@example.com\n\n# The daily report\n30 6 * * 1-5 cd /srv && python manage.py report -v --daily\n\
                    @hourly /usr/bin/cleanup --all\n*/5 9-17 1 * mon  ping -c1 host\n";
        let found = found(text, false);
        let keys: Vec<String> =
            found.jobs.iter().map(|job| Value::Object(job.keys.clone()).to_string()).collect();
        assert_eq!(
            keys,
            [
                r#"{"task":"reports.daily","cron":"30 6 * * 1-5","queue":"celery","description":"The daily report"}"#,
                r#"{"task":"shell.run","cron":"@hourly","args":["/usr/bin/cleanup --all"],"queue":"celery"}"#,
                r#"{"task":"shell.run","cron":"*/5 9-17 1 * mon","day_match":"or","args":["ping -c1 host"],"queue":"celery"}"#,
            ]
        );
        let names: Vec<&str> = found.jobs.iter().map(|job| &*job.name).collect();
        assert_eq!(names, ["report", "cleanup", "ping-host"]);
        let grades: Vec<Grade> = found.jobs.iter().map(Job::grade).collect();
        assert_eq!(grades, [Grade::Same, Grade::Differs, Grade::Differs]);
        assert!(found.notes[0].contains("MAILTO"), "{:?}", found.notes);
    }

    #[test]
    fn a_crontab_of_the_system_has_users_and_zones_hold_for_what_follows() {
        let text = "0 1 * * * root /bin/a\nCRON_TZ=Asia/Tokyo\n0 2 * * * www /bin/b\n@reboot root /bin/c\n0 3 * * * root\n";
        let found = found(text, true);
        assert_eq!(found.jobs[0].text("timezone"), "");
        assert_eq!((found.jobs[1].text("timezone"), &*found.jobs[1].name), ("Asia/Tokyo", "b"));
        assert!(found.jobs[1].differences.iter().any(|it| it.in_words().contains("`www`")));
        assert_eq!(found.jobs[2].grade(), Grade::Cannot);
        assert_eq!(found.jobs[3].cannot.as_ref().unwrap().why, "`0 3 * * * root` has no command");
    }

    #[test]
    fn what_a_pattern_does_not_name_is_dropped_and_said() {
        let found = found("0 4 * * * manage.py report --daily --to a@b\n", false);
        assert_eq!(found.jobs[0].text("task"), "reports.daily");
        assert!(found.jobs[0].differences[0].in_words().contains("`--to a@b`"));
    }

    #[test]
    fn commands_of_one_name_are_numbered() {
        let found = found("1 * * * * /bin/a\n2 * * * * /bin/a\n3 * * * * ''\n", false);
        let names: Vec<&str> = found.jobs.iter().map(|job| &*job.name).collect();
        assert_eq!(names, ["a", "a-2", "command"]);
    }
}
