//! `status`: shows who leads, and the state of the service.

use std::time::Duration;

use super::direct::{Direct, Store, of_broker};
use super::{Exit, Failure, ask_service, block_on, configuration, load, look, show};
use crate::cli::{self, ServiceFlags};
use crate::config::{Broker, Caller, ServiceConfig};
use crate::control::{self, Command, LeaderAnswer, Question};
use crate::core::campaign;
use crate::core::{BadRecord, Lateness, QueueStatus, RefusedWrites};
use crate::leader::Peer;
use crate::pausing::in_words;
use crate::schedule::Kind;
use crate::schedule::outcome::Outcome;
use crate::service::status::{ScheduleStatus, Status, pauses_in_force};
use crate::store::contract::Store as _;
use crate::store::redis::Leader;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Width of the column of names.
const INDENT: usize = 11;

pub(super) fn status(flags: ServiceFlags, asked: cli::Status) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let status = match ask_service::<Status, String>(&service, &Command::Status, TIMEOUT)? {
        // The loop itself answers, with or without a broker.
        Some(Ok(status)) if asked.live => status,
        Some(Ok(status)) => look_for_a_leader(status, &service),
        Some(Err(error)) => return Err(Failure::new(Exit::Unreachable, error)),
        None if asked.live => {
            let socket = control::socket_path(&service.runtime_dir);
            let message = format!("no service listens on {}", socket.display());
            return Err(Failure::new(Exit::Unreachable, message));
        }
        None => block_on(async { Direct::open(&service)?.status(&service).await })??,
    };
    if asked.output.json {
        show::json(&status.with_troubles())?;
    } else {
        print(&status)?;
    }
    Ok(if status.is_blocked() && !asked.live { Exit::No } else { Exit::Fine })
}

/// A service that has just resigned backs off, and does not check who took over.
fn look_for_a_leader(mut status: Status, service: &ServiceConfig) -> Status {
    if status.leader.is_none()
        && status.broker_error.is_none()
        && let Ok(LeaderAnswer { leader }) = look::ask(service, Question::Leader)
    {
        status.leader = leader;
    }
    status
}

impl Direct {
    async fn status(&mut self, service: &ServiceConfig) -> Result<Status, Failure> {
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            namespace: service.namespace.clone(),
            shadow: service.shadow,
            broker: self.broker.as_ref().map(Broker::to_string).unwrap_or_default(),
            ..Status::default()
        };
        // Reads a spool even while a service holds it.
        if let Ok(read) = self.pauses().await {
            let schedule = load(service).schedule;
            (status.pauses, status.pause_count) =
                pauses_in_force(&read.to_pauses(), schedule.as_ref(), read.now);
            let bad = read.unreadable.iter();
            let bad =
                bad.map(|(entry, what)| BadRecord { entry: entry.to_string(), what: what.clone() });
            status.bad_pauses = bad.collect();
        }
        if let Store::Redis(redis) = &mut self.store {
            status.count(redis.counters().await.map_err(of_broker)?);
            match redis.leader().await.map_err(of_broker)? {
                Leader::Nobody => {}
                Leader::Leads(lease) => status.leader = Some(lease),
                Leader::Unreadable(why) => status.lease_error = Some(why),
            }
            let announced = redis.replicas(service.ttl * 3).await.map_err(of_broker)?;
            status.replica_count = announced.count;
            let read = |announcement| Peer::read(announcement, service.ttl);
            status.replicas = announced.replicas.iter().filter_map(read).collect();
        }
        Ok(status)
    }
}

fn print(status: &Status) -> Result<(), Failure> {
    match (&status.role, status.pid) {
        (Some(role), Some(pid)) => {
            let since = status.started_at.map(|at| format!(", running since {at}"));
            let since = since.unwrap_or_default();
            fact("downbeat", &format!("{}, {role}, pid {pid}{since}", status.version))?;
        }
        _ => fact("downbeat", "no service runs here; this is what the broker knows")?,
    }
    status.troubles().iter().try_for_each(|trouble| fact("TROUBLE", trouble))?;
    status.wait().iter().try_for_each(|wait| fact("waits", wait))?;
    print_bad_records(status)?;
    fact("leader", &leader(status))?;
    fact("broker", &status.broker)?;
    fact("namespace", &status.namespace)?;
    if status.shadow {
        fact("shadow", "nothing is sent: slots are only recorded as sent")?;
    }
    for replica in &status.replicas {
        fact("replica", &peer(replica, status.leader.as_deref()))?;
    }
    if let Some(more @ 1..) = status.replica_count.checked_sub(status.replicas.len()) {
        fact("", &format!("and {more} more"))?;
    }
    if let Some(schedule) = &status.schedule {
        print_schedule(schedule)?;
    }
    print_counts(status)?;
    if let Some(at) = status.last_tick {
        fact("last tick", &at.to_string())?;
    }
    let mut name = "paused";
    for pause in &status.pauses {
        fact(name, &format!("{} {}", in_words(&pause.subject), pause.in_words()))?;
        name = "";
    }
    if let Some(more @ 1..) = status.pause_count.checked_sub(status.pauses.len()) {
        fact(name, &format!("and {more} more"))?;
    }
    match status.done {
        None | Some(0) => {}
        Some(1) => fact("done", "1 entry has reached its limit")?,
        Some(done) => fact("done", &format!("{done} entries have reached their limit"))?,
    }
    if let Some(next) = &status.next {
        fact("next", &next.entry)?;
        let overdue = next.overdue().map_or(String::new(), |overdue| format!(", {overdue}"));
        fact("", &format!("{} ({}){overdue}", next.slot, next.slot_utc))?;
    }
    Ok(())
}

fn peer(replica: &Peer, leader: Option<&str>) -> String {
    let Peer { holder, version, schedule, skew_ms, silent_ms, .. } = replica;
    let role = match replica {
        Peer { dead: true, .. } => format!(", DEAD: silent for {} s", silent_ms / 1_000),
        Peer { stuck: true, .. } => ", leads, CANNOT PUBLISH".to_owned(),
        _ if replica.leads(leader) => ", leads".to_owned(),
        _ => String::new(),
    };
    format!("{holder} {version}{role}, schedule {schedule}, clock {skew_ms:+} ms")
}

/// Lists records that were repaired.
fn print_bad_records(status: &Status) -> Result<(), Failure> {
    let mut name = "repaired";
    for BadRecord { entry, what } in &status.bad_records {
        fact(name, &format!("`{entry}`: {what}"))?;
        name = "";
    }
    match status.bad_record_count.saturating_sub(status.bad_records.len()) {
        0 => Ok(()),
        more => fact("", &format!("and {more} more")),
    }
}

fn print_schedule(schedule: &ScheduleStatus) -> Result<(), Failure> {
    fact("schedule", &format!("{}, {}", schedule.hash, show::entries(schedule.entries)))?;
    fact("loaded", &schedule.loaded_at.to_string())?;
    let kept = match (schedule.kept_at, &schedule.not_kept) {
        (Some(accepted_at), None) => {
            Some(format!("{accepted_at}, for a start that finds the files invalid"))
        }
        (Some(accepted_at), Some(why)) => {
            Some(format!("only an older schedule, of {accepted_at} ({why})"))
        }
        (None, Some(why)) => {
            Some(format!("nothing: a start that finds the files invalid will fail ({why})"))
        }
        (None, None) => None,
    };
    kept.map_or(Ok(()), |kept| fact("kept", &kept))?;
    fact("tzdata", &schedule.tzdata)?;
    if let Some(reload) = &schedule.reload {
        let result = if reload.accepted { "accepted" } else { "REFUSED" };
        fact("reload", &format!("{result} {}", reload.at))?;
        reload.text.lines().try_for_each(|line| fact("", line))?;
    }
    Ok(())
}

fn print_counts(status: &Status) -> Result<(), Failure> {
    let slots = counts(status.slots.iter().map(|(word, count)| (&**word, *count)));
    if !slots.is_empty() {
        fact("slots", &slots)?;
    }
    for (queue, QueueStatus { dispatched, skipped, .. }) in &status.queues {
        let slots = counts(dispatched.iter().chain(skipped).map(|(word, count)| (&**word, *count)));
        if !slots.is_empty() {
            fact("queue", &format!("{queue}: {slots}"))?;
        }
    }
    if status.lateness.slots > 0 {
        fact("lateness", &lateness(&status.lateness))?;
    }
    if status.broker_errors > 0 {
        fact("errors", &format!("{} failed calls to the broker", status.broker_errors))?;
    }
    let RefusedWrites { fenced, stale, lost } = status.refused_writes;
    if fenced + stale + lost > 0 {
        fact(
            "refused",
            &format!("writes: {fenced} fenced, {stale} stale, {lost} without a journal"),
        )?;
    }
    Ok(())
}

/// Slots by outcome, in words: `7 sent (2 catch_up), 1 skipped (1 paused), 1 manual`.
fn counts<'a>(outcomes: impl Iterator<Item = (&'a str, u64)>) -> String {
    let (mut on_time, mut total) = (0, None);
    let [mut late, mut skipped, mut manual] = [(); 3].map(|()| Counted::default());
    for (word, count) in outcomes.filter(|(_, count)| *count > 0) {
        match Outcome::from_word(word) {
            Some(Outcome::Skipped(_)) => skipped.add(word, count),
            Some(Outcome::Dispatched(Kind::Scheduled)) => on_time = count,
            Some(Outcome::Dispatched(Kind::CatchUp | Kind::Resent)) => late.add(word, count),
            Some(Outcome::Dispatched(Kind::Manual | Kind::Backfill)) => manual.add(word, count),
            // `dispatched`: all of the schedule's slots that were sent.
            None => total = Some(count),
        }
    }
    let mut parts = Vec::new();
    let sent = total.unwrap_or(on_time + late.sum);
    if sent > 0 {
        parts.push(format!("{sent} sent{}", late.in_parentheses()));
    }
    if skipped.sum > 0 {
        parts.push(format!("{} skipped{}", skipped.sum, skipped.in_parentheses()));
    }
    parts.extend(manual.parts);
    parts.join(", ")
}

/// Counts of some outcomes.
#[derive(Default)]
struct Counted {
    sum: u64,
    parts: Vec<String>,
}

impl Counted {
    fn add(&mut self, word: &str, count: u64) {
        self.sum += count;
        self.parts.push(format!("{count} {word}"));
    }

    fn in_parentheses(&self) -> String {
        if self.parts.is_empty() {
            return String::new();
        }
        format!(" ({})", self.parts.join(", "))
    }
}

fn fact(name: &str, value: &str) -> Result<(), Failure> {
    show::fact(INDENT, name, value)
}

fn lateness(lateness: &Lateness) -> String {
    let half = |percent| match lateness.bound_of(percent) {
        Some(bound) => format!("{percent} % within {bound} ms"),
        None => format!("{percent} % later than a minute"),
    };
    format!("{}, {} of {} slots", half(50), half(99), lateness.slots)
}

/// `"<term> <holder>"` for people.
fn leader(status: &Status) -> String {
    match status.leader.as_deref().map(|leader| leader.split_once(' ').unwrap_or(("?", leader))) {
        None if status.broker_error.is_some() => "not known".to_owned(),
        None => "nobody".to_owned(),
        Some((_, campaign::SOLE)) => "this process; a spool has only one".to_owned(),
        Some((term, holder)) => format!("{holder}, term {term}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_slots_are_sent_skipped_or_sent_by_hand() {
        for (outcomes, words) in [
            (&[][..], ""),
            (&[("scheduled", 2), ("catch_up", 1), ("paused", 0)], "3 sent (1 catch_up)"),
            (
                &[
                    ("dispatched", 7),
                    ("catch_up", 2),
                    ("paused", 4),
                    ("too_late", 1),
                    ("manual", 1),
                ],
                "7 sent (2 catch_up), 5 skipped (4 paused, 1 too_late), 1 manual",
            ),
        ] {
            assert_eq!(counts(outcomes.iter().copied()), words);
        }
    }
}
