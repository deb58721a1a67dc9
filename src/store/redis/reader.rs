//! Reads keys of other programs.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::failure::explain;
use super::link::Link;
use crate::address::RedisAddress;
use crate::store::contract::StoreError;
use crate::tls::Tls;
use crate::worker::RedisCommand;

/// The code of the error if a key is of another type than the command reads.
const WRONG_TYPE: &str = "WRONGTYPE";

/// All texts of a reply, however nested; numbers are decimal, and nil is left out.
pub(crate) type Texts = Vec<Vec<u8>>;

/// A key is of another type than the command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

/// Reads from a server whose keys belong to other programs.
#[derive(Debug)]
pub(crate) struct Reader {
    link: Link,
}

impl Reader {
    /// Creates a reader; it connects on the first request.
    pub(crate) fn new(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Reader {
        Reader { link: Link::without_scripts(address, tls, deadline) }
    }

    /// Sends commands as one pipeline, and returns their replies in order.
    ///
    /// # Errors
    /// When the server does not answer, or refuses a command for another reason than the type of its key.
    pub(crate) async fn ask(
        &mut self,
        commands: &[RedisCommand],
    ) -> Result<Vec<Result<Texts, WrongType>>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.ignore_errors();
        for words in commands {
            let [name, arguments @ ..] = &words[..] else { continue };
            pipeline.cmd(&String::from_utf8_lossy(name)).arg(arguments);
        }
        let replies: Vec<Value> = self.link.ask(&pipeline).await?;
        replies.into_iter().map(texts).collect()
    }
}

fn texts(reply: Value) -> Result<Result<Texts, WrongType>, StoreError> {
    match reply.extract_error() {
        Ok(reply) => {
            let mut texts = Vec::new();
            flatten(reply, &mut texts);
            Ok(Ok(texts))
        }
        Err(error) if error.code() == Some(WRONG_TYPE) => Ok(Err(WrongType)),
        Err(error) => Err(explain(error).into()),
    }
}

fn flatten(reply: Value, texts: &mut Texts) {
    match reply {
        Value::Array(parts) | Value::Set(parts) => {
            parts.into_iter().for_each(|part| flatten(part, texts));
        }
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(a, b)| [a, b]).for_each(|part| flatten(part, texts));
        }
        Value::Int(number) => texts.push(number.to_string().into_bytes()),
        Value::Double(number) => texts.push(number.to_string().into_bytes()),
        Value::Nil => {}
        other => texts.extend(redis::from_redis_value::<Vec<u8>>(other).ok()),
    }
}
