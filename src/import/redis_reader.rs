//! Reads the keys of another scheduler in Redis. It sends only commands that change nothing.
//!
//! Whatever the keys hold, an import stays small: the size of a value is asked for before it is read, values are
//! read in batches, and all of them together have a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::runtime::{self, Runtime};

use super::{ImportError, MAX_JOBS};
use crate::address::{Address, RedisAddress};
use crate::escape::{MAX_SHOWN, escape, shorten};
use crate::store::contract::StoreError;
use crate::store::redis::{Reader, Texts, WrongType};
use crate::tls::Tls;
use crate::worker::RedisCommand;

/// How long a pipeline may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Maximum bytes of the value of a key of a job, as it is in the server's memory.
const MAX_VALUE: usize = 4 << 20;
/// Maximum bytes of the value of a key that lists jobs.
const MAX_LIST: usize = 256 << 20;
/// Maximum bytes of all values of an import.
const MAX_TOTAL: usize = 1 << 30;
/// Maximum bytes that are asked for at once: the server holds them in memory, and does nothing else meanwhile.
const MAX_BATCH: usize = 4 << 20;
/// Maximum keys that are asked for at once.
const MAX_BATCH_KEYS: usize = 500;
/// How many keys or members a step of a scan looks at.
const SCAN_STEP: &str = "1000";

/// A hash: field → value.
pub(crate) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a key holds, or in one clause why that cannot be read, which concerns this key alone.
pub(crate) type Held<T> = Result<T, String>;

/// A database of another scheduler.
#[derive(Debug)]
pub(crate) struct RedisReader {
    address: RedisAddress,
    reader: Reader,
    runtime: Runtime,
    /// Bytes of values that were read so far.
    total: usize,
}

impl RedisReader {
    /// Opens the database at an address as `--broker` takes it; connects on the first request.
    ///
    /// # Errors
    ///
    /// If this is no address of a Redis server; the error never quotes it.
    pub(crate) fn open(url: &str, tls: &Tls) -> Result<RedisReader, ImportError> {
        match Address::parse(url) {
            Ok(Address::Redis(address)) => RedisReader::at(address, tls),
            Ok(Address::Amqp(_) | Address::Spool(_)) => Err(ImportError::Broker(
                "this is not the address of a Redis server; write `redis://HOST:6379/0`".to_owned(),
            )),
            Err(error) => Err(ImportError::Broker(format!("{error}; {}", error.hint()))),
        }
    }

    /// The same for an address that is parsed.
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

    /// The hashes at these keys, in order; one that is missing is empty.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or all values together are too large.
    pub(crate) fn hgetall<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
    ) -> Result<Vec<Held<Hash>>, ImportError> {
        let mut held = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_BATCH_KEYS) {
            let sizes = self.sizes(keys)?;
            let mut rest = keys.iter().map(AsRef::as_ref).zip(sizes).peekable();
            while rest.peek().is_some() {
                let batch = take_batch(&mut rest, &mut held);
                self.count(batch.bytes)?;
                let replies = self.ask(&batch.commands)?;
                for ((place, key), reply) in batch.places.into_iter().zip(replies) {
                    let hash = reply.map(|texts| pairs(texts).collect());
                    held[place] = hash.map_err(|WrongType| not_a("hash", key));
                }
            }
        }
        Ok(held)
    }

    /// The members of a sorted set with their scores, by score; empty if there is none.
    ///
    /// # Errors
    ///
    /// If the key is of another type or too large; here and below as [`ImportError::Invalid`].
    pub(crate) fn zrange(
        &mut self,
        key: impl AsRef<[u8]>,
    ) -> Result<Vec<(Vec<u8>, f64)>, ImportError> {
        let key = key.as_ref();
        self.weigh_list(key)?;
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

    /// The members of a set, in the order of their bytes; empty if there is none.
    pub(crate) fn smembers(&mut self, key: impl AsRef<[u8]>) -> Result<Texts, ImportError> {
        let key = key.as_ref();
        self.weigh_list(key)?;
        let mut members = BTreeSet::new();
        self.scan_all(&["SSCAN".into(), key.to_vec()], &[], |texts| {
            members.extend(texts);
            within_limit(members.len(), key)
        })?;
        Ok(members.into_iter().collect())
    }

    /// The keys of this type (`hash`, `zset`, …) that begin with a text, in the order of their bytes.
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

    /// Refuses a key that lists jobs and is too large to be read.
    fn weigh_list(&mut self, key: &[u8]) -> Result<(), ImportError> {
        let size = self.sizes(&[key])?.into_iter().next().unwrap_or(0);
        if size > MAX_LIST {
            let text = format!("`{}` has {size} bytes, more than {MAX_LIST}", shown(key));
            return Err(ImportError::Invalid(text));
        }
        self.count(size)
    }

    /// The bytes that each value takes in the server's memory; 0 if there is none.
    fn sizes<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<usize>, ImportError> {
        let size = |key: &K| {
            // Without a sample, one huge field among small ones would be missed.
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
            let text = format!("the jobs in {} have more than {MAX_TOTAL} bytes", self.address);
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

/// Hashes that are asked for at once.
#[derive(Default)]
struct Batch<'k> {
    commands: Vec<RedisCommand>,
    /// Where the answers belong, and the keys.
    places: Vec<(usize, &'k [u8])>,
    bytes: usize,
}

/// Takes keys up to the size of a batch; one that is too large by itself is held to be unreadable.
fn take_batch<'k>(
    rest: &mut std::iter::Peekable<impl Iterator<Item = (&'k [u8], usize)>>,
    held: &mut Vec<Held<Hash>>,
) -> Batch<'k> {
    let mut batch = Batch::default();
    while let Some((key, size)) =
        rest.next_if(|(_, size)| batch.bytes == 0 || batch.bytes + size <= MAX_BATCH)
    {
        if size > MAX_VALUE {
            held.push(Err(format!("`{}` has {size} bytes, too many", shown(key))));
            continue;
        }
        batch.bytes += size;
        batch.places.push((held.len(), key));
        held.push(Ok(Hash::new()));
        batch.commands.push(vec!["HGETALL".into(), key.to_vec()]);
    }
    batch
}

fn pairs(texts: Texts) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let mut texts = texts.into_iter();
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}

/// The glob for keys that begin with a text.
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
        return Err(ImportError::Invalid(format!("`{}`: more than {MAX_JOBS}", shown(key))));
    }
    Ok(())
}

fn not_a(kind: &str, key: &[u8]) -> String {
    format!("`{}` is not a {kind}", shown(key))
}

/// A key for people.
fn shown(key: &[u8]) -> String {
    shorten(&escape(&String::from_utf8_lossy(key)), MAX_SHOWN).into_owned()
}
