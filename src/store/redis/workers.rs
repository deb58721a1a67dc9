//! A conversation with the Celery workers that listen on this Redis.

use std::time::Duration;

use redis::Pipeline;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::RedisBroker;
use crate::clock;
use crate::envelope::celery::{Inspection, LiveWorker, Question};
use crate::queue::CeleryQueue;
use crate::store::BrokerError;

/// What came of asking workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Those that told both their tasks and their queues, or one of them.
    pub workers: Vec<LiveWorker>,
    /// How many listen and did not answer everything in time.
    pub silent: u64,
}

impl RedisBroker {
    /// Asks all live workers of such queues what they have and where they take from. It comes back
    /// when all who listen have answered, and after `patience` at the latest.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn ask_workers(
        &mut self,
        settings: &CeleryQueue,
        patience: Duration,
    ) -> Result<Asked, BrokerError> {
        let inspection = Inspection::new(settings, Uuid::new_v4());
        let asked = self.converse(&inspection, patience).await;
        let ([first, second], member) = inspection.binding();
        let mut tidy = Pipeline::new();
        // In this order: a late answer finds no list to go to, so that it leaves none behind.
        tidy.srem(first, &member).ignore().srem(second, &member).ignore();
        tidy.del(inspection.reply_list()).ignore();
        let () = self.link.ask(&tidy).await?;
        asked
    }

    async fn converse(
        &mut self,
        inspection: &Inspection,
        patience: Duration,
    ) -> Result<Asked, BrokerError> {
        let until = Instant::now() + patience;
        let mut setup = Pipeline::new();
        let ([first, second], member) = inspection.binding();
        setup.sadd(first, &member).ignore().sadd(second, &member).ignore();
        let () = self.link.ask(&setup).await?;
        let channel = inspection.channel(self.link.database());
        let mut questions = Pipeline::new();
        for question in Question::ALL {
            let message = inspection.ask(question, clock::wall() + patience);
            questions.cmd("PUBLISH").arg(&channel).arg(message);
        }
        let listening: Vec<u64> = self.link.ask(&questions).await?;
        let (mut workers, mut missing) = (Vec::new(), listening.iter().sum::<u64>());
        while missing > 0 {
            let left = until.saturating_duration_since(Instant::now()).min(WAIT);
            if left < Duration::from_millis(1) {
                break;
            }
            let mut next = Pipeline::new();
            next.cmd("BRPOP").arg(inspection.reply_list()).arg(left.as_secs_f64());
            let (answer,): (Option<(String, Vec<u8>)>,) = self.link.ask(&next).await?;
            if let Some((_, answer)) = answer {
                inspection.hear(&answer, &mut workers);
                missing -= 1;
            }
        }
        Ok(Asked { workers, silent: missing.div_ceil(Question::ALL.len() as u64) })
    }
}

/// Redis may take so long for one answer: less than the deadline of every call.
const WAIT: Duration = Duration::from_secs(1);
