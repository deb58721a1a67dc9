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

/// When the text of this page last changed.
const DATE: &str = "2026-11-29";

const DESCRIPTION: &str = "downbeat is a scheduler service. It reads YAML schedule files and sends each entry's \
    task to a queue when a slot, one scheduled time of the entry, is due. Each slot is sent exactly once: \
    any number of replicas may run, the broker elects one leader, and the step that sends a task also records \
    it. Schedule files may be edited while the service runs. A change takes effect within a second; a file \
    with an error changes nothing, even after a restart. Commands ask the running service over its control \
    socket and use its broker and namespace. If no service runs, they use the configured broker.";

/// A term and its meaning.
type Item = (&'static str, &'static str);

const ENVIRONMENT: &[Item] = &[
    (
        "DOWNBEAT_BROKER, DOWNBEAT_SCHEDULES, …",
        "The settings, each named after its option. Several schedules are separated by colons. An unknown \
         DOWNBEAT_… variable is an error.",
    ),
    ("REDIS_URL", "The broker, if nothing else names one."),
    (
        "RUST_LOG",
        "What is logged, such as info,downbeat::core=debug. Overrides the configuration file.",
    ),
    (
        "CREDENTIALS_DIRECTORY",
        "Set by systemd. The broker's URL is read from the file broker in it, if there is one.",
    ),
    (
        "STATE_DIRECTORY, RUNTIME_DIRECTORY",
        "Set by systemd. The folders for state and for the control socket.",
    ),
    (
        "TZDIR",
        "The folder of the system's zone rules. Those are used unless the bundled ones are newer.",
    ),
    ("NO_COLOR", "If set, output has no colours."),
];

const FILES: &[Item] = &[
    ("/etc/downbeat/downbeat.yaml", "Configuration. Every setting has a default."),
    ("/etc/downbeat/schedules", "Schedule files: *.yaml, *.yml, *.json."),
    ("/etc/default/downbeat", "Environment of the service."),
    (
        "/etc/credstore/downbeat.broker",
        "The broker's URL, if it has a password. The systemd unit passes it to the service; commands read \
         it if no service runs.",
    ),
    (
        "/etc/downbeat/NAME/downbeat.yaml, /etc/downbeat/NAME/schedules, /etc/default/downbeat-NAME",
        "The same for the instance downbeat@NAME.",
    ),
    ("/run/downbeat", "Control socket. Only its owner may enter this folder (mode 0700)."),
    (
        "/var/lib/downbeat",
        "The schedule files last accepted, for a start that finds the files invalid; and the spool, if \
         there is no other broker.",
    ),
    ("/usr/share/doc/downbeat/schedule-files.md", "Every key of schedule files."),
];

const SIGNALS: &[Item] = &[
    ("SIGTERM, SIGINT", "Stop cleanly; the second time, stop at once."),
    ("SIGHUP", "Reload the schedule files."),
    ("SIGUSR1", "Log the state."),
];

fn page() -> String {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Roff::new();
    let version = format!("downbeat {}", command.get_version().unwrap_or_default());
    page.control("TH", ["DOWNBEAT", "1", DATE, &version]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "downbeat - a scheduler that publishes each due slot of YAML schedules exactly once",
    )]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("downbeat"), roman(" ["), italic("OPTIONS"), roman("] "), italic("COMMAND")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(DESCRIPTION)]);
    page.control("SH", ["OPTIONS"]);
    page.text([roman("Every command takes these options.")]);
    arguments(&mut page, command.get_arguments());
    page.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands() {
        subcommand(&mut page, command);
        command.get_subcommands().for_each(|source| subcommand(&mut page, source));
    }
    let more = text(command.get_after_help());
    for (title, start) in [("EXIT STATUS", "Exit status: "), ("EXAMPLES", EXAMPLES)] {
        let paragraph = paragraphs(&more).find(|paragraph| paragraph.starts_with(start));
        page.control("SH", [title]);
        match paragraph.and_then(|paragraph| paragraph.strip_prefix(start)) {
            Some(lines) if start == EXAMPLES => examples(&mut page, lines),
            status => page.text([roman(status.unwrap_or_default())]),
        };
    }
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
    // `downbeat next [OPTIONS] [ENTRY]...`
    let usage = command.clone().render_usage().to_string();
    page.control("SS", [usage.trim_start_matches("Usage: ")]);
    page.text([roman(format!("{}.", text(command.get_about())))]);
    let own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
    arguments(page, command.get_arguments().filter(own));
    let more = text(command.get_after_help());
    for paragraph in paragraphs(&more) {
        page.control("PP", []);
        match paragraph.strip_prefix(EXAMPLES) {
            Some(lines) => examples(page, lines),
            None => page.text([roman(paragraph)]),
        };
    }
}

/// How the examples begin in the help of a command.
const EXAMPLES: &str = "Examples:\n";

fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n")
}

/// Lines that keep their breaks.
fn examples<'p>(page: &'p mut Roff, lines: &str) -> &'p mut Roff {
    page.control("RS", ["4"]).control("nf", []);
    for line in lines.lines() {
        page.text([roman(line.trim_start())]);
    }
    page.control("fi", []).control("RE", [])
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
            let values = match arg.is_hide_possible_values_set() {
                true => Vec::new(),
                false => arg.get_possible_values(),
            };
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
