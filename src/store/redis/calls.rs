//! What goes to the scripts, and what they answer.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use redis::{Cmd, Value};

use super::keys::Keys;
use super::scripts;
use crate::envelope::answer::{self, ResultKey};
use crate::envelope::{self, Writes};
use crate::queue::Queue;
use crate::schedule::legacy::{LifeChange, SkipReason};
use crate::schedule::{Guards, UnixMs};
use crate::store::{Batch, BrokerError, Exception, Fence, Note, Outcome, Reply, Stage, Write};

/// A batch, whose messages go to `lists`.
pub(super) fn dispatch(keys: &Keys, fence: &Fence, batch: &Batch, lists: &[ListItems]) -> Cmd {
    let [lease, sequence, progress] = [keys.lease(), keys.sequence(), keys.progress()];
    let keys = [lease, sequence, progress, keys.sent(), keys.running()];
    let mut call = scripts::call(&scripts::DISPATCH, &keys);
    call.arg(&*fence.lease).arg(fence.sequence).arg(fence.next).arg(lists.len());
    for (first, items) in lists {
        match first.and_then(|first| batch[first].message.as_ref()) {
            Some(message) => add_list(&mut call, &message.writes),
            // Nothing is pushed.
            None => call.arg("").arg("").arg("plain"),
        };
        call.arg(items.len());
    }
    for write in lists.iter().flat_map(|(_, items)| items).map(|item| &batch[*item]) {
        let record = format!("{} {}", write.slot.0, write.outcome);
        call.arg(&*write.entry).arg(write.slot.0).arg(record);
        let message = write.message.as_ref().map(|message| packed(&message.writes));
        call.arg(message.as_deref().unwrap_or_default());
    }
    for run in batch.chunk_by(|a, b| a.entry == b.entry) {
        add_guards(&mut call, run);
    }
    call
}

/// How far messages have come that AMQP brokers take.
pub(super) fn note(keys: &Keys, fence: &Fence, notes: &[Note]) -> Cmd {
    let [lease, sequence, progress] = [keys.lease(), keys.sequence(), keys.progress()];
    let keys = [lease, sequence, progress, keys.sent(), keys.intents(), keys.running()];
    let mut call = scripts::call(&scripts::NOTE, &keys);
    call.arg(&*fence.lease).arg(fence.sequence).arg(fence.next);
    for Note { entry, slot, stage, queue, guards } in notes {
        let (stage, record) = match stage {
            Stage::Intended => ("intended", format!("{} intended -", slot.0)),
            Stage::Settled(outcome @ Outcome::Dispatched(_)) => {
                ("dispatched", format!("{} {outcome}", slot.0))
            }
            Stage::Settled(outcome) => ("skipped", format!("{} {outcome}", slot.0)),
            Stage::Withdrawn => ("withdrawn", String::new()),
        };
        call.arg(stage).arg(&**entry).arg(slot.0).arg(record).arg(in_digits(guards.limit));
        call.arg(in_digits(guards.overlap)).arg(trace(*guards, Some(queue)));
    }
    call
}

/// Which entries are live; `last` with the last part of the change.
pub(super) fn adopt(keys: &Keys, fence: &Fence, changes: &[LifeChange], last: bool) -> Cmd {
    let [lease, sequence, progress] = [keys.lease(), keys.sequence(), keys.progress()];
    let [lives, marker, sent] = [keys.lives(), keys.marker(), keys.sent()];
    let [intents, running] = [keys.intents(), keys.running()];
    let keys = [lease, sequence, progress, lives, marker, sent, intents, running];
    let mut call = scripts::call(&scripts::ADOPT, &keys);
    call.arg(&*fence.lease).arg(fence.sequence).arg(fence.next).arg(i32::from(last));
    for change in changes {
        match change {
            LifeChange::Begin { entry, timing, since, settled, sent } => {
                let record = settled.map(|slot| format!("{} restored -", slot.0));
                call.arg("begin").arg(&**entry).arg(since.0).arg(&**timing);
                call.arg(record.unwrap_or_default()).arg(sent);
            }
            LifeChange::Retire { entry, at } => {
                call.arg("retire").arg(&**entry).arg(at.0).arg("").arg("").arg("");
            }
            LifeChange::Forget { entry } => {
                call.arg("forget").arg(&**entry).arg("").arg("").arg("").arg("");
            }
        }
    }
    call
}

/// A message of which nothing is recorded.
pub(super) fn publish(writes: &Writes) -> Cmd {
    let mut call = scripts::call(&scripts::PUBLISH, &[]);
    add_list(&mut call, writes);
    call.arg(packed(writes).as_ref());
    call
}

/// Names the conditions of one entry, if it has any, and the lists that they ask for.
fn add_guards(call: &mut Cmd, run: &[Write]) {
    let (entry, guards) = (&*run[0].entry, run[0].guards);
    let Guards { limit, max_queued, overlap } = guards;
    if guards == Guards::default() {
        return;
    }
    let queue = run.iter().find_map(|write| Some(&write.message.as_ref()?.queue));
    let counted = queue.filter(|_| max_queued.is_some());
    let lists = counted.map(|queue| envelope::lists(queue)).unwrap_or_default();
    call.arg(entry).arg(in_digits(limit)).arg(in_digits(max_queued));
    call.arg(in_digits(overlap)).arg(trace(guards, queue)).arg(lists.len()).arg(lists);
}

/// What to keep of a task but for its id, as `running.lua` has it.
fn trace(guards: Guards, queue: Option<&Arc<Queue>>) -> String {
    let queue = queue.filter(|_| guards.overlap.is_some());
    let key = queue.and_then(|queue| answer::result_key(queue));
    let Some(ResultKey { prefix: key, databases: (there, here) }) = key else {
        return String::new();
    };
    format!("{} {there} {here} {key}", queue.map_or("", |queue| queue.worker.kind()))
}

/// Empty where there is no number.
fn in_digits(number: Option<NonZeroU32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// How and where the messages of one list are pushed, and their form.
fn add_list<'a>(call: &'a mut Cmd, writes: &Writes) -> &'a mut Cmd {
    let form = if writes.before.is_empty() { "plain" } else { "packed" };
    call.arg(writes.push.command()).arg(&writes.key).arg(form)
}

/// A message in the form that `push.lua` reads.
fn packed(writes: &Writes) -> Cow<'_, [u8]> {
    if writes.before.is_empty() {
        return Cow::Borrowed(&writes.element);
    }
    let mut packed = Vec::with_capacity(writes.size() + 16 * (writes.before.len() + 1));
    // MessagePack: `array 32` and `str 32`, each with its length.
    let begin = |packed: &mut Vec<u8>, kind: u8, length: usize| {
        packed.push(kind);
        packed.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    };
    begin(&mut packed, 0xdd, writes.before.len() + 1);
    for command in &writes.before {
        begin(&mut packed, 0xdd, command.len());
        for word in command {
            begin(&mut packed, 0xdb, word.len());
            packed.extend_from_slice(word);
        }
    }
    begin(&mut packed, 0xdb, writes.element.len());
    packed.extend_from_slice(&writes.element);
    Cow::Owned(packed)
}

/// The indexes in the batch of what goes to one list, and that of the first with a message.
pub(super) type ListItems = (Option<usize>, Vec<usize>);

/// Sorts a batch by list; entries of which nothing is sent go together.
pub(super) fn by_list(batch: &Batch) -> Vec<ListItems> {
    let writes = |index: usize| batch[index].message.as_ref().map(|message| &message.writes);
    let key = |first: Option<usize>| {
        let writes = first.and_then(writes)?;
        Some((writes.push, &*writes.key, writes.before.is_empty()))
    };
    let mut lists: Vec<ListItems> = Vec::new();
    let mut start = 0;
    for run in batch.chunk_by(|a, b| a.entry == b.entry) {
        let mut items = start..start + run.len();
        start = items.end;
        let first = items.clone().find(|index| writes(*index).is_some());
        match lists.iter_mut().find(|(known, _)| key(*known) == key(first)) {
            Some((_, known)) => known.extend(&mut items),
            None => lists.push((first, items.collect())),
        }
    }
    lists
}

/// Reads the reply of the two fenced scripts; `next` is the sequence number they were to leave.
pub(super) fn parse(answer: Value, next: u64) -> Result<Reply, BrokerError> {
    let odd = |answer: &Value| BrokerError::Unavailable(format!("redis answered {answer:?}"));
    let Value::Array(fields) = &answer else { return Err(odd(&answer)) };
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    match (fields.first().and_then(text).as_deref(), fields.as_slice()) {
        (Some("fenced"), _) => Ok(Reply::Fenced),
        (Some("stale"), _) => Ok(Reply::Stale),
        (Some("written"), [_, Value::Int(now), exceptions @ ..]) => {
            let exception = |pair: &[Value]| match pair {
                [Value::Int(item), why] => {
                    let why = match text(why)?.as_str() {
                        "done" => Exception::AlreadyDone,
                        "early" => Exception::Early,
                        "exhausted" => Exception::Exhausted,
                        "queue_full" => Exception::Skipped(SkipReason::QueueFull),
                        "still_running" => Exception::Skipped(SkipReason::StillRunning),
                        refusal => Exception::Refused(refusal.to_owned()),
                    };
                    Some((usize::try_from(*item).ok()?.checked_sub(1)?, why))
                }
                _ => None,
            };
            let exceptions: Option<_> = exceptions.chunks(2).map(exception).collect();
            Ok(Reply::Written {
                now: UnixMs(*now),
                sequence: next,
                exceptions: exceptions.ok_or_else(|| odd(&answer))?,
            })
        }
        _ => Err(odd(&answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_form_is_an_error_not_a_success() {
        assert!(parse(Value::Okay, 1).is_err());
        let short = vec![Value::SimpleString("written".into())];
        assert!(parse(Value::Array(short), 1).is_err());
    }
}
