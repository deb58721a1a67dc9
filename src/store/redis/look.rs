//! The reads that commands need.

use std::collections::BTreeSet;
use std::time::Duration;

use downbeat_time::UnixMs;
use redis::{Cmd, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::lease::{announced, ms};
use super::reply::unexpected_answer;
use super::{RedisStore, lua, peek};
use crate::store::Peeked;
use crate::store::contract::{Announced, MAX_ANNOUNCEMENT, MAX_REPLICAS, StoreError};
use crate::store::journal::shortened;
use crate::store::text::{MAX_LEASE, is_lease};
use crate::worker::celery::{
    CONTROL_BINDINGS, Inspection, Question, WorkerAnswers, control_exchange,
};
use crate::worker::{CeleryQueue, Location};

/// How long Redis may take for one answer: less than the timeout of every request.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// What PTTL returns for a missing key.
const NO_KEY: i64 = -2;
/// How many times the broker is scanned for other control exchanges, for this many keys each time: in all, it
/// takes Redis about a tenth of a second.
const MAX_SCANS: usize = 500;
const SCANNED: &str = "1000";
/// Maximum number of other control exchanges that are listed.
const MAX_OTHERS: usize = 5;

/// What the lease key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leader {
    /// Nothing.
    Nobody,
    /// `"<term> <holder>"`.
    Leads(String),
    /// Something that is not a lease, or never expires, in words.
    Unreadable(String),
}

impl RedisStore {
    /// Reads who leads.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn leader(&mut self) -> Result<Leader, StoreError> {
        let requests = &self.source.requests;
        let key = self.source.keys.lease();
        if let Some(other) = self.source.other_type(&key, "string").await? {
            return Ok(Leader::Unreadable(format!("it is a {other}")));
        }
        let mut lease = redis::cmd("GETRANGE");
        lease.arg(&key).arg(0).arg(MAX_LEASE);
        let mut left = redis::cmd("PTTL");
        left.arg(&key);
        let (lease, left) = (requests.ask_repeatable(lease), requests.ask_repeatable(left));
        let (Value::BulkString(lease), Value::Int(left)) = (lease.await?, left.await?) else {
            return Err(unexpected_answer());
        };
        let read = std::str::from_utf8(&lease).ok().filter(|lease| is_lease(lease));
        Ok(match (read, left) {
            // The key is missing, or was gone by the second answer.
            (_, NO_KEY) => Leader::Nobody,
            (Some(lease), 0..) => Leader::Leads(lease.to_owned()),
            (Some(lease), _) => {
                Leader::Unreadable(format!("it never runs out: {}", shortened(lease.as_bytes())))
            }
            (None, _) => Leader::Unreadable(format!("it cannot be read: {}", shortened(&lease))),
        })
    }

    /// Reads the replicas' announcements; changes nothing.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn replicas(&mut self, forgotten_after: Duration) -> Result<Announced, StoreError> {
        let mut call = lua::call(&lua::ANNOUNCE, &[self.source.keys.replicas()]);
        call.arg("").arg("").arg(ms(forgotten_after)).arg(0);
        call.arg(MAX_REPLICAS).arg(MAX_ANNOUNCEMENT);
        Ok(announced(self.source.requests.ask_repeatable(call).await?)?.0)
    }

    /// Reads the first `count` messages at these locations, as of one instant.
    ///
    /// # Errors
    /// When Redis does not answer, or something else is there.
    pub async fn peek(
        &mut self,
        locations: &[Location],
        count: usize,
    ) -> Result<Peeked, StoreError> {
        let call = peek::call(locations, count);
        peek::read(self.source.requests.ask_repeatable(call).await?).ok_or_else(unexpected_answer)
    }

    /// Asks all live workers of such queues for their tasks and queues. Returns when all listeners have
    /// answered, and after `timeout` at the latest.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn ask_workers(
        &mut self,
        settings: &CeleryQueue,
        timeout: Duration,
        now: UnixMs,
    ) -> Result<WorkerAnswers, StoreError> {
        let inspection = Inspection::new(settings, Uuid::new_v4());
        let asked = self.converse(&inspection, timeout, now).await;
        let (keys, member) = inspection.binding();
        // In this order, a late answer finds no list to go to and leaves none behind.
        for key in keys {
            self.ask(&["SREM", &key, &member]).await?;
        }
        self.ask(&["DEL", &inspection.reply_list()]).await?;
        let mut asked = asked?;
        if asked.workers.is_empty() && asked.silent == 0 {
            let own = (settings.key_prefix.to_string(), settings.control_exchange.to_string());
            // A user may lack the right to scan.
            asked.others = self.other_control_exchanges(&own).await.unwrap_or_default();
        }
        Ok(asked)
    }

    /// The control exchanges whose bindings are on the broker, except `own`. Looks at a limited number of keys.
    async fn other_control_exchanges(
        &self,
        own: &(String, String),
    ) -> Result<Vec<(String, String)>, StoreError> {
        // A scan may name a key twice.
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_owned();
        for _ in 0..MAX_SCANS {
            let scan = ["SCAN", &cursor, "MATCH", CONTROL_BINDINGS, "COUNT", SCANNED];
            let (next, keys): (String, Vec<String>) =
                redis::from_redis_value(self.ask(&scan).await?).map_err(|_| unexpected_answer())?;
            let exchanges = keys.iter().filter_map(|key| control_exchange(key));
            found.extend(exchanges.filter(|exchange| exchange != own));
            cursor = next;
            if cursor == "0" || found.len() >= MAX_OTHERS {
                break;
            }
        }
        Ok(found.into_iter().take(MAX_OTHERS).collect())
    }

    async fn ask(&self, words: &[&str]) -> Result<Value, StoreError> {
        let mut call = Cmd::new();
        call.arg(words);
        self.source.requests.ask(call).await
    }

    async fn converse(
        &mut self,
        inspection: &Inspection,
        timeout: Duration,
        now: UnixMs,
    ) -> Result<WorkerAnswers, StoreError> {
        let until = Instant::now() + timeout;
        let (keys, member) = inspection.binding();
        for key in keys {
            self.ask(&["SADD", &key, &member]).await?;
        }
        let channel = inspection.channel(self.database);
        let mut listening = 0;
        for question in Question::ALL {
            let message = inspection.ask(question, now + timeout);
            let mut call = redis::cmd("PUBLISH");
            call.arg(&channel).arg(message);
            let Value::Int(count) = self.source.requests.ask(call).await? else {
                return Err(unexpected_answer());
            };
            listening += u64::try_from(count).unwrap_or(0);
        }
        let (mut workers, mut missing) = (Vec::new(), listening);
        while missing > 0 {
            let left = until.saturating_duration_since(Instant::now()).min(MAX_WAIT);
            if left < Duration::from_millis(1) {
                break;
            }
            let left = left.as_secs_f64().to_string();
            match self.ask(&["BRPOP", &inspection.reply_list(), &left]).await? {
                Value::Array(answer) => {
                    let [_, Value::BulkString(answer)] = &answer[..] else {
                        return Err(unexpected_answer());
                    };
                    inspection.on_reply(answer, &mut workers);
                    missing -= 1;
                }
                Value::Nil => {}
                _ => return Err(unexpected_answer()),
            }
        }
        let silent = missing.div_ceil(Question::ALL.len() as u64);
        Ok(WorkerAnswers { workers, silent, channels: vec![channel], others: Vec::new() })
    }
}
