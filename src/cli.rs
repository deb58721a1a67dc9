//! The command line as types.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::address::Secret;
use crate::escape::{MAX_SHOWN, escape, is_hidden, shorten};
use crate::mask::mask;
use crate::service::history::{DEFAULT_COUNT, MAX_COUNT};

/// Publishes each due slot of a YAML schedule exactly once to a task queue.
#[derive(Debug, Parser)]
#[command(name = "downbeat", version, about, max_term_width = 100)]
#[command(after_help = "Exit status: 0 fine; 1 the answer is no; 2 wrong usage; 3 neither the \
    service nor the broker answered; 4 `run` failed; 78 `run` failed in a way that a restart cannot cure.")]
pub struct Cli {
    /// Settings of the service.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses the command line; ends the process if it asks for help or is invalid.
    #[must_use]
    pub fn read() -> Cli {
        Cli::try_parse().unwrap_or_else(|error| without_values(error).exit())
    }
}

/// The same error without anything that may be part of a password: the shell splits an unquoted address
/// at a blank or `&`, and its end then looks like a command or flag.
fn without_values(mut error: clap::Error) -> clap::Error {
    let is_plain = |text: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        // A single character is not a password.
        let is_short_flag = text.len() == 2 && text.starts_with('-') && !text.contains(is_hidden);
        is_short_flag
            || text.starts_with('<')
            || text.starts_with("--") && text.chars().all(is_plain)
    };
    let suggests = error.get(ContextKind::SuggestedSubcommand).is_some();
    for (kind, is_known) in
        [(ContextKind::InvalidArg, false), (ContextKind::InvalidSubcommand, suggests)]
    {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        // A flag may be shown with its value's name.
        if !is_known && !is_plain(text.split(' ').next().unwrap_or_default()) {
            error.insert(kind, ContextValue::String("…".to_owned()));
            // Replaces the hint at how to pass it as a value.
            let why = "it is not shown, as it may be part of a password; an address goes in quotes";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![why.into()]));
            error.remove(ContextKind::TrailingArg);
        }
    }
    let texts: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => {
                let shown = mask(&shorten(&escape(text), MAX_SHOWN)).into_owned();
                Some((kind, ContextValue::String(shown)))
            }
            _ => None,
        })
        .collect();
    for (kind, text) in texts {
        error.insert(kind, text);
    }
    error
}

/// Settings of the service; they win over the environment (`DOWNBEAT_…`) and the file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct ServiceFlags {
    /// The service's configuration [default: /etc/downbeat/downbeat.yaml, if there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where messages go: redis://…, rediss://…, sentinel://…, unix:///…, amqp://…, amqps://…, or spool:PATH
    #[arg(long, global = true, value_name = "URL")]
    pub broker: Option<Secret>,
    /// A file that holds the broker's URL, for one with a password
    #[arg(long, global = true, value_name = "FILE")]
    pub broker_file: Option<PathBuf>,
    /// With an AMQP broker, where lease and progress are: redis://… or unix:///…
    #[arg(long, global = true, value_name = "URL")]
    pub state: Option<Secret>,
    /// With TLS, the authority of the servers' certificates, or these themselves [default: the system's]
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// With TLS, our own certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// With TLS, the key of our own certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// With TLS, the only certificates accepted at a host: HOST=sha256:…,HOST=sha256:…
    #[arg(long, global = true, value_name = "PINS")]
    pub tls_pin: Option<String>,
    /// A schedule file or a folder of them; may be repeated
    #[arg(long, global = true, value_name = "PATH")]
    pub schedules: Vec<PathBuf>,
    /// Keeps several schedulers apart on one broker [default: downbeat]
    #[arg(long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// How long after its last renewal a leader's lease ends [default: 6s]
    #[arg(long, global = true, value_name = "LENGTH")]
    pub leader_ttl: Option<String>,
    /// A slot up to this late is on time [default: the larger of 15s and twice the TTL + 3s]
    #[arg(long, global = true, value_name = "LENGTH")]
    pub grace: Option<String>,
    /// For the accepted schedule files, and the spool
    #[arg(long, global = true, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// For the control socket
    #[arg(long, global = true, value_name = "PATH")]
    pub runtime_dir: Option<PathBuf>,
    /// Serves health and metrics there: 127.0.0.1:9632, or a port alone [default: as PORT says, else nowhere]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub http: Option<String>,
    /// text, logfmt or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service in the foreground
    Run(Run),
    /// Report every problem of the schedule files and the configuration
    Check(Check),
    /// Show coming slots
    Next(Next),
    /// Show how many slots come when: a heat map, the busiest seconds, the load of each queue
    Plan(Plan),
    /// Say what one expression means, and its next times
    Explain(Explain),
    /// Show all entries with their last and next slots, or all of one entry
    List(List),
    /// Show what became of slots: what was sent when, how late, and what was not sent, and why
    History(History),
    /// Publish an entry's message now; the schedule does not move
    Trigger(Trigger),
    /// Publish an entry's slots of the past, oldest first; the schedule does not move
    Backfill(Backfill),
    /// Keep entries from being sent until they are resumed
    Pause(Pause),
    /// Let paused entries go again; nothing is caught up
    Resume(Resume),
    /// Show what waits in a queue, the next to be taken first; it stays there
    Peek(Peek),
    /// Show who leads and how the service is doing; exits 1 when slots do not go
    Status(Status),
    /// Have the running service load its schedule files again
    Reload {
        /// Return when the new schedule is in force; fail if it is refused
        #[arg(long)]
        wait: bool,
    },
    /// Have the running service make way for another replica
    Resign,
    /// Show every setting that commands here would use, and what set it
    Config(Json),
    /// Print the JSON Schema of schedule files, for editors
    Schema,
    /// Print shell completions
    Completions {
        /// The shell that reads it
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `man -l -`
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
#[command(
    after_help = "The schedule files that were accepted last are kept in the state directory. When a \
    start finds invalid ones, it runs on those and says so: in the log, `status` and the metrics."
)]
pub struct Run {
    /// Fail when the schedule files are invalid, even where those accepted last are kept
    #[arg(long)]
    pub strict: bool,
}

/// `status`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Status {
    /// Exit 0 whenever the service on this machine answers, whoever leads: a health check
    #[arg(long)]
    pub live: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --workers it only reads files. Warnings leave the exit status at 0."
)]
pub struct Check {
    /// Files or folders instead of the configured ones
    pub paths: Vec<PathBuf>,
    /// Ask live Celery workers on Redis, and warn of tasks and queues that none of them knows
    #[arg(long)]
    pub workers: bool,
    /// How long workers may take to answer
    #[arg(long, value_name = "LENGTH", default_value = "2s", requires = "workers")]
    pub timeout: String,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `next`.
#[derive(Debug, Args)]
#[command(
    after_help = "Notes say what a line with `H` stands for, what a change of the zone's clock does \
    to a slot, when its message is due if it is held back, and how many slots before it are left out."
)]
pub struct Next {
    /// Only these entries
    pub entries: Vec<String>,
    /// From this time on, RFC 3339 or wall time in the entry's zone [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to but not including this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// How many slots in all [default: 20, or with --to all, up to 10000]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(..=1_000_000))]
    pub count: Option<usize>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Slots count when their messages are due, so by `jitter` and `spread`. Disabled \
    entries are left out. `limit`, `max_queued` and the like, which only show when the service \
    runs, are not looked at."
)]
pub struct Plan {
    /// From this whole minute on, RFC 3339 or wall time in the zone [default: the hour's beginning]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to but not including this whole minute [default: 24 h after --from]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The zone whose clock is shown [default: the one of most entries]
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Draw the heat map into a file, too
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// All of this entry, with its next slots and its last runs
    pub entry: Option<String>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `history`.
#[derive(Debug, Args)]
#[command(
    after_help = "The newest are shown, in the order in which they were recorded. Slots skipped in a \
    row for one reason are one line with their number and the newest of them; 10000 means \"or more\". \
    The service keeps as much as `history` in its configuration says, and of each entry the last few \
    outcomes beyond that, without queue and term."
)]
pub struct History {
    /// Only this entry, which may have left the schedule
    pub entry: Option<String>,
    /// Slots from this time on, RFC 3339 or wall time in the entry's zone
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Slots up to but not including this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// How many lines at most
    #[arg(long, default_value_t = DEFAULT_COUNT, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_COUNT as u64))]
    pub count: usize,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A crontab line ("0 3 * * mon-fri", "@daily"), a length ("10m"), a recurrence
    /// ("DTSTART=20260101T090000;FREQ=MONTHLY;BYDAY=-1FR"), or with --quartz a Quartz line
    /// ("0 30 9 * * MON-FRI")
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// The zone whose clock it reads
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// As seen at this time [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// How many slots
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(..=10_000))]
    pub count: usize,
    /// How two restricted day fields combine
    #[arg(long, value_name = "RULE")]
    pub day_match: Option<DayMatch>,
    /// The entry's name, which `H` is hashed from
    #[arg(long, value_name = "NAME")]
    pub entry: Option<String>,
    /// The expression has six or seven fields, as Quartz reads them
    #[arg(long, conflicts_with_all = ["day_match", "entry"])]
    pub quartz: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// How two restricted day fields of a cron line combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DayMatch {
    /// Both must match.
    And,
    /// Either may match.
    Or,
}

/// `trigger`.
#[derive(Debug, Args)]
#[command(
    after_help = "With --wait, the exit status is 0 when the task succeeded, 1 when it failed \
    or will never run, 3 when it has not come to an end in time."
)]
pub struct Trigger {
    /// The entry to send
    pub entry: String,
    /// The slot the message speaks of, RFC 3339 or wall time in the entry's zone [default: now]
    #[arg(long, value_name = "TIME")]
    pub slot: Option<String>,
    /// Arguments instead of the entry's: a JSON array
    #[arg(long, value_name = "JSON")]
    pub args: Option<String>,
    /// Keyword arguments instead of the entry's: a JSON object
    #[arg(long, value_name = "JSON")]
    pub kwargs: Option<String>,
    /// Queue instead of the entry's
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// The task's id: repeats a trigger that may have been sent, and sends nothing twice [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub id: Option<Uuid>,
    /// Print the exact message and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for what the worker makes of it, where a Celery or RQ worker keeps results in Redis
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "LENGTH", default_value = "5m", requires = "wait")]
    pub wait_timeout: String,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `backfill`.
#[derive(Debug, Args)]
#[command(after_help = "The messages are new tasks, and their `expires` counts from now. At most \
    10000 slots go at a time; the first that cannot be sent ends it, and it prints the command that goes \
    on. For a day, it is remembered how far each run has come; over AMQP, a repeat sends again what its \
    broker has not confirmed. Until all slots of a run were shown as sent, but for an hour at most, another \
    run of yours that overlaps it is refused with exit code 1.")]
pub struct Backfill {
    /// The entry whose slots to send; it may be disabled
    pub entry: String,
    /// From this time on, RFC 3339 or wall time in the entry's zone
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Up to but not including this time, which is now at the latest
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Queue instead of the entry's
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Go on with a run that ended early, and send nothing twice [default: a fresh run]
    #[arg(long, value_name = "ID")]
    pub run: Option<Uuid>,
    /// Send slots even if another unfinished run of yours may already have sent them
    #[arg(long)]
    pub again: bool,
    /// Show all slots and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "Once it has answered, nothing goes that it forbids, whichever replica leads; the slots \
    meanwhile are counted `paused`, and the one at the end goes. What is paused already keeps its \
    beginning, and has the new end and note. A message that a carrier such as RabbitMQ is being handed may \
    still go; it waits for those, and says when that takes too long. `trigger` and `backfill` send all the same."
)]
pub struct Pause {
    /// The entries to pause
    #[arg(required_unless_present_any = ["tag", "all"])]
    pub entries: Vec<String>,
    /// All entries with this tag, also those that get it later; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Every entry
    #[arg(long)]
    pub all: bool,
    /// Why, for those who look
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Resume by itself then: RFC 3339, wall time in the entry's zone, or a length from now on, as in 2h
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `resume`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends the very pauses that are named: those of single entries and tags go on after \
    `resume --all`, and it says which."
)]
pub struct Resume {
    /// The entries to resume
    #[arg(required_unless_present_any = ["tag", "all"])]
    pub entries: Vec<String>,
    /// The pause of this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// The pause of every entry
    #[arg(long)]
    pub all: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `peek`.
#[derive(Debug, Args)]
#[command(
    after_help = "A queue on AMQP is only counted: looking at a message there means taking it. A \
    stream is shown from the first message that some consumer group has not received. Beyond 8 MiB \
    in all, only the size of messages is shown."
)]
pub struct Peek {
    /// The queue, as entries name it
    pub queue: String,
    /// How many messages to show at most
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub count: usize,
    /// Print a JSON object a line, with nothing cut
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
