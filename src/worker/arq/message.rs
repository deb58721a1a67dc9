//! The job: its text, and its id.

use super::{ArqOptions, ArqQueue, ArqSerializer};
use crate::worker::json_writer::JsonWriter;
use crate::worker::python::pickle;
use crate::worker::{Message, Push, Task, Unsendable, Writes, msgpack};

/// The key of a job without its id.
pub(super) const JOB: &str = "arq:job:";

/// How long a job waits if the entry has no `expires`, in milliseconds: as in arq's own client
/// (`expires_extra_ms`).
const USUAL_LIFETIME_MS: i64 = 86_400_000;

/// Stores the job under its id, and adds the id to the queue.
pub(super) fn render(task: &Task<'_>, settings: ArqQueue) -> Writes {
    let id = task.task_id.to_string();
    let key = format!("{JOB}{id}");
    let expires_in = task.expires_at.map_or(USUAL_LIFETIME_MS, |until| {
        // Redis refuses a lifetime of zero.
        i64::try_from(until.since(task.now).as_millis()).unwrap_or(i64::MAX).max(1)
    });
    let store = vec![
        b"PSETEX".to_vec(),
        key.into(),
        expires_in.to_string().into(),
        serialized(&job(task), settings.serializer),
    ];
    let queue = task.message.queue.name.to_string();
    Writes { before: vec![store], push: Push::Due, key: queue, element: id.into() }
}

/// The members that workers read come first, in the order of arq's own client.
fn job(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = JsonWriter::with_capacity(384 + message.args.len() + message.kwargs.len());
    json.raw(r#"{"t":"#);
    match ArqOptions::of(message).and_then(|options| options.job_try) {
        Some(job_try) => json.display(job_try),
        None => json.raw("null"),
    };
    json.raw(r#","f":"#).string(&message.task);
    json.raw(r#","a":"#).raw(&message.args);
    json.raw(r#","k":"#).raw(&message.kwargs);
    json.raw(r#","et":"#).display(task.now.0).raw(",");
    json.members(message.headers.as_deref()).provenance(task).raw("}");
    json.into_bytes()
}

/// In a pickle, lists in the outer mapping are tuples, as args are in those of arq's own client.
const TUPLES: u8 = 2;

/// Everything that [`check`] accepts can be serialized.
fn serialized(json: &[u8], serializer: ArqSerializer) -> Vec<u8> {
    match serializer {
        ArqSerializer::Pickle => pickle::of_json(json, TUPLES).unwrap_or_default(),
        ArqSerializer::Json => json.to_vec(),
        ArqSerializer::Msgpack => msgpack::of_json(json).unwrap_or_default(),
    }
}

/// Accepts a message that every serializer can write.
pub(super) fn check(message: &Message) -> Result<(), Unsendable> {
    // As deep as in a job.
    let call = format!("[{},{}]", message.args, message.kwargs);
    match pickle::of_json(call.as_bytes(), 0) {
        Ok(_) => Ok(()),
        Err(error) => Err(Unsendable::new("args", format!("cannot be pickled: {error}"))),
    }
}

#[cfg(test)]
mod tests;
