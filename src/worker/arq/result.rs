//! What an arq worker reports about a job: its result, under one key, once it has ended. Until then there is
//! the job, and a mark while it runs.

use uuid::Uuid;

use super::decode::value;
use super::message::JOB;
use crate::worker::python::unpickle;
use crate::worker::result::last_line;
use crate::worker::{RedisCommand, TaskResult};

pub(super) fn queries(task_id: Uuid) -> Vec<RedisCommand> {
    let get = |prefix: &str| vec![b"GET".to_vec(), format!("{prefix}{task_id}").into()];
    let job =
        ["GETRANGE", &format!("{JOB}{task_id}"), "0", "0"].map(|word| word.as_bytes().to_vec());
    vec![get("arq:result:"), get("arq:in-progress:"), job.to_vec()]
}

pub(super) fn read(replies: &[Option<Vec<u8>>]) -> TaskResult {
    let is_there = |at: usize| {
        let reply = replies.get(at).and_then(Option::as_deref);
        reply.is_some_and(|reply| !reply.is_empty())
    };
    match replies.first() {
        Some(Some(result)) => ended(result),
        _ if is_there(1) => TaskResult::Pending("in progress".to_owned()),
        _ if is_there(2) => TaskResult::Pending("queued".to_owned()),
        _ => TaskResult::Failed(
            "the job is gone: it expired, or its function keeps no results".to_owned(),
        ),
    }
}

/// A pickle may hold an object, or the exception. Then only the latter is shown.
fn ended(result: &[u8]) -> TaskResult {
    let plain = value(result).ok();
    let Some(said) = plain.clone().or_else(|| unpickle::describe(result).ok()) else {
        return TaskResult::Failed("its result cannot be read".to_owned());
    };
    match said["s"].as_bool() {
        Some(true) => TaskResult::Succeeded(plain.map(|mut plain| plain["r"].take())),
        _ => {
            let why = &said["r"];
            let why = why.as_str().map_or_else(|| why.to_string(), str::to_owned);
            TaskResult::Failed(last_line(&why).unwrap_or_else(|| "it failed".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(replies: [Option<&[u8]>; 3]) -> TaskResult {
        read(&replies.map(|reply| reply.map(<[u8]>::to_vec)))
    }

    #[test]
    fn an_ended_job_is_distinguished_from_a_pending_one() {
        let pending = |status: &str| TaskResult::Pending(status.to_owned());
        assert_eq!(said([None, None, Some(b"\x80")]), pending("queued"));
        assert_eq!(said([None, Some(b"1"), Some(b"\x80")]), pending("in progress"));
        assert_eq!(said([None, Some(b"1"), Some(b"")]), pending("in progress"));
        assert!(matches!(said([None, None, Some(b"")]), TaskResult::Failed(_)));
        let json = br#"{"t": 1, "s": true, "r": [1, "\u00e9"]}"#;
        assert_eq!(said([Some(json), None, None]), TaskResult::Succeeded(Some(json!([1, "é"]))));
    }

    #[test]
    fn a_failure_names_its_exception_and_an_object_is_not_shown() {
        // `pickle.dumps({"s": …, "r": ValueError("no")}, 2)`, as result and as failure.
        let pickled = |flag: u8| {
            let class = b"X\x01\0\0\0rcexceptions\nValueError\nX\x02\0\0\0no\x85Ru.";
            [&b"\x80\x02}(X\x01\0\0\0s"[..], &[flag], class].concat()
        };
        assert_eq!(
            said([Some(&pickled(0x89)), None, None]),
            TaskResult::Failed("ValueError: no".to_owned())
        );
        assert_eq!(said([Some(&pickled(0x88)), None, None]), TaskResult::Succeeded(None));
        let text = br#"{"s": false, "r": "unable to serialize result"}"#;
        let unable = TaskResult::Failed("unable to serialize result".to_owned());
        assert_eq!(said([Some(text), None, None]), unable);
        assert!(matches!(said([Some(b"\x80\x04"), None, None]), TaskResult::Failed(_)));
    }
}
