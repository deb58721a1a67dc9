//! Commands that show something and change nothing.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::{Json, candidates};
use crate::service::history::{DEFAULT_COUNT, MAX_COUNT};

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat check
  downbeat check ./schedules --workers --broker redis://127.0.0.1:6379/0

Reads files only, unless --workers is given. Warnings do not change the exit \
status.")]
pub struct Check {
    /// Files or folders to check instead of the configured ones
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Also ask running Celery workers on Redis which tasks and queues they know
    #[arg(long)]
    pub workers: bool,
    /// How long to wait for workers
    #[arg(long, value_name = "LENGTH", default_value = "2s", requires = "workers")]
    pub timeout: String,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat diff /etc/downbeat/schedules ./schedules
  downbeat diff ../main/schedules schedules --json

Shows entries added, removed and changed, with their next slots before and \
after, and which of them start afresh. Reads files only; /dev/null stands for \
no schedule. `git worktree add ../main main` checks out what to compare with.

Exit status: 0 nothing differs; 1 entries differ; 2 they cannot be compared.")]
pub struct Diff {
    /// File or folder before the edit
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// File or folder after it
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Show slots from this time on [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `next`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat next
  downbeat next nightly-report --count 5
  downbeat next --from 2027-03-28 --to 2027-03-29

TIME is `2026-12-24 18:00` or a date in the entry's time zone, or RFC 3339. \
With --count or --to, the slots of all entries are listed in order.

Notes say how the clock changes that day, what `H` in a cron line stands for, \
from which day a slot was moved, when a message held back by `jitter` or \
`spread` is due, and how many slots before it are left out by `except`.")]
pub struct Next {
    /// Only these entries
    #[arg(value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entries: Vec<String>,
    /// Show slots from this time on [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Show all slots before this time, at most 10000 without --count
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Show this many slots in all
    #[arg(long, short = 'n', value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(..=1_000_000))]
    pub count: Option<usize>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat plan
  downbeat plan --from 2027-01-04 --to 2027-01-11 --svg week.svg

Shows slots a minute as a heat map, the busiest seconds and the load of each \
queue. A slot counts at the time its message is due, after `jitter` and \
`spread`. Disabled entries are left out; `limit`, `max_queued` and pauses are \
ignored.")]
pub struct Plan {
    /// Start, a whole minute [default: the start of this hour]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// End, a whole minute [default: 24 h after --from]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Time zone [default: the one of most entries]
    #[arg(long, value_name = "ZONE", add = ArgValueCandidates::new(candidates::zones))]
    pub timezone: Option<String>,
    /// Also draw the heat map into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat list
  downbeat list nightly-report
  downbeat list 'report-*' --queue reports --paused

The name of one entry shows everything about it, with its next slots and last \
outcomes. Several names or a pattern (`*` and `?`) select entries.")]
pub struct List {
    /// An entry's name, or patterns that names must match
    #[arg(value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entries: Vec<String>,
    /// Only entries of this queue; can be repeated
    #[arg(long, value_name = "QUEUE", add = ArgValueCandidates::new(candidates::queues))]
    pub queue: Vec<String>,
    /// Only entries with this tag; can be repeated
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(candidates::tags))]
    pub tag: Vec<String>,
    /// Only paused entries
    #[arg(long)]
    pub paused: bool,
    /// Only entries whose last slot was skipped
    #[arg(long)]
    pub skipped: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat history nightly-report
  downbeat history --from 2h --count 200

TIME is a length such as `2h` (two hours ago), `2026-12-24 18:00` or a date in \
the entry's time zone, or RFC 3339.

The newest slots are shown, in the order in which they were recorded. Slots \
skipped in a row for the same reason are one line with their count and the \
newest slot. `history` in the configuration says how much is kept; of each \
entry, the last few outcomes are kept longer, without queue and term.")]
pub struct History {
    /// Only this entry, even if it has left the schedule
    #[arg(value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entry: Option<String>,
    /// Only slots from this time on
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only slots before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Show at most this many lines
    #[arg(long, short = 'n', default_value_t = DEFAULT_COUNT, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_COUNT as u64))]
    pub count: usize,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat explain '0 3 * * mon-fri' --timezone Asia/Seoul
  downbeat explain 10m --count 3
  downbeat explain '[\"30 9 * * *\", \"0 16 * * sat\"]'
  downbeat explain 'DTSTART=20260101T090000;FREQ=MONTHLY;BYDAY=-1FR'
  downbeat explain --quartz '0 30 9 * * MON-FRI'")]
pub struct Explain {
    /// Cron line or list of them, length, recurrence rule, or a Quartz line with --quartz
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// Time zone
    #[arg(long, default_value = "UTC", value_name = "ZONE", add = ArgValueCandidates::new(candidates::zones))]
    pub timezone: String,
    /// Show slots from this time on [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Show this many slots
    #[arg(long, short = 'n', default_value_t = 5, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(..=10_000))]
    pub count: usize,
    /// Whether both day fields of a cron line must match, or either: and, or
    #[arg(long, value_name = "RULE", hide_possible_values = true)]
    pub day_match: Option<DayMatch>,
    /// Entry name, from which the times for `H` are derived
    #[arg(long, value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entry: Option<String>,
    /// Read six or seven fields, as Quartz does
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

/// `peek`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat peek reports
  downbeat peek reports --count 100 --json

The message that a worker takes next comes first. Messages stay in the queue. \
A queue on AMQP is only counted: reading a message there means taking it. A \
stream is shown from the first message that a consumer group has not \
received. Beyond 8 MiB in all, only sizes are shown.")]
pub struct Peek {
    /// The queue
    #[arg(add = ArgValueCandidates::new(candidates::queues))]
    pub queue: String,
    /// Show at most this many messages
    #[arg(long, short = 'n', default_value_t = 10, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub count: usize,
    /// Print one JSON object per line, with nothing cut
    #[arg(long)]
    pub json: bool,
}

/// `compare`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("sent").args(["with_queue", "with_events"]).required(true)))]
#[command(after_help = "\
Examples:
  downbeat compare --with-events --for 10m
  downbeat compare --with-queue celery --from 2h

Start `downbeat run --shadow` beside the other scheduler first. An instant of \
both is `same` if it is at most 2 s apart, else early or late there by so much; \
what only one of them sent is named, and the exit status is 1 then. Messages \
are matched by task and arguments. Near the ends of the time compared, what is \
alone is not judged: its counterpart may lie beyond. --json has every instant.

--with-events listens on Redis and needs `task_send_sent_event = True` in beat's \
application. --with-queue takes nothing from the queue; if workers do, there is \
nothing to compare. TIME is as in `history`.")]
pub struct Compare {
    /// Compare with the messages that wait in this queue
    #[arg(long, value_name = "QUEUE", add = ArgValueCandidates::new(candidates::queues))]
    pub with_queue: Option<String>,
    /// Compare with Celery's task-sent events, heard from now on
    #[arg(long)]
    pub with_events: bool,
    /// Compare from this time on [default: from when both have something]
    #[arg(long, value_name = "TIME", conflicts_with = "with_events")]
    pub from: Option<String>,
    /// Compare up to this time [default: now, with events in 1 min]
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    pub to: Option<String>,
    /// Compare for this long
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<String>,
    /// How far apart an instant may be on both sides
    #[arg(long, value_name = "LENGTH", default_value = "1m")]
    pub tolerance: String,
    /// Only what this producer sent, such as gen123@host
    #[arg(long, value_name = "NAME")]
    pub sender: Option<String>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `status`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat status
  downbeat status --live     # as a health check

Exits with 1 while slots cannot be sent.")]
pub struct Status {
    /// Only check that the service on this machine responds: exit with 0 if so
    #[arg(long)]
    pub live: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}
