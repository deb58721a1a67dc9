//! Answers questions about the brokers: through the running service, else over own connections.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::direct::{Direct, Store, of_broker};
use super::{Exit, Failure, ask_service, block_on, check, history, load, named_broker, peek};
use crate::address::RedisAddress;
use crate::config::{Broker, ServiceConfig};
use crate::control::{Backend, Command, LeaderAnswer, LookError, LookErrorKind, Question};
use crate::schedule::Schedule;
use crate::service::Request;
use crate::store::redis::{Leader, Results};
use crate::worker::TaskResult;
use crate::worker::result::NO_RESULTS;

/// How long a question may take beyond the time that it names itself.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a server that keeps results.
const RESULTS_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two requests for a result.
const PAUSE: Duration = Duration::from_millis(100);
/// No response waits longer than this: the client may be gone.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Asks the running service, or the broker if none is running.
pub(super) fn ask<T: DeserializeOwned>(
    service: &ServiceConfig,
    question: Question,
) -> Result<T, Failure> {
    let timeout = match &question {
        Question::Workers { queues, timeout } => {
            TIMEOUT + *timeout * u32::try_from(queues.len()).unwrap_or(u32::MAX)
        }
        Question::Peek { .. }
        | Question::Outcome { .. }
        | Question::History(_)
        | Question::Leader => TIMEOUT,
    };
    match ask_service(service, &Command::Look(question.clone()), timeout)? {
        Some(answer) => answer,
        None => {
            let of_files = match question {
                Question::History(_) => history::schedule,
                _ => schedule_of_files,
            };
            let seen = look(service, question, || Ok(of_files(service).into()))?;
            serde_json::from_value(seen).map_err(|error| internal(&error))
        }
    }
}

/// The schedule of the local files, or an empty one if they are invalid.
fn schedule_of_files(service: &ServiceConfig) -> Schedule {
    load(service).schedule.unwrap_or_default()
}

/// Answers questions for a service with this configuration, without its loop.
pub(super) fn backend(service: ServiceConfig, requests: mpsc::Sender<Request>) -> Backend {
    let identity = service.identity();
    let look = move |question| {
        let seen = look(&service, question, || schedule_in_force(&requests));
        seen.map_err(|failure| look_error(&failure))
    };
    Backend { identity, look: Arc::new(look) }
}

fn look_error(failure: &Failure) -> LookError {
    let kind = match failure.exit {
        _ if failure.is_of_broker => LookErrorKind::Broker,
        Exit::No => LookErrorKind::Conflict,
        Exit::Usage => LookErrorKind::Invalid,
        Exit::Unreachable => LookErrorKind::Broker,
        Exit::Fine | Exit::Failed | Exit::Config | Exit::ClosedPipe => LookErrorKind::Internal,
    };
    let detail = serde_json::to_value(failure).unwrap_or(Value::Null);
    LookError { kind, message: failure.summary(), detail }
}

/// The loop's schedule, requested from a thread that may wait.
fn schedule_in_force(requests: &mpsc::Sender<Request>) -> Result<Arc<Schedule>, Failure> {
    let (answer, answered) = oneshot::channel();
    let asked = requests.blocking_send(Request::Schedule(answer));
    let schedule = asked.ok().and_then(|()| answered.blocking_recv().ok());
    schedule.ok_or_else(|| Failure::new(Exit::Unreachable, "the service is stopping"))
}

fn look(
    service: &ServiceConfig,
    question: Question,
    schedule: impl FnOnce() -> Result<Arc<Schedule>, Failure>,
) -> Result<Value, Failure> {
    let json = |value: Result<Value, serde_json::Error>| value.map_err(|error| internal(&error));
    match question {
        Question::Peek { queue, count } => {
            json(serde_json::to_value(peek::look(service, &queue, count, &*schedule()?)?))
        }
        Question::Workers { queues, timeout } => {
            json(serde_json::to_value(block_on(check::ask_workers(service, &queues, timeout))??))
        }
        Question::Outcome { queue, task_id, within } => {
            let until = Instant::now() + within.min(MAX_WAIT);
            let queue = service.queues.get(&queue);
            let results = match queue.worker.results() {
                Some(address) => address.clone(),
                None => default_results(service)?,
            };
            let mut results = Results::new(&results, &service.tls, RESULTS_TIMEOUT);
            let task_id = task_id.parse().map_err(Failure::usage)?;
            let questions = queue.worker.protocol().result_queries(task_id);
            let answer = block_on(async {
                loop {
                    let replies = results.ask(&questions).await;
                    let replies = replies.map_err(|error| Failure::of_store(&error, &error))?;
                    match queue.worker.protocol().read_result(&replies) {
                        TaskResult::Pending(_) if Instant::now() + PAUSE < until => {
                            tokio::time::sleep(PAUSE).await;
                        }
                        answer => return Ok::<_, Failure>(answer),
                    }
                }
            })??;
            json(serde_json::to_value(answer))
        }
        Question::History(asked) => {
            json(serde_json::to_value(history::look(service, &asked, &*schedule()?)?))
        }
        Question::Leader => {
            let leader = match Direct::open(service)?.store {
                Store::Redis(mut redis) => block_on(redis.leader())?.map_err(of_broker)?,
                Store::Spool(_) | Store::Nowhere => Leader::Nobody,
            };
            let leader = match leader {
                Leader::Leads(lease) => Some(lease),
                Leader::Nobody | Leader::Unreadable(_) => None,
            };
            json(serde_json::to_value(LeaderAnswer { leader }))
        }
    }
}

/// The result backend of queues that name none.
fn default_results(service: &ServiceConfig) -> Result<RedisAddress, Failure> {
    match named_broker(service)? {
        Broker::Redis(address) => Ok(address),
        Broker::Spool(_) => Err(Failure::usage(NO_RESULTS)),
    }
}

fn internal(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("unexpected answer: {error}"))
}
