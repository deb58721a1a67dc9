//! Reads and changes pauses in Redis.

use std::sync::Arc;

use redis::{Cmd, Value};

use super::lua;
use super::reading::{MAX_INTENT, Source, read_intent};
use super::reply::{instant, list, text, unexpected_answer};
use super::requests::Requests;
use crate::schedule::pause::{self, MAX_TEXT};
use crate::store::contract::{
    ChangePauses, MAX_PAUSED, PausesChanged, PausesMark, PausesRead, PrunePauses, StoreError,
    SubjectPauses,
};
use crate::store::text::{MAX_PROGRESS, read_progress};

/// How long a replica has to take over a change.
const REPLICATED_WITHIN_MS: u64 = 200;

/// Asks for the mark now, and reads the pauses after it.
pub(super) fn read(
    source: Source,
) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static {
    let mark = source.requests.ask_repeatable(lua::call(&lua::PAUSES, &[source.keys.revision()]));
    async move {
        let answer = list(mark.await?)?;
        let [now, revision, version] = &answer[..] else { return Err(unexpected_answer()) };
        let mark = PausesMark { revision: number(revision)?, version: number(version)? };
        let now = instant(now).ok_or_else(unexpected_answer)?;
        let mut read = PausesRead { now, mark, ..PausesRead::default() };
        let mut left = MAX_PAUSED;
        let other = source
            .scan(&source.keys.pauses(), MAX_TEXT, |name, found| {
                if left > 0 {
                    left -= 1;
                    read.add(name, found.whole(), found.length());
                }
            })
            .await?;
        if let Some(other) = other {
            read.unreadable.push(("".into(), format!("pauses: a {other} instead of a hash")));
        }
        read.sort();
        // While a hash grows, a field may be returned twice.
        read.subjects.dedup_by(|one, other| one.subject == other.subject);
        Ok(read)
    }
}

fn number(value: &Value) -> Result<u64, StoreError> {
    text(value).and_then(|digits| digits.parse().ok()).ok_or_else(unexpected_answer)
}

fn add_subjects(call: &mut Cmd, subjects: &[SubjectPauses]) {
    for SubjectPauses { subject, pauses, etag } in subjects {
        call.arg(subject.to_string()).arg(&etag.0[..]).arg(pause::write(pauses));
    }
}

/// Pauses or resumes. Asks on the same connection whether another server has the change.
pub(super) fn change(
    source: &Source,
    request: &ChangePauses,
) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static + use<> {
    let mut call = lua::call(&lua::PAUSE, &[source.keys.revision(), source.keys.pauses()]);
    call.arg(if request.forbids { "forbids" } else { "" }).arg(MAX_PAUSED).arg(MAX_TEXT);
    add_subjects(&mut call, &request.subjects);
    let requests = source.requests.clone();
    let answer = requests.ask(call);
    async move {
        let answer = list(answer.await?)?;
        let said = answer.first().and_then(text);
        match (said.as_deref(), &answer[..]) {
            (Some("outdated"), _) => Ok(PausesChanged::Outdated),
            (Some("too many"), _) => Ok(PausesChanged::TooMany),
            (Some("written"), [_, now, revision, version]) => {
                let now = instant(now).ok_or_else(unexpected_answer)?;
                let mark = PausesMark { revision: number(revision)?, version: number(version)? };
                let replicated = is_replicated(&requests).await;
                Ok(PausesChanged::Written { now, mark, replicated })
            }
            _ => Err(unexpected_answer()),
        }
    }
}

/// Whether a replica has the last write; `None` if there is no replica, or an ACL forbids asking.
async fn is_replicated(requests: &Requests) -> Option<bool> {
    let mut info = redis::cmd("INFO");
    info.arg("replication");
    let info = text(&requests.ask_on_same_connection(info).await.ok()?)?;
    let replicas = info.lines().find_map(|line| line.strip_prefix("connected_slaves:"))?;
    if replicas.trim() == "0" {
        return None;
    }
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(REPLICATED_WITHIN_MS);
    let answer = requests.ask_on_same_connection(wait).await;
    Some(matches!(answer, Ok(Value::Int(1..))))
}

/// Drops pauses that are over.
pub(super) fn prune(
    source: &Source,
    request: &PrunePauses,
) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static + use<> {
    let mut call = lua::call(&lua::PRUNE, &[source.keys.lease(), source.keys.pauses()]);
    call.arg(&*request.lease).arg(MAX_TEXT);
    add_subjects(&mut call, &request.subjects);
    let answer = source.requests.ask(call);
    async move {
        match answer.await? {
            Value::Int(count) => usize::try_from(count).map_err(|_| unexpected_answer()),
            _ => Err(unexpected_answer()),
        }
    }
}

/// Of these entries, returns those with an open intent, as far as progress is folded.
pub(super) async fn open_intents(
    source: &Source,
    entries: Vec<Arc<str>>,
) -> Result<Vec<Arc<str>>, StoreError> {
    let name = |entry: &Arc<str>| Value::BulkString(entry.as_bytes().to_vec());
    let names: Vec<Value> = entries.iter().map(name).collect();
    let mut intended = Vec::new();
    let key = source.keys.intents();
    source
        .read_fields(&key, MAX_INTENT, &names, |entry, found| {
            if let Some(slot) = found.read(read_intent) {
                intended.push((Arc::<str>::from(String::from_utf8_lossy(entry)), slot));
            }
        })
        .await?;
    let names: Vec<Value> = intended.iter().map(|(entry, _)| name(entry)).collect();
    let mut settled = std::collections::HashMap::new();
    let key = source.keys.progress();
    source
        .read_fields(&key, MAX_PROGRESS, &names, |entry, found| {
            if let Some(progress) = found.read(read_progress) {
                settled.insert(Arc::<str>::from(String::from_utf8_lossy(entry)), progress.through);
            }
        })
        .await?;
    intended.retain(|(entry, slot)| settled.get(entry).is_none_or(|through| through < slot));
    Ok(intended.into_iter().map(|(entry, _)| entry).collect())
}
