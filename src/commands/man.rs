//! `man`: the manual page, from the command line's definition and a few sections of its own.
//!
//! There is one page for all commands, as they share most of their flags.

use clap::{Arg, Command, CommandFactory as _};
use roff::{Inline, Roff, bold, italic, roman};

use super::{Exit, Failure, show};
use crate::cli::Cli;

pub(super) fn man() -> Result<Exit, Failure> {
    show::own(page().trim_end()).map(|()| Exit::Fine)
}

const DESCRIPTION: &str = "downbeat reads YAML schedule files and publishes each due slot, an entry at \
    one scheduled instant, as a task to a queue. Any number of replicas may run; the broker elects one \
    leader, and what publishes a task also records it. Files may be edited while it runs: a change is \
    in effect within a second, and a file with a mistake changes nothing, not even when the service is \
    restarted. Commands ask the running service over its control socket, and use its broker and namespace; \
    where none runs, they use the broker that is named.";

/// A term and its meaning.
type Item = (&'static str, &'static str);

const ENVIRONMENT: &[Item] = &[
    (
        "DOWNBEAT_BROKER, DOWNBEAT_SCHEDULES, …",
        "A setting each, named after its flag; several schedules are separated by colons. An unknown \
         DOWNBEAT_… is refused.",
    ),
    ("REDIS_URL", "The broker, when nothing else names one."),
    ("RUST_LOG", "What is logged, such as info,downbeat::core=debug; goes before the file."),
    (
        "CREDENTIALS_DIRECTORY",
        "Of systemd: the broker's URL is in its file broker, if that is there.",
    ),
    ("STATE_DIRECTORY, RUNTIME_DIRECTORY", "Of systemd: where state and the control socket are."),
    ("NO_COLOR", "If set, nothing is coloured."),
];

const FILES: &[Item] = &[
    ("/etc/downbeat/downbeat.yaml", "Settings, each of which has a default."),
    ("/etc/downbeat/schedules", "Schedule files: *.yaml, *.yml, *.json."),
    ("/etc/default/downbeat", "Environment of the service."),
    (
        "/etc/credstore/downbeat.broker",
        "The broker's URL, for one with a password; the service's systemd unit hands it over, and \
         commands without a running service read it.",
    ),
    (
        "/etc/downbeat/NAME/downbeat.yaml, /etc/downbeat/NAME/schedules, /etc/default/downbeat-NAME",
        "The same of the instance downbeat@NAME.",
    ),
    ("/run/downbeat", "The control socket. The folder is closed to all but its owner (mode 0700)."),
    (
        "/var/lib/downbeat",
        "The schedule files that were accepted last, for a start that finds invalid ones; and the spool, \
         when there is no other broker.",
    ),
    ("/usr/share/doc/downbeat/schedule-files.md", "Every key of schedule files."),
];

const SIGNALS: &[Item] = &[
    ("SIGTERM, SIGINT", "Stop cleanly; a second one, at once."),
    ("SIGHUP", "Load the schedule files again."),
    ("SIGUSR1", "Log the state."),
];

fn page() -> String {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Roff::new();
    let version = format!("downbeat {}", command.get_version().unwrap_or_default());
    // A date would differ between builds; without the space, the version would take its place.
    page.control("TH", ["DOWNBEAT", "1", " ", &version]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("downbeat - {}", text(command.get_about())))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("downbeat"), roman(" ["), italic("OPTIONS"), roman("] "), italic("COMMAND")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(DESCRIPTION)]);
    page.control("SH", ["OPTIONS"]);
    page.text([roman("All of them are taken by every command.")]);
    arguments(&mut page, command.get_arguments());
    page.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        subcommand(&mut page, command);
    }
    page.control("SH", ["EXIT STATUS"]);
    let status = text(command.get_after_help());
    page.text([roman(status.trim_start_matches("Exit status: "))]);
    for (title, items) in [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("SIGNALS", SIGNALS)] {
        page.control("SH", [title]);
        for (term, meaning) in items {
            item(&mut page, vec![bold(*term)], meaning);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("crontab"), roman("(5), "), bold("systemctl"), roman("(1)")]);
    page.to_roff()
}

fn subcommand(page: &mut Roff, command: &Command) {
    // `downbeat next [OPTIONS] [ENTRIES]...`
    let usage = command.clone().render_usage().to_string();
    page.control("SS", [usage.trim_start_matches("Usage: ")]);
    page.text([roman(format!("{}.", text(command.get_about())))]);
    let own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
    arguments(page, command.get_arguments().filter(own));
    if let Some(more) = command.get_after_help() {
        page.control("PP", []);
        page.text([roman(more.to_string())]);
    }
}

fn arguments<'a>(page: &mut Roff, arguments: impl Iterator<Item = &'a Arg>) {
    for arg in arguments {
        let name = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
        let mut term = match arg.get_long() {
            Some(long) => vec![bold(format!("--{long}"))],
            None => vec![italic(name.clone())],
        };
        if arg.get_long().is_some() && arg.get_action().takes_values() {
            term.extend([roman(" "), italic(name)]);
        }
        let mut meaning = text(arg.get_help());
        if arg.get_action().takes_values() {
            let values = arg.get_possible_values();
            let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
            let defaults = arg.get_default_values().iter();
            let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
            for (what, values) in [("one of", values.join(", ")), ("default:", defaults.join(", "))]
            {
                if !values.is_empty() {
                    meaning.push_str(&format!(" [{what} {values}]"));
                }
            }
        }
        item(page, term, &meaning);
    }
}

fn item(page: &mut Roff, term: Vec<Inline>, meaning: &str) {
    page.control("TP", []);
    page.text(term);
    page.text([roman(meaning)]);
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}
