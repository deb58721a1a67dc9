//! The command line as types, and its help.
//!
//! Every command takes the settings of the service. To keep the help of a command short, only
//! `downbeat --help` lists them.

mod candidates;
mod import;
mod publishing;
mod reading;
mod redact;
mod settings;

use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::env::CompleteEnv;

pub use self::import::{
    Application, CeleryBeat, Crontab, DjangoCeleryBeat, Import, Importing, Redbeat, Source,
};
pub use self::publishing::{Backfill, Pause, Resume, Trigger};
pub use self::reading::{Check, DayMatch, Diff, Explain, History, List, Next, Peek, Plan, Status};
pub use self::settings::ServiceFlags;

/// The variable by which a shell asks for completions.
pub const COMPLETE_VAR: &str = "_DOWNBEAT_COMPLETE";

/// Where the help of a command sends readers for the settings.
const SEE_SETTINGS: &str = "`downbeat --help` lists settings such as --broker and --schedules.";

/// A scheduler that publishes each due slot of YAML schedules exactly once.
#[derive(Debug, Parser)]
#[command(name = "downbeat", version, about, max_term_width = 80)]
#[command(after_help = "\
Examples:
  downbeat check ./schedules
  downbeat run --schedules ./schedules --broker redis://127.0.0.1:6379/0

`downbeat COMMAND --help` explains a command.

Exit status: 0 success; 1 negative result, such as an invalid schedule or \
slots that cannot be sent; 2 usage error; 3 neither the service nor the \
broker answered; 4 `run` failed; 78 `run` failed, and a restart would not help.")]
pub struct Cli {
    /// Settings of the service.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses the command line. Ends the process if a shell asks for completions, if help is wanted, or
    /// if the command line is invalid.
    #[must_use]
    pub fn read() -> Cli {
        CompleteEnv::with_factory(command).var(COMPLETE_VAR).complete();
        let parsed = command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
        parsed.unwrap_or_else(|error| redact::without_values(error).exit())
    }
}

/// The command line, with the settings hidden from the help of single commands.
#[must_use]
pub fn command() -> clap::Command {
    let command = Cli::command();
    let settings = command.get_arguments().filter(|arg| arg.is_global_set());
    let hidden: Vec<Arg> = settings.map(|arg| arg.clone().hide(true)).collect();
    command.mut_subcommands(|command| {
        let own = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
        command.args(hidden.clone()).after_help(format!("{own}{SEE_SETTINGS}"))
    })
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service in the foreground
    Run(Run),
    /// Check the schedule files and the configuration
    Check(Check),
    /// Show what an edit of schedule files changes
    Diff(Diff),
    /// Show the next slot of each entry
    Next(Next),
    /// Show the load over time as a heat map
    Plan(Plan),
    /// Explain a cron line or another timing
    Explain(Explain),
    /// List entries, or show everything about one
    List(List),
    /// Show which slots were sent or skipped, and why
    History(History),
    /// Send an entry's message now
    Trigger(Trigger),
    /// Send an entry's past slots
    Backfill(Backfill),
    /// Stop sending entries until they are resumed
    Pause(Pause),
    /// Resume paused entries
    Resume(Resume),
    /// Show the messages that wait in a queue
    Peek(Peek),
    /// Show who leads, and what is wrong
    Status(Status),
    /// Reload the schedule files of the running service
    Reload(Reload),
    /// Hand the lead to another replica
    #[command(after_help = "\
Examples:
  downbeat resign
  downbeat resign --runtime-dir /run/downbeat-eu

Another replica leads within 0.2 s. This one keeps running and follows.")]
    Resign,
    /// Show the settings in effect, and where each comes from
    #[command(after_help = "\
Examples:
  downbeat config
  downbeat config --json --config ./downbeat.yaml

Passwords are not shown.")]
    Config(Json),
    /// Import the schedules of another scheduler
    Import(Import),
    /// Print the JSON Schema of schedule files, for editors
    #[command(after_help = "\
Examples:
  downbeat schema > downbeat.schema.json
  downbeat schema | jq '.properties | keys'")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  eval \"$(downbeat completions bash)\"        # in ~/.bashrc
  downbeat completions fish | source         # in ~/.config/fish/config.fish

In zsh, put `eval \"$(downbeat completions zsh)\"` after `compinit` in ~/.zshrc. \
Entries, tags and queues come from the schedule files.")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "\
Examples:
  downbeat man | man -l -
  downbeat man > /usr/local/share/man/man1/downbeat.1")]
    Man,
}

/// A command that prints facts.
#[derive(Clone, Copy, Debug, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `run`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat run
  downbeat run --schedules ./schedules --broker redis://127.0.0.1:6379/0

The log goes to standard error. The schedule files last accepted are kept in \
the state directory: a start that finds the files invalid runs on the kept \
ones and says so in the log, in `status` and in the metrics.")]
pub struct Run {
    /// Fail if the schedule files are invalid, instead of using the kept ones
    #[arg(long)]
    pub strict: bool,
}

/// `reload`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat reload
  downbeat reload --wait

A running service also notices changed files by itself. Invalid files change \
nothing: the old schedule stays in effect.")]
pub struct Reload {
    /// Return once the new schedule is in effect; fail if it is refused
    #[arg(long)]
    pub wait: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::address::Secret;

    #[test]
    fn errors_never_show_a_password_from_the_command_line() {
        let url = "redis://:s3cret@host";
        let args = ["downbeat", "--broker", url, "--state", url, "config"];
        let cli = Cli::try_parse_from(args).unwrap();
        assert_eq!(cli.service.broker.as_ref().map(Secret::expose), Some(url));
        let shown = format!("{cli:?}");
        assert!(shown.contains("broker: Some(***)") && shown.contains("state: Some(***)"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn settings_are_taken_before_and_after_a_command_that_hides_them() {
        for args in [["--namespace", "a", "list"], ["list", "--namespace", "a"]] {
            let args = ["downbeat"].into_iter().chain(args);
            let found = command().try_get_matches_from(args).unwrap();
            let cli = Cli::from_arg_matches(&found).unwrap();
            assert_eq!(cli.service.namespace.as_deref(), Some("a"));
        }
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_is_short_and_has_two_examples() {
        let mut command = command();
        // The width is passed on to each command.
        command.build();
        let own = |sub: &&clap::Command| sub.get_name() != "help";
        for sub in command.get_subcommands().filter(own) {
            check_help(sub, SEE_SETTINGS);
            sub.get_subcommands().filter(own).for_each(|source| check_help(source, "Options:"));
        }
    }

    fn check_help(command: &clap::Command, part: &str) {
        let help = command.clone().render_help().to_string();
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        let is_example = |line: &&str| {
            ["  downbeat ", "  eval ", "  crontab "].iter().any(|start| line.starts_with(start))
        };
        assert!(examples.lines().take_while(is_example).count() >= 2, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        assert!(help.lines().count() <= 45, "{help}");
        assert!(help.contains(part) && !help.contains("--tls-ca"), "{help}");
    }
}
