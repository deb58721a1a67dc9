//! What an RQ worker reports about a job: `status` in the job's hash and, when it ends, an entry of the
//! stream `rq:results:<id>`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use uuid::Uuid;

use super::message::{JOB, command};
use super::{RqOptions, RqQueue, Serializer};
use crate::worker::result::last_line;
use crate::worker::{Message, RedisCommand, TaskResult, Unsendable};

/// Maximum bytes of a traceback.
const MAX_TRACEBACK: usize = 1 << 20;

/// With `result_ttl: 0`, a successful job is gone at once, like one that no worker took.
pub(super) fn reports_result(message: &Message) -> Result<(), Unsendable> {
    match RqOptions::of(message).and_then(|options| options.result_ttl) {
        Some(0) => Err(Unsendable::new("options", "`result_ttl: 0` leaves no result")),
        _ => Ok(()),
    }
}

pub(super) fn queries(task_id: Uuid) -> Vec<RedisCommand> {
    let (job, results) = (format!("{JOB}{task_id}"), format!("rq:results:{task_id}"));
    vec![
        command(&["HGET", &job, "status"]),
        command(&["XREVRANGE", &results, "+", "-", "COUNT", "1"]),
    ]
}

pub(super) fn read(replies: &[Option<Vec<u8>>], settings: RqQueue) -> TaskResult {
    let Some(Some(status)) = replies.first() else {
        return TaskResult::Failed(
            "the job is gone: it expired, or its worker keeps no results".to_owned(),
        );
    };
    // The status, the id of the newest result, and its fields and values.
    let result = replies.get(2..).unwrap_or_default();
    let field = |name: &str| {
        let pair = result.chunks_exact(2).find(|pair| pair[0].as_deref() == Some(name.as_bytes()));
        pair.and_then(|pair| BASE64_STANDARD.decode(pair[1].as_ref()?).ok())
    };
    let status = String::from_utf8_lossy(status);
    match &*status {
        "finished" => TaskResult::Succeeded(match settings.serializer {
            Serializer::Json => {
                field("return_value").and_then(|value| serde_json::from_slice(&value).ok())
            }
            // A pickle may not be made of plain values.
            Serializer::Pickle => None,
        }),
        "failed" | "stopped" | "canceled" => {
            let traceback = field("exc_string");
            let traceback =
                traceback.and_then(|it| decompress_to_vec_zlib_with_limit(&it, MAX_TRACEBACK).ok());
            let line = traceback.and_then(|it| last_line(&String::from_utf8_lossy(&it)));
            TaskResult::Failed(line.unwrap_or_else(|| format!("the job is {status}")))
        }
        _ => TaskResult::Pending(last_line(&status).unwrap_or_else(|| "no status".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICKLE: RqQueue = RqQueue { serializer: Serializer::Pickle };
    const JSON: RqQueue = RqQueue { serializer: Serializer::Json };

    /// As the worker of RQ 2.12 left it: `ValueError: no such ☃`, in zlib and base64.
    const EXC_STRING: &str = "eJxNyrENwkAMBdD+pvi6KpEiGiSK9DABokWOZYTB3IF9KVKzBPMxCXRQv7d3YpmIr+huNRpcWEoDkxmMovVjAnZqguyP46VOsboveYBpEaw3A7TgRGrfBThpCA5ks2zdq3e5VMTMZ7xfz9ynn4z4k/QBk0QtGg==";

    fn said(replies: &[&str], settings: RqQueue) -> TaskResult {
        let replies: Vec<_> = replies.iter().map(|reply| Some(reply.as_bytes().to_vec())).collect();
        read(&replies, settings)
    }

    #[test]
    fn an_ended_task_is_distinguished_from_a_pending_one() {
        for status in ["queued", "started", "scheduled", "deferred"] {
            assert_eq!(said(&[status], PICKLE), TaskResult::Pending(status.to_owned()));
        }
        let finished = ["finished", "1-0", "type", "1", "return_value", "WzEsIsOpIl0="];
        let result = serde_json::json!([1, "é"]);
        assert_eq!(said(&finished, JSON), TaskResult::Succeeded(Some(result)));
        assert_eq!(said(&finished, PICKLE), TaskResult::Succeeded(None));
        assert_eq!(said(&finished[..1], JSON), TaskResult::Succeeded(None));
    }

    #[test]
    fn a_failure_names_its_exception() {
        let failed = ["failed", "1-0", "exc_string", EXC_STRING, "type", "2"];
        assert_eq!(said(&failed, JSON), TaskResult::Failed("ValueError: no such ☃".to_owned()));
        for status in ["failed", "stopped", "canceled"] {
            let unknown = TaskResult::Failed(format!("the job is {status}"));
            assert_eq!(said(&[status], PICKLE), unknown);
            assert_eq!(said(&[status, "1-0", "exc_string", "eJw="], PICKLE), unknown);
        }
        assert!(matches!(read(&[None], PICKLE), TaskResult::Failed(_)));
    }
}
