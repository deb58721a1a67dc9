//! The lease in Redis.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::Notify;

use super::keys::Keys;
use super::link::Link;
use super::scripts::{self, Lua};
use crate::address::RedisAddress;
use crate::schedule::UnixMs;
use crate::store::BrokerError;
use crate::tls::Tls;

/// Takes, keeps and gives up the lease of one namespace, over a connection of its own.
#[derive(Debug)]
pub struct Lock {
    link: Link,
    keys: Keys,
    ttl: Duration,
    resigned: Arc<Notify>,
}

/// What came of asking for the lease.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours: `"<term> <holder>"`.
    Acquired(Arc<str>),
    /// Another's, and cannot run out before that time.
    Held(String, Duration),
    /// Nobody leads, and nothing is known of the namespace.
    Unmarked,
}

impl Lock {
    /// Connects later, when first asked. A lease lasts `ttl` after each renewal.
    #[must_use]
    pub fn new(
        address: &RedisAddress,
        tls: &Tls,
        namespace: &str,
        ttl: Duration,
        deadline: Duration,
    ) -> Lock {
        let keys = Keys::new(namespace);
        let resigned = Arc::new(Notify::new());
        let link = Link::new(address, tls, deadline).listen(keys.resigned(), &resigned);
        Lock { link, keys, ttl, resigned }
    }

    async fn ask<T: redis::FromRedisValue>(
        &mut self,
        script: &Lua,
        keys: &[String],
        args: &[&str],
    ) -> Result<T, BrokerError> {
        let mut call = scripts::call(script, keys);
        call.arg(args);
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let (answer,): (T,) = self.link.ask(&pipeline).await?;
        Ok(answer)
    }

    /// Asks for the lease; `marker` says whether it may be had where no marker is.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn acquire(
        &mut self,
        holder: &str,
        even_unmarked: bool,
    ) -> Result<(Attempt, UnixMs), BrokerError> {
        let keys = [self.keys.lease(), self.keys.term(), self.keys.marker()];
        let ttl = self.ttl.as_millis().to_string();
        let args = [holder, &ttl, if even_unmarked { "1" } else { "0" }];
        let fields: Vec<Value> = self.ask(&scripts::ACQUIRE, &keys, &args).await?;
        let text = |value: &Value| redis::from_redis_value_ref::<String>(value).unwrap_or_default();
        let (attempt, now) = match fields.as_slice() {
            [said, Value::Int(now), Value::Int(term)] if text(said) == "acquired" => {
                (Attempt::Acquired(format!("{term} {holder}").into()), *now)
            }
            [_, Value::Int(now), lease, Value::Int(left)] => {
                let left = Duration::from_millis(u64::try_from(*left).unwrap_or(0));
                (Attempt::Held(text(lease), left), *now)
            }
            [_, Value::Int(now)] => (Attempt::Unmarked, *now),
            _ => return Err(BrokerError::Unavailable(format!("redis answered {fields:?}"))),
        };
        Ok((attempt, UnixMs(now)))
    }

    /// Prolongs the lease by its whole TTL; `false` when it is lost. Gives Redis' clock, too.
    ///
    /// # Errors
    /// When Redis does not answer: the lease may or may not have been prolonged.
    pub async fn renew(&mut self, lease: &str) -> Result<(bool, UnixMs), BrokerError> {
        let ttl = self.ttl.as_millis().to_string();
        let keys = [self.keys.lease()];
        let (kept, now): (i64, i64) = self.ask(&scripts::RENEW, &keys, &[lease, &ttl]).await?;
        Ok((kept == 1, UnixMs(now)))
    }

    /// Gives up the lease and wakes the followers; not ours any more: does nothing.
    ///
    /// # Errors
    /// When Redis does not answer; the lease then runs out by itself.
    pub async fn resign(&mut self, lease: &str) -> Result<(), BrokerError> {
        let keys = [self.keys.lease(), self.keys.resigned()];
        let _: i64 = self.ask(&scripts::RESIGN, &keys, &[lease]).await?;
        Ok(())
    }

    /// Tells the others of this replica and gives what all say of themselves; an empty `said`
    /// takes it off the list.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn announce(
        &mut self,
        holder: &str,
        said: &str,
    ) -> Result<Vec<(String, String)>, BrokerError> {
        let keys = [self.keys.replicas()];
        let forgotten_after = (self.ttl * 3).as_millis().to_string();
        let fields: Vec<Value> =
            self.ask(&scripts::ANNOUNCE, &keys, &[holder, said, &forgotten_after]).await?;
        let text = |value: &Value| redis::from_redis_value_ref::<String>(value).unwrap_or_default();
        Ok(fields[1.min(fields.len())..]
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect())
    }

    /// Comes back when some leader has resigned.
    pub async fn resigned(&mut self) {
        self.resigned.notified().await;
    }
}
