//! Commands that send messages, or stop them from being sent.

use clap::{ArgGroup, Args};
use clap_complete::ArgValueCandidates;
use uuid::Uuid;

use super::{Json, candidates};

/// `trigger`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat trigger nightly-report --dry-run
  downbeat trigger nightly-report --kwargs '{\"tenant\": 7}' --wait

The schedule does not move. With --wait, the exit status is 0 if the task \
succeeded, 1 if it failed or will never run, and 3 if it did not finish in \
time.")]
pub struct Trigger {
    /// The entry
    #[arg(add = ArgValueCandidates::new(candidates::entries))]
    pub entry: String,
    /// A slot of the entry to put into the message [default: now]
    #[arg(long, value_name = "TIME")]
    pub slot: Option<String>,
    /// Arguments instead of the entry's, as a JSON array
    #[arg(long, value_name = "JSON")]
    pub args: Option<String>,
    /// Keyword arguments instead of the entry's, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub kwargs: Option<String>,
    /// Queue instead of the entry's
    #[arg(long, value_name = "QUEUE", add = ArgValueCandidates::new(candidates::queues))]
    pub queue: Option<String>,
    /// Task id; repeating a trigger with its id sends nothing twice
    #[arg(long, value_name = "ID")]
    pub id: Option<Uuid>,
    /// Print the message and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for the result of a Celery, RQ, arq or taskiq task that is stored in Redis
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait for the result
    #[arg(long, value_name = "LENGTH", default_value = "5m", requires = "wait")]
    pub wait_timeout: String,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `backfill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  downbeat backfill nightly-report --from 2026-12-01 --to 2026-12-08 --dry-run
  downbeat backfill metrics --from 2h --to 1h

TIME is a length such as `2h` (two hours ago), `2026-12-24 18:00` or a date in \
the entry's time zone, or RFC 3339.

Slots are sent oldest first, as new tasks whose `expires` counts from now; the \
schedule does not move. A call sends at most 10000 slots. It stops at the \
first slot that cannot be sent and prints the command that continues. For a \
day, downbeat remembers how far each run got. A run that overlaps an \
unfinished one of yours is refused for an hour at most, unless --again is \
given. Over AMQP, a repeat sends again what the broker has not confirmed.")]
pub struct Backfill {
    /// The entry, which may be disabled
    #[arg(add = ArgValueCandidates::new(candidates::entries))]
    pub entry: String,
    /// Send slots from this time on
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Send slots before this time, which cannot be in the future
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Queue instead of the entry's
    #[arg(long, value_name = "QUEUE", add = ArgValueCandidates::new(candidates::queues))]
    pub queue: Option<String>,
    /// Continue this run, and send nothing twice [default: a new run]
    #[arg(long, value_name = "ID")]
    pub run: Option<Uuid>,
    /// Send even slots that an unfinished run of yours may have sent
    #[arg(long)]
    pub again: bool,
    /// List the slots and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `pause`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("paused").args(["entries", "tag", "all"]).required(true).multiple(true)))]
#[command(after_help = "\
Examples:
  downbeat pause nightly-report --note 'waiting for the accountants'
  downbeat pause --all --until 2h

TIME is a length such as `2h` (two hours from now), `2026-12-24 18:00` or a \
date in the entry's time zone, or RFC 3339.

Once this returns, no replica sends these entries. Their slots are counted as \
`paused` and never caught up. Pausing again keeps the start and sets a new end \
and note. On a carrier such as RabbitMQ, a message on its way may still be \
sent; `pause` waits for it. `trigger` and `backfill` ignore pauses.")]
pub struct Pause {
    /// The entries
    #[arg(value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entries: Vec<String>,
    /// All entries with this tag, now and later; can be repeated
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(candidates::tags))]
    pub tag: Vec<String>,
    /// All entries
    #[arg(long)]
    pub all: bool,
    /// Reason, shown by `status`, `list` and `history`
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Resume automatically at this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Output
    #[command(flatten)]
    pub output: Json,
}

/// `resume`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("resumed").args(["entries", "tag", "all"]).required(true).multiple(true)))]
#[command(after_help = "\
Examples:
  downbeat resume nightly-report
  downbeat resume --all

Slots missed during the pause are not sent. Each pause is ended by the words \
that began it: `resume --all` ends `pause --all`, and lists the entries and \
tags that are still paused.")]
pub struct Resume {
    /// The entries
    #[arg(value_name = "ENTRY", add = ArgValueCandidates::new(candidates::entries))]
    pub entries: Vec<String>,
    /// The pause of this tag; can be repeated
    #[arg(long, value_name = "TAG", add = ArgValueCandidates::new(candidates::tags))]
    pub tag: Vec<String>,
    /// The pause of all entries
    #[arg(long)]
    pub all: bool,
    /// Output
    #[command(flatten)]
    pub output: Json,
}
