//! Divides hashes into batches that Redis answers quickly.

use std::iter::Peekable;

use super::{Hash, Held, shown};
use crate::worker::RedisCommand;

/// Maximum bytes of a hash in the server's memory.
const MAX_HASH: usize = 4 << 20;
/// Maximum bytes that are asked for at once: the server holds them in memory, and does nothing else meanwhile.
const MAX_BATCH: usize = 4 << 20;
/// Maximum number of keys that are asked for at once.
pub(super) const MAX_KEYS: usize = 500;

/// Hashes that are asked for at once.
#[derive(Default)]
pub(super) struct Batch<'k> {
    pub(super) asked: Vec<Asked<'k>>,
    pub(super) bytes: usize,
}

/// A hash that is asked for.
pub(super) struct Asked<'k> {
    pub(super) key: &'k [u8],
    /// The place of the answer among those of all keys.
    pub(super) place: usize,
}

impl Asked<'_> {
    pub(super) fn command(&self) -> RedisCommand {
        vec!["HGETALL".into(), self.key.to_vec()]
    }
}

/// Takes keys, each with its size, until the batch is full. `held` gets an empty hash for each, or an error for one
/// that is too large by itself.
pub(super) fn take_batch<'k>(
    rest: &mut Peekable<impl Iterator<Item = (&'k [u8], usize)>>,
    held: &mut Vec<Held<Hash>>,
) -> Batch<'k> {
    let mut batch = Batch::default();
    let fits = |bytes: usize, size: usize| bytes == 0 || bytes + size <= MAX_BATCH;
    while let Some((key, size)) = rest.next_if(|(_, size)| fits(batch.bytes, *size)) {
        if size > MAX_HASH {
            held.push(Err(format!(
                "`{}` takes {size} bytes; at most {MAX_HASH} are read",
                shown(key)
            )));
            continue;
        }
        batch.bytes += size;
        batch.asked.push(Asked { key, place: held.len() });
        held.push(Ok(Hash::new()));
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_before_it_is_too_large_and_a_huge_hash_is_not_read() {
        let sizes = [MAX_BATCH - 1, 1, 1, MAX_HASH + 1, 0];
        let mut rest = sizes.iter().map(|size| (&b"key"[..], *size)).peekable();
        let mut held = Vec::new();
        let first = take_batch(&mut rest, &mut held);
        let second = take_batch(&mut rest, &mut held);
        let places = |batch: &Batch<'_>| -> Vec<usize> {
            batch.asked.iter().map(|asked| asked.place).collect()
        };
        assert_eq!((places(&first), first.bytes), (vec![0, 1], MAX_BATCH));
        assert_eq!((places(&second), second.bytes), (vec![2], 1));
        // The huge one does not fit into what is left, and begins the third.
        let third = take_batch(&mut rest, &mut held);
        assert_eq!(places(&third), [4]);
        assert!(held[3].is_err() && held.len() == 5, "{held:?}");
    }
}
