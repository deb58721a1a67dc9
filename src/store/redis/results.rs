//! Task results, which workers may keep on another server or in another database.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::link::Link;
use crate::address::RedisAddress;
use crate::store::contract::StoreError;
use crate::tls::Tls;
use crate::worker::RedisCommand;

/// Reads results stored by workers.
#[derive(Debug)]
pub struct Results {
    link: Link,
}

impl Results {
    /// Creates a reader; it connects on the first request.
    #[must_use]
    pub fn new(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Results {
        Results { link: Link::without_scripts(address, tls, deadline) }
    }

    /// Runs `questions` as of one instant and returns their replies in order and flattened; `None` is a missing
    /// value.
    ///
    /// # Errors
    /// When Redis does not answer, or refuses a question.
    pub async fn ask(
        &mut self,
        questions: &[RedisCommand],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.atomic();
        for words in questions {
            let [name, arguments @ ..] = &words[..] else { continue };
            pipeline.cmd(&String::from_utf8_lossy(name)).arg(arguments);
        }
        let replies: Vec<Value> = self.link.ask(&pipeline).await?;
        let mut flat = Vec::new();
        replies.into_iter().for_each(|reply| flatten(reply, &mut flat));
        Ok(flat)
    }
}

fn flatten(reply: Value, flat: &mut Vec<Option<Vec<u8>>>) {
    match reply {
        Value::Array(parts) | Value::Set(parts) => {
            parts.into_iter().for_each(|part| flatten(part, flat));
        }
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(a, b)| [a, b]).for_each(|part| flatten(part, flat));
        }
        // Otherwise it could be taken for an empty text.
        Value::Nil => flat.push(None),
        other => flat.push(redis::from_redis_value(other).ok()),
    }
}
