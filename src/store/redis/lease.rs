//! The lease in Redis, and the replicas' announcements.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::first_format;
use super::lua;
use super::reading::{Format, Source, format, newer};
use super::reply::{instant, list, text, unexpected_answer};
use super::writing::FORMAT;
use crate::store::contract::{
    Acquire, Acquired, Announced, Announcement, MAX_ANNOUNCEMENT, MAX_REPLICAS, Renewed, StoreError,
};
use crate::store::journal::shortened;

/// An unusable value of the lease key: since when it has been seen, and by which holder.
#[derive(Debug)]
pub(super) struct Sighting {
    holder: Arc<str>,
    found: Vec<u8>,
    since: Instant,
}

/// Shared with the requests in flight.
pub(super) type Sightings = Arc<Mutex<Option<Sighting>>>;

pub(super) async fn acquire(
    source: Source,
    sightings: Sightings,
    request: Acquire,
) -> Result<Acquired, StoreError> {
    let keys = &source.keys;
    let keys = [keys.lease(), keys.term(), keys.marker(), keys.replicas(), keys.journal()];
    let mut call = lua::call(&lua::ACQUIRE, &keys);
    call.arg(&*request.holder).arg(ms(request.ttl)).arg(i32::from(request.even_unmarked));
    call.arg(unchanged_for_a_ttl(&sightings, &request)).arg(FORMAT);
    call.arg(request.replaces.as_deref().unwrap_or_default());
    let fields = list(source.requests.ask(call).await?)?;
    let [said, now, rest @ ..] = fields.as_slice() else { return Err(unexpected_answer()) };
    let now = instant(now).ok_or_else(unexpected_answer)?;
    let said = text(said).ok_or_else(unexpected_answer)?;
    // A replica that has to wait in an unmarked namespace has already waited for this lease.
    if said != "unreadable" && said != "unmarked" {
        *sightings.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    match (said.as_str(), rest) {
        ("acquired", [lease, marker]) => {
            let lease: Arc<str> = text(lease).ok_or_else(unexpected_answer)?.into();
            let marker = text(marker).ok_or_else(unexpected_answer)?;
            if format(&marker) == Format::First
                && !first_format::convert(&source, &lease, request.ttl).await?
            {
                let lost = "the lease was lost while the namespace was being converted";
                return Err(StoreError::Unavailable(lost.to_owned()));
            }
            Ok(Acquired::Ours { lease, now })
        }
        ("held", [lease, Value::Int(left)]) => {
            let left = Duration::from_millis(u64::try_from(*left).unwrap_or(0));
            Ok(Acquired::Held { lease: text(lease).ok_or_else(unexpected_answer)?, left, now })
        }
        ("unmarked", []) => Ok(Acquired::Unmarked { now }),
        ("newer", [marker]) => {
            let marker = text(marker).ok_or_else(unexpected_answer)?;
            Err(newer(marker.parse().map_err(|_| unexpected_answer())?))
        }
        ("older", [Value::BulkString(replica)]) => {
            let why = format!(
                "{} runs an older version, which keeps the namespace in another format: it is taken \
                 over when no such replica is left",
                shortened(replica)
            );
            Ok(Acquired::Unreadable { why, now })
        }
        ("unreadable", [Value::BulkString(found)]) => {
            let why = format!("the lease cannot be read: {}", shortened(found));
            see(&sightings, &request.holder, found);
            Ok(Acquired::Unreadable { why, now })
        }
        _ => Err(unexpected_answer()),
    }
}

/// The value that this holder has seen unchanged for a whole TTL, if any.
fn unchanged_for_a_ttl(sightings: &Sightings, request: &Acquire) -> Vec<u8> {
    let sighting = sightings.lock().unwrap_or_else(PoisonError::into_inner);
    let sighting = sighting.as_ref().filter(|sighting| {
        sighting.holder == request.holder && sighting.since.elapsed() >= request.ttl
    });
    sighting.map(|sighting| sighting.found.clone()).unwrap_or_default()
}

fn see(sightings: &Sightings, holder: &Arc<str>, found: &[u8]) {
    let mut sighting = sightings.lock().unwrap_or_else(PoisonError::into_inner);
    let is_same = |seen: &Sighting| seen.holder == *holder && seen.found == found;
    if !sighting.as_ref().is_some_and(is_same) {
        let (holder, found) = (Arc::clone(holder), found.to_vec());
        *sighting = Some(Sighting { holder, found, since: Instant::now() });
    }
}

pub(super) fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn renewed(answer: Value) -> Result<Renewed, StoreError> {
    match list(answer)?.as_slice() {
        [Value::Int(kept), now] => {
            Ok(Renewed { kept: *kept == 1, now: instant(now).ok_or_else(unexpected_answer)? })
        }
        _ => Err(unexpected_answer()),
    }
}

/// Reads the announcements, and where to continue reading.
pub(super) fn announced(answer: Value) -> Result<(Announced, String), StoreError> {
    let fields = list(answer)?;
    let [next, Value::Int(count), replicas @ ..] = fields.as_slice() else {
        return Err(unexpected_answer());
    };
    let replicas = replicas.chunks_exact(3).filter_map(|fields| {
        let [replica, Value::Int(age), said] = fields else { return None };
        let said = text(said).filter(|said| said.len() <= MAX_ANNOUNCEMENT)?;
        let age = Duration::from_millis(u64::try_from(*age).unwrap_or(0));
        Some(Announcement { replica: text(replica)?, said, age })
    });
    let replicas = replicas.take(MAX_REPLICAS).collect();
    let count = usize::try_from(*count).unwrap_or(0);
    Ok((Announced { replicas, count }, text(next).ok_or_else(unexpected_answer)?))
}
