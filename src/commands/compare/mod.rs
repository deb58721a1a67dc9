//! `compare`: sets what another scheduler sent beside what a shadow run recorded.

mod here;
mod print;
mod there;
mod times;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use self::here::Recorded;
use self::print::Report;
use self::there::Sent;
use self::times::Times;
use super::{Exit, Failure, configuration, load_schedule};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::compare::{self, Instant, Span};
use crate::config::{Caller, ServiceConfig};
use crate::schedule::Schedule;
use crate::text::duration;
use crate::worker::{Queue, WorkerKind};

/// The maximum number of entries or producers that a note names.
const MAX_NAMED: usize = 5;

pub(super) fn compare(flags: ServiceFlags, asked: &cli::Compare) -> Result<Exit, Failure> {
    let configured = |shadow| {
        let flags = ServiceFlags { shadow, ..flags.clone() };
        configuration(flags, Caller::Command, Exit::Usage)
    };
    let (service, shadow) = (configured(false)?, configured(true)?);
    let tolerance = length("--tolerance", &asked.tolerance)?;
    let times = Times::read(asked, clock::wall())?;
    let schedule = load_schedule(&shadow)?;
    let (sent, recorded, judged) = match &asked.with_queue {
        Some(queue) => with_queue(&service, &shadow, &schedule, queue, &times, tolerance)?,
        None => with_events(&service, &shadow, &schedule, &times, tolerance)?,
    };
    let sent = sent.by(asked.sender.as_deref());
    let span = Span { judged, tolerance };
    let instants = compare::compare(&recorded.slots, &sent.messages, &span);
    let mut notes = [sent.notes, recorded.notes].concat();
    notes.extend(without_slot(&recorded.entries, &instants));
    let report = Report { span, instants, notes, namespace: shadow.namespace.clone() };
    if asked.output.json {
        report.print_json(&schedule)?
    } else {
        report.print(&schedule)?
    }
    let is_fine = !report.counts().differ() && !report.instants.is_empty();
    Ok(if is_fine { Exit::Fine } else { Exit::No })
}

/// Names entries of which nothing is known.
fn without_slot(entries: &[Arc<str>], instants: &[Instant]) -> Option<String> {
    let seen: HashSet<&str> =
        instants.iter().filter_map(|instant| instant.entry.as_deref()).collect();
    let unseen: Vec<&str> =
        entries.iter().map(|name| &**name).filter(|name| !seen.contains(name)).collect();
    let named = unseen.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if unseen.len() > MAX_NAMED { ", …" } else { "" };
    (!unseen.is_empty()).then(|| {
        let count = unseen.len();
        format!("without a slot in this time, so not compared: {count} ({named}{more}); compare for longer")
    })
}

/// Both sides, and the times of which they are known.
type Sides = (Sent, Recorded, Range<UnixMs>);

fn with_queue(
    service: &ServiceConfig,
    shadow: &ServiceConfig,
    schedule: &Schedule,
    name: &str,
    times: &Times,
    tolerance: Duration,
) -> Result<Sides, Failure> {
    let queue = service.queues.get(name);
    let sent = there::in_queue(service, &queue)?;
    let uses = |other: &Queue| other.name == queue.name;
    let around = times.from.map(|from| from - tolerance)..times.to.map(|to| to + tolerance);
    let recorded = here::read(shadow, schedule, around, uses)?;
    let since = recorded.since.ok_or_else(|| nothing_recorded(shadow))?;
    let from =
        times.from.unwrap_or_else(|| sent.oldest().map_or(since, |oldest| oldest.max(since)));
    let to = times.end(from).unwrap_or(times.now);
    let to = sent.until.map_or(to, |until| until.min(to));
    Ok((sent, recorded, from..to))
}

fn with_events(
    service: &ServiceConfig,
    shadow: &ServiceConfig,
    schedule: &Schedule,
    times: &Times,
    tolerance: Duration,
) -> Result<Sides, Failure> {
    here::check_leads(shadow)?;
    let until = times.end(times.now).unwrap_or(times.now + times::DEFAULT_LENGTH);
    let (sent, heard) = there::events(service, until)?;
    let is_heard =
        |queue: &Queue| queue.worker.kind() == WorkerKind::Celery && queue.amqp.is_none();
    let around = Some(heard.start - tolerance)..Some(heard.end + tolerance);
    let recorded = here::read(shadow, schedule, around, is_heard)?;
    Ok((sent, recorded, heard))
}

fn nothing_recorded(shadow: &ServiceConfig) -> Failure {
    let message = format!(
        "no shadow run has recorded a slot in the namespace {}; start one with `downbeat run --shadow`, and wait",
        shadow.namespace
    );
    Failure::new(Exit::No, message)
}

fn length(flag: &str, text: &str) -> Result<Duration, Failure> {
    duration::parse(text)
        .map_err(|error| Failure::usage(format!("{flag}: {error}; {}", error.hint())))
}
