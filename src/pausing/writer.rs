//! Writes the pauses that people request from a replica. It has its own store, so that neither a busy loop nor a
//! slow answer delays it, and gathers requests for a moment to write them together.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::{Request, Response, change, wait_for_carriers};
use crate::refused::Refused;
use crate::schedule::Schedule;
use crate::store::contract::Store;

/// Requests that arrive within this time are written together.
const GATHER_TIME: Duration = Duration::from_millis(10);
/// The maximum number of requests written together.
const MAX_GATHERED: usize = 100;

/// A handle of the writer.
#[derive(Clone, Debug)]
pub struct PauseWriter {
    jobs: mpsc::UnboundedSender<Job>,
    changed: watch::Receiver<u64>,
}

/// Receives the result.
pub type Answer = oneshot::Sender<Result<Response, Refused>>;

#[derive(Debug)]
struct Job {
    asked: Request,
    schedule: Arc<Schedule>,
    answer: Answer,
}

impl PauseWriter {
    /// Starts a task that answers requests until the last handle is dropped.
    pub fn open(store: impl Store) -> PauseWriter {
        let (jobs, asked) = mpsc::unbounded_channel();
        let (writes, changed) = watch::channel(0);
        tokio::spawn(serve(store, asked, writes));
        PauseWriter { jobs, changed }
    }

    /// Pauses or resumes entries of this schedule. The answer comes once the change is in force.
    pub fn ask(&self, asked: Request, schedule: Arc<Schedule>, answer: Answer) {
        // If the task has ended, the answer is dropped.
        let _ = self.jobs.send(Job { asked, schedule, answer });
    }

    /// Waits until something has been written here since the last call.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

async fn serve<S: Store>(
    store: S,
    mut asked: mpsc::UnboundedReceiver<Job>,
    writes: watch::Sender<u64>,
) {
    let store = Arc::new(Mutex::new(store));
    while let Some(first) = asked.recv().await {
        sleep(GATHER_TIME).await;
        let mut jobs = vec![first];
        while jobs.len() < MAX_GATHERED
            && let Ok(job) = asked.try_recv()
        {
            jobs.push(job);
        }
        let wishes: Vec<Request> = jobs.iter().map(|job| job.asked.clone()).collect();
        let Some(schedule) = jobs.last().map(|job| Arc::clone(&job.schedule)) else { continue };
        let done = change(&store, &schedule, &wishes).await;
        writes.send_modify(|count| *count += 1);
        for (job, done) in jobs.into_iter().zip(done) {
            // Other requests need not wait for this one's carriers.
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let answer = hold(&store, &job, done).await;
                job.answer.send(answer)
            });
        }
    }
}

/// Waits until a pause is in force on carriers, too.
async fn hold<S: Store>(
    store: &Mutex<S>,
    job: &Job,
    done: Result<Response, Refused>,
) -> Result<Response, Refused> {
    let mut answered = done?;
    answered.may_still_go = wait_for_carriers(store, &job.schedule, &job.asked, &answered).await;
    Ok(answered)
}
