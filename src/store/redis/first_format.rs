//! Converts the first format, which had the hashes lives, progress and sent, and no journal.

use std::collections::HashMap;
use std::time::Duration;

use redis::Value;

use super::reading::{Overview, Source, Unreadable, read_hash, read_intent};
use super::{lua, writing};
use crate::schedule::Kind;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::Registration;
use crate::store::Fence;
use crate::store::contract::{Snapshot, StoreError};
use crate::store::journal::read_instant;
use crate::store::text::{
    self, MAX_PROGRESS, MAX_REGISTRATION, read_count, read_progress, read_registration,
    read_sequence,
};

pub(super) async fn snapshot(source: &Source, overview: &Overview) -> Result<Snapshot, StoreError> {
    let State { registrations, progress, mut unreadable } = read(source).await?;
    let intents =
        read_hash(source, source.keys.intents(), "intent", MAX_PROGRESS, read_intent).await?;
    unreadable.append(intents.unreadable);
    Ok(Snapshot {
        now: overview.now,
        sequence: read_sequence(&overview.sequence),
        completeness: Completeness::Whole,
        registrations,
        progress,
        intents: intents.values,
        unreadable: unreadable.named,
        unreadable_count: unreadable.count,
        ..Snapshot::default()
    })
}

/// The values to convert.
struct State {
    registrations: Vec<(Box<str>, Registration)>,
    progress: Vec<(Box<str>, Progress)>,
    unreadable: Unreadable,
}

async fn read(source: &Source) -> Result<State, StoreError> {
    let keys = &source.keys;
    let lives =
        read_hash(source, keys.lives(), "registration", MAX_REGISTRATION, read_registration)
            .await?;
    let sent = read_hash(source, keys.sent(), "count", MAX_PROGRESS, read_count).await?;
    let progress =
        read_hash(source, keys.progress(), "progress", MAX_PROGRESS, read_settled).await?;
    let counts: HashMap<Box<str>, u64> = sent.values.into_iter().collect();
    let mut unreadable = lives.unreadable;
    unreadable.append(progress.unreadable);
    unreadable.append(sent.unreadable);
    let counted = |(entry, mut progress): (Box<str>, Progress)| {
        // Entries converted before a crash already have their count.
        if progress.count == 0 {
            progress.count = counts.get(&entry).copied().unwrap_or(0);
        }
        (entry, progress)
    };
    let progress = progress.values.into_iter().map(counted).collect();
    Ok(State { registrations: lives.values, progress, unreadable })
}

/// The number of entries converted at once.
const ENTRIES_AT_ONCE: usize = 500;

/// Converts the first format under the caller's own lease. After a crash the format is still the first, and
/// entries already converted are understood.
pub(super) async fn convert(
    source: &Source,
    lease: &str,
    ttl: Duration,
) -> Result<bool, StoreError> {
    let keys = &source.keys;
    let overview = source.overview().await?;
    let State { registrations, progress, .. } = read(source).await?;
    let mut sequence = read_sequence(&overview.sequence);
    let registrations: Vec<String> = registrations
        .into_iter()
        .flat_map(|(entry, Registration { since, timing })| {
            [entry.into(), text::registration(since, timing.as_deref())]
        })
        .collect();
    let progress: Vec<String> = progress
        .into_iter()
        .flat_map(|(entry, progress)| [entry.into(), text::progress(&progress)])
        .collect();
    let (mut registrations, mut progress) =
        (registrations.chunks(2 * ENTRIES_AT_ONCE), progress.chunks(2 * ENTRIES_AT_ONCE));
    loop {
        let part = [registrations.next(), progress.next()];
        let is_last = part == [None, None];
        sequence = Fence::after(&lease.into(), sequence).next;
        let keys = [
            keys.lease(),
            keys.sequence(),
            keys.registrations(),
            keys.progress(),
            keys.marker(),
            keys.lives(),
            keys.sent(),
        ];
        let mut call = lua::call(&lua::CONVERT, &keys);
        call.arg(lease).arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).arg(sequence);
        call.arg(if is_last { writing::FORMAT } else { "" });
        for words in part.map(Option::unwrap_or_default) {
            call.arg(words.len()).arg(words);
        }
        if source.requests.ask(call).await? != Value::Int(1) {
            return Ok(false);
        }
        if is_last {
            return Ok(true);
        }
    }
}

/// Reads `"<slot> <outcome> <task id or ->"`, or what is already converted.
fn read_settled(text: &str) -> Option<Progress> {
    if let Some(progress) = read_progress(text) {
        return Some(progress);
    }
    let mut words = text.split(' ');
    let mut progress = Progress::through(read_instant(words.next()?)?);
    match words.next()? {
        "dispatched" => {
            progress.outcome = Some(Outcome::Dispatched(Kind::Scheduled));
            progress.dispatched = Some(progress.through);
        }
        "restored" => {}
        word => {
            let reason = SkipReason::ALL.into_iter().find(|reason| reason.as_str() == word)?;
            progress.outcome = Some(Outcome::Skipped(reason));
        }
    }
    Some(progress)
}

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;

    use super::*;

    #[test]
    fn records_of_the_first_format_are_read_and_so_are_those_of_this_one() {
        let sent = read_settled("17 dispatched 0b1f").unwrap();
        assert_eq!((sent.through, sent.dispatched), (UnixMs(17), Some(UnixMs(17))));
        let skipped = read_settled("17 superseded -").unwrap();
        assert_eq!(skipped.outcome, Some(Outcome::Skipped(SkipReason::Superseded)));
        assert_eq!(read_settled("17 restored -"), Some(Progress::through(UnixMs(17))));
        let converted = "17 scheduled s=17 n=3";
        assert_eq!(read_settled(converted), read_progress(converted));
        assert_eq!(read_settled("17 flown -"), None);
    }
}
