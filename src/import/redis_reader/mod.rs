//! Reads the keys of another scheduler in Redis. It sends only commands that change nothing.
//!
//! Whatever the keys hold, neither the import nor the server is overloaded: the size of a value is asked for before it
//! is read, hashes are read in batches, and all values together have a limit.

mod batch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::runtime::{self, Runtime};

use self::batch::{MAX_KEYS, take_batch};
use super::{ImportError, MAX_JOBS};
use crate::address::{Address, RedisAddress};
use crate::escape::{MAX_SHOWN, escape, shorten};
use crate::store::contract::StoreError;
use crate::store::redis::{Reader, Texts, WrongType};
use crate::tls::Tls;
use crate::worker::RedisCommand;

/// How long a pipeline may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Maximum bytes that a key which lists jobs may take in the server's memory.
const MAX_LIST: usize = 256 << 20;
/// Maximum bytes that all values of an import may take in the server's memory.
const MAX_TOTAL: usize = 1 << 30;
/// How many keys or members a step of a scan looks at.
const SCAN_STEP: &str = "1000";

/// A hash: field → value.
pub(crate) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a key holds; or why it cannot be read, in one clause, while other keys can.
pub(crate) type Held<T> = Result<T, String>;

/// A database of another scheduler.
#[derive(Debug)]
pub(crate) struct RedisReader {
    address: RedisAddress,
    reader: Reader,
    runtime: Runtime,
    /// Bytes in the server's memory of the values that were read so far.
    total: usize,
}

impl RedisReader {
    /// Opens the database at an address as `--broker` takes it; connects on the first request.
    ///
    /// # Errors
    ///
    /// If this is not the address of a Redis server; the error never quotes it.
    pub(crate) fn open(url: &str, tls: &Tls) -> Result<RedisReader, ImportError> {
        match Address::parse(url) {
            Ok(Address::Redis(address)) => RedisReader::at(address, tls),
            Ok(Address::Amqp(_) | Address::Spool(_)) => Err(ImportError::Broker(
                "this is not the address of a Redis server; write `redis://HOST:6379/0`".to_owned(),
            )),
            Err(error) => Err(ImportError::Broker(format!("{error}; {}", error.hint()))),
        }
    }

    /// Opens the database at a parsed address.
    ///
    /// # Errors
    ///
    /// If the operating system has no resources left.
    pub(crate) fn at(address: RedisAddress, tls: &Tls) -> Result<RedisReader, ImportError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ImportError::Broker(error.to_string()))?;
        let reader = Reader::new(&address, tls, DEADLINE);
        Ok(RedisReader { address, reader, runtime, total: 0 })
    }

    /// The address, without passwords.
    pub(crate) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// The hashes at these keys, in the same order; a missing one is empty.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or all values together are too large.
    pub(crate) fn hgetall<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
    ) -> Result<Vec<Held<Hash>>, ImportError> {
        let mut held = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_KEYS) {
            let sizes = self.sizes(keys)?;
            let mut rest = keys.iter().map(AsRef::as_ref).zip(sizes).peekable();
            while rest.peek().is_some() {
                let batch = take_batch(&mut rest, &mut held);
                self.count(batch.bytes)?;
                let commands: Vec<RedisCommand> =
                    batch.asked.iter().map(|asked| asked.command()).collect();
                let replies = self.ask(&commands)?;
                for (asked, reply) in batch.asked.iter().zip(replies) {
                    let hash = reply.map(|texts| pairs(texts).collect());
                    held[asked.place] = hash.map_err(|WrongType| not_a("hash", asked.key));
                }
            }
        }
        Ok(held)
    }

    /// The members of a sorted set with their scores, in the order of the scores; empty if there is no such key.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or the key is of another type or too large.
    pub(crate) fn zrange(
        &mut self,
        key: impl AsRef<[u8]>,
    ) -> Result<Vec<(Vec<u8>, f64)>, ImportError> {
        let key = key.as_ref();
        self.check_list(key)?;
        let mut members = BTreeMap::new();
        self.scan_all(&["ZSCAN".into(), key.to_vec()], &[], |texts| {
            let scored = pairs(texts).filter_map(|(member, score)| {
                Some((member, std::str::from_utf8(&score).ok()?.parse::<f64>().ok()?))
            });
            members.extend(scored);
            within_limit(members.len(), key)
        })?;
        let mut members: Vec<(Vec<u8>, f64)> = members.into_iter().collect();
        members.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        Ok(members)
    }

    /// The members of a set, in the order of their bytes; empty if there is no such key.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or the key is of another type or too large.
    pub(crate) fn smembers(&mut self, key: impl AsRef<[u8]>) -> Result<Texts, ImportError> {
        let key = key.as_ref();
        self.check_list(key)?;
        let mut members = BTreeSet::new();
        self.scan_all(&["SSCAN".into(), key.to_vec()], &[], |texts| {
            members.extend(texts);
            within_limit(members.len(), key)
        })?;
        Ok(members.into_iter().collect())
    }

    /// The keys of a type (`hash`, `zset`, …) that begin with a text, in the order of their bytes.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or there are too many keys.
    pub(crate) fn scan(
        &mut self,
        prefix: impl AsRef<[u8]>,
        kind: &str,
    ) -> Result<Texts, ImportError> {
        let prefix = prefix.as_ref();
        let options = ["MATCH".into(), pattern(prefix), "TYPE".into(), kind.as_bytes().to_vec()];
        let mut keys = BTreeSet::new();
        self.scan_all(&["SCAN".into()], &options, |texts| {
            keys.extend(texts);
            within_limit(keys.len(), prefix)
        })?;
        Ok(keys.into_iter().collect())
    }

    /// Runs a scan to its end, and passes on what each step found.
    fn scan_all(
        &mut self,
        command: &[Vec<u8>],
        options: &[Vec<u8>],
        mut take: impl FnMut(Texts) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut cursor = b"0".to_vec();
        loop {
            let count = ["COUNT".into(), SCAN_STEP.into()];
            let words = [command, &[cursor], options, &count].concat();
            let reply = self.ask(&[words])?.into_iter().next().unwrap_or(Ok(Vec::new()));
            let mut texts = reply.map_err(|WrongType| {
                let key = command.last().map_or(&[][..], Vec::as_slice);
                ImportError::Invalid(not_a(
                    if command[0][0] == b'Z' { "sorted set" } else { "set" },
                    key,
                ))
            })?;
            if texts.is_empty() {
                return Ok(());
            }
            cursor = texts.remove(0);
            take(texts)?;
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    /// Refuses a key that lists jobs if it is too large, and counts its bytes.
    fn check_list(&mut self, key: &[u8]) -> Result<(), ImportError> {
        let size = self.sizes(&[key])?.into_iter().next().unwrap_or(0);
        if size > MAX_LIST {
            let text = format!("`{}` takes {size} bytes; at most {MAX_LIST} are read", shown(key));
            return Err(ImportError::Invalid(text));
        }
        self.count(size)
    }

    /// The bytes that each value takes in the server's memory; 0 if there is no such key.
    fn sizes<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<usize>, ImportError> {
        let size = |key: &K| {
            // Without `SAMPLES 0`, Redis looks at a few fields, and may miss a huge one.
            let words = ["MEMORY", "USAGE"].map(Into::into);
            [&words[..], &[key.as_ref().to_vec()], &["SAMPLES", "0"].map(Into::into)].concat()
        };
        let replies = self.ask(&keys.iter().map(size).collect::<Vec<_>>())?;
        let number = |reply: Result<Texts, WrongType>| {
            let text = reply.ok()?.into_iter().next()?;
            std::str::from_utf8(&text).ok()?.parse().ok()
        };
        Ok(replies.into_iter().map(|reply| number(reply).unwrap_or(0)).collect())
    }

    fn count(&mut self, bytes: usize) -> Result<(), ImportError> {
        self.total += bytes;
        if self.total > MAX_TOTAL {
            let text = format!(
                "the jobs in {} take more than {MAX_TOTAL} bytes, the most that an import reads",
                self.address
            );
            return Err(ImportError::Invalid(text));
        }
        Ok(())
    }

    fn ask(
        &mut self,
        commands: &[RedisCommand],
    ) -> Result<Vec<Result<Texts, WrongType>>, ImportError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.runtime.block_on(self.reader.ask(commands));
        replies.map_err(|error: StoreError| ImportError::Broker(error.to_string()))
    }
}

fn pairs(texts: Texts) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let mut texts = texts.into_iter();
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}

/// The glob of `MATCH` for keys that begin with a text.
fn pattern(prefix: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| b"*?[]^-\\".contains(byte);
    let escaped = prefix.iter().flat_map(|byte| {
        let backslash = special(byte).then_some(b'\\');
        backslash.into_iter().chain([*byte])
    });
    escaped.chain([b'*']).collect()
}

fn within_limit(count: usize, key: &[u8]) -> Result<(), ImportError> {
    if count > MAX_JOBS {
        let text = format!(
            "`{}` has more than {MAX_JOBS} jobs, the most that an import reads",
            shown(key)
        );
        return Err(ImportError::Invalid(text));
    }
    Ok(())
}

fn not_a(kind: &str, key: &[u8]) -> String {
    format!("`{}` is not a {kind}", shown(key))
}

/// A key in messages.
fn shown(key: &[u8]) -> String {
    shorten(&escape(&String::from_utf8_lossy(key)), MAX_SHOWN).into_owned()
}
