//! What the other scheduler sent: messages that wait in a queue, or events.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::time::{Instant, sleep_until};

use super::MAX_NAMED;
use crate::clock;
use crate::commands::direct::Direct;
use crate::commands::peek::{check_waits, wrong};
use crate::commands::{Exit, Failure, block_on, named_broker, show};
use crate::compare::{Arguments, There};
use crate::config::{Broker, ServiceConfig};
use crate::schedule::Kind;
use crate::signals;
use crate::store::contract::StoreError;
use crate::store::redis::Channels;
use crate::store::{Found, Peeked};
use crate::text::duration;
use crate::worker::celery::event::{self, SentTask};
use crate::worker::{CeleryQueue, Queue, Waiting, Worker};

/// The maximum number of messages and events that are read.
const MAX_MESSAGES: usize = 10_000;
/// A broker that takes longer counts as unavailable.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was sent.
pub(super) struct Sent {
    pub(super) messages: Vec<There>,
    /// Of later messages, some may be missing; `None`: all were read.
    pub(super) until: Option<UnixMs>,
    pub(super) notes: Vec<String>,
}

impl Sent {
    fn new() -> Sent {
        Sent { messages: Vec::new(), until: None, notes: Vec::new() }
    }

    fn of_messages(queue: &Queue, found: Vec<Found>) -> Sent {
        let (mut sent, mut unreadable) = (Sent::new(), 0_usize);
        for found in found {
            match waiting(queue, found) {
                Some(waiting) if is_manual(&waiting) => {}
                waiting => match waiting.and_then(message) {
                    Some(message) => sent.messages.push(message),
                    None => unreadable += 1,
                },
            }
        }
        if unreadable > 0 {
            let note = format!("messages that cannot be compared are left out: {unreadable}");
            sent.notes.push(note);
        }
        sent
    }

    /// When the oldest was sent, if any says so.
    pub(super) fn oldest(&self) -> Option<UnixMs> {
        self.messages.iter().filter_map(|message| message.at).min()
    }

    /// What this producer sent; `None`: what all sent, with a note that names them.
    pub(super) fn by(mut self, sender: Option<&str>) -> Sent {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.messages.iter().filter_map(|message| message.sender.as_deref()) {
            *counts.entry(name).or_default() += 1;
        }
        let named = counts.iter().take(MAX_NAMED).map(|(name, count)| format!("{name} ({count})"));
        let named = named.collect::<Vec<_>>().join(", ");
        match sender {
            Some(sender) => {
                if !counts.contains_key(sender) {
                    let others =
                        if named.is_empty() { "no message names its sender" } else { &named };
                    self.notes.push(format!("nothing was sent by {sender}; senders: {others}"));
                }
                self.messages.retain(|message| message.sender.as_deref() == Some(sender));
            }
            None if counts.len() > 1 => self.notes.push(format!(
                "sent by several producers: {named}; --sender NAME leaves out the others"
            )),
            None => {}
        }
        self
    }
}

/// The messages that wait in a queue.
pub(super) fn in_queue(service: &ServiceConfig, queue: &Queue) -> Result<Sent, Failure> {
    check_waits(queue)?;
    let mut broker = Direct::open(service)?;
    let (_, peeked) = block_on(broker.peek(queue, MAX_MESSAGES))??;
    let (total, found) = match peeked {
        Peeked::Messages { total, found, .. } => (total, found),
        Peeked::Unexpected { key, found } => return Err(wrong(queue, &key, &found)),
    };
    // Beyond what fits, only sizes are read.
    let is_whole = |found: &Found| matches!(found, Found::Whole { .. });
    let whole: Vec<_> = found.into_iter().filter(is_whole).collect();
    let read = whole.len();
    let mut sent = Sent::of_messages(queue, whole);
    let has_no_time = sent.messages.iter().any(|message| message.at.is_none());
    if total > read as u64 {
        if has_no_time {
            return Err(too_many(queue, total, read));
        }
        sent.notes.push(format!("only the first {read} of {total} messages were read"));
        sent.until = sent.messages.iter().filter_map(|message| message.at).max();
    }
    if has_no_time {
        let note = "the messages carry no time, so only their number is compared; --with-events compares times";
        sent.notes.push(note.to_owned());
    }
    Ok(sent)
}

fn too_many(queue: &Queue, total: u64, read: usize) -> Failure {
    let message = format!(
        "the messages in `{}` carry no time, and only {read} of {total} can be read at once; compare \
         --with-events, or with a queue that has fewer",
        queue.name
    );
    Failure::new(Exit::No, message)
}

fn waiting(queue: &Queue, found: Found) -> Option<Waiting> {
    match found {
        Found::Whole { element, stored, .. } => {
            queue.worker.protocol().decode(&element, &stored).ok()
        }
        Found::TooLarge { .. } => None,
    }
}

/// Whether somebody has asked downbeat for it.
fn is_manual(waiting: &Waiting) -> bool {
    let manual = [Kind::Manual, Kind::Backfill].map(Kind::as_str);
    waiting.kind.as_deref().is_some_and(|kind| manual.contains(&kind))
}

/// The message, if its task and arguments can be read.
fn message(waiting: Waiting) -> Option<There> {
    let header = |name: &str| waiting.headers.get(name)?.as_str().map(str::to_owned);
    let at = waiting.not_before.or(waiting.sent_at).or(waiting.slot);
    let sender = header("origin");
    let arguments = match &waiting.unread {
        None => Arguments::Values {
            args: waiting.args.unwrap_or_default(),
            kwargs: waiting.kwargs.unwrap_or_default(),
        },
        Some(_) => Arguments::Text { args: header("argsrepr")?, kwargs: header("kwargsrepr")? },
    };
    Some(There { entry: waiting.entry, sender, at, task: waiting.task?, arguments })
}

/// The events until then, and the times of which all were heard.
pub(super) fn events(
    service: &ServiceConfig,
    until: UnixMs,
) -> Result<(Sent, Range<UnixMs>), Failure> {
    if service.amqp.is_some() {
        let message = "events can only be heard on Redis, and the broker is AMQP: use --with-queue";
        return Err(Failure::usage(message));
    }
    let Broker::Redis(address) = named_broker(service)? else {
        let message =
            "events can only be heard on Redis, and the broker is a spool: use --with-queue";
        return Err(Failure::usage(message));
    };
    let channels = channels(service, address.database.into());
    let unavailable = |error: StoreError| Failure::of_store(&error, &error);
    let heard = block_on(async {
        let channels = Channels::listen(&address, &service.tls, &channels, TIMEOUT)
            .await
            .map_err(unavailable)?;
        let from = clock::wall();
        let length = duration::in_words(until.since(from));
        let interrupt = signals::interrupt()
            .map_err(|error| Failure::new(Exit::No, format!("cannot wait for Ctrl-C: {error}")))?;
        show::complain(&format!(
            "downbeat: listening for task-sent events for {length}; Ctrl-C compares what was heard"
        ));
        let (sent, end) = listen(channels, until, interrupt).await.map_err(unavailable)?;
        Ok::<_, Failure>((sent, from..end))
    })?;
    let (mut sent, times) = heard?;
    if sent.messages.is_empty() {
        let note = "no task-sent event was heard: does beat's application set `task_send_sent_event = True`, and \
                    does beat use this broker?";
        sent.notes.push(note.to_owned());
    }
    Ok((sent, times))
}

/// Where the producers of all Celery queues announce what they send.
fn channels(service: &ServiceConfig, database: i64) -> Vec<String> {
    let settings = service.queues.iter().filter_map(|queue| {
        if let Worker::Celery(settings) = &queue.worker { Some(settings) } else { None }
    });
    let usual = CeleryQueue::default();
    let names = settings.chain([&usual]).map(|settings| event::channel(settings, database));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Hears events until then, until Ctrl-C, or until there are too many. Returns the end of what was heard.
async fn listen(
    mut channels: Channels,
    until: UnixMs,
    interrupt: impl Future<Output = ()>,
) -> Result<(Sent, UnixMs), StoreError> {
    let mut sent = Sent::new();
    let deadline = Instant::now() + until.since(clock::wall());
    let mut interrupt = pin!(interrupt);
    loop {
        let message = tokio::select! {
            message = channels.next() => message,
            () = &mut interrupt => return Ok((sent, clock::wall())),
            () = sleep_until(deadline) => return Ok((sent, until)),
        };
        for SentTask { task, args, kwargs, at, sender } in event::read_sent(message?.as_bytes()) {
            let arguments = Arguments::Text { args, kwargs };
            sent.messages.push(There { entry: None, sender, at, task, arguments });
        }
        if sent.messages.len() >= MAX_MESSAGES {
            sent.notes.push(format!("stopped listening after {MAX_MESSAGES} events"));
            return Ok((sent, clock::wall()));
        }
    }
}
