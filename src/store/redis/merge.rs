//! Merges the commands that accompany the messages of one list, to save commands and words.

use std::borrow::Cow;

use crate::worker::Writes;

/// The words of a command, in the format of `push.lua`.
pub(super) type Words<'m> = Vec<Cow<'m, [u8]>>;

/// The command, with its name replaced by `push.lua`'s short word.
pub(super) fn with_short_name(command: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
    // A message with one field of a hash shares the hash with others; one with several has its own.
    if words.first() == Some(&b"HSET".as_slice()) {
        words[0] = if words.len() == 4 { b"FIELDS" } else { b"JOB" };
    }
    words
}

/// Merges fields of one hash, and members of one set, into one command. Hashes of one message each share common
/// words.
pub(super) fn merged<'m>(messages: impl Iterator<Item = &'m Writes>) -> Vec<Words<'m>> {
    let mut deleted: Vec<&[u8]> = Vec::new();
    let mut jobs: Vec<Jobs<'m>> = Vec::new();
    let mut single: Vec<Vec<&[u8]>> = Vec::new();
    let mut shared: Vec<Vec<&[u8]>> = Vec::new();
    for words in messages.flat_map(|writes| &writes.before).map(|command| with_short_name(command))
    {
        match words[..] {
            [b"DEL", key] => deleted.push(key),
            [b"JOB", key, ..] => {
                let (is_fresh, job) = (deleted.last() == Some(&key), words[1..].to_vec());
                deleted.pop_if(|_| is_fresh);
                let fits = |jobs: &&mut Jobs<'_>| {
                    jobs.is_fresh == is_fresh && jobs.all[0].len() == job.len()
                };
                match jobs.iter_mut().find(fits) {
                    Some(jobs) => jobs.all.push(job),
                    None => jobs.push(Jobs { is_fresh, all: vec![job] }),
                }
            }
            [name @ (b"FIELDS" | b"SADD"), key, ..] => {
                match shared.iter_mut().find(|known| known[..2] == [name, key]) {
                    None => shared.push(words),
                    // The same member again.
                    Some(known) if name == b"SADD" && known[2..].ends_with(&words[2..]) => {}
                    Some(known) => known.extend(&words[2..]),
                }
            }
            [b"XGROUP", ..] if single.contains(&words) => {}
            _ => single.push(words),
        }
    }
    let deleted = deleted.into_iter().map(|key| vec![Cow::Borrowed(&b"DEL"[..]), key.into()]);
    let borrowed = |words: Vec<&'m [u8]>| words.into_iter().map(Cow::Borrowed).collect();
    let jobs = jobs.into_iter().map(Jobs::into_words);
    deleted.chain(jobs).chain(single.into_iter().chain(shared).map(borrowed)).collect()
}

/// Hashes with the same number of fields.
struct Jobs<'m> {
    /// Whether existing keys are deleted first.
    is_fresh: bool,
    /// For each hash, its key, fields and values.
    all: Vec<Vec<&'m [u8]>>,
}

impl<'m> Jobs<'m> {
    fn into_words(self) -> Words<'m> {
        let [first, others @ ..] = &self.all[..] else { return Vec::new() };
        let differs = |place: &usize| others.iter().any(|job| job[*place] != first[*place]);
        let varying: Vec<usize> = (0..first.len()).filter(differs).collect();
        let number = |number: usize| Cow::Owned(number.to_string().into_bytes());
        let mut words: Words<'m> =
            vec![Cow::Borrowed(if self.is_fresh { b"FRESH" } else { b"JOBS" })];
        words.extend([self.all.len(), first.len(), varying.len()].map(number));
        words.extend(varying.iter().map(|place| number(place + 1)));
        words.extend(first.iter().copied().map(Cow::Borrowed));
        let values = self.all.iter().flat_map(|job| varying.iter().map(|place| job[*place]));
        words.extend(values.map(Cow::Borrowed));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Push;

    fn writes(before: &[&str]) -> Writes {
        let command = |text: &&str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let before = before.iter().map(command).collect();
        Writes { before, push: Push::Left, key: "q".to_owned(), element: Vec::new() }
    }

    fn shown(messages: &[Writes]) -> Vec<String> {
        let text = |words: Words<'_>| String::from_utf8(words.join(&b' ')).unwrap();
        merged(messages.iter()).into_iter().map(text).collect()
    }

    #[test]
    fn messages_of_one_list_share_what_they_can() {
        let messages = [1, 2].map(|n| {
            let (delete, store) = (format!("DEL j{n}"), format!("HSET j{n} a {n} b 7"));
            let (field, expire) = (format!("HSET all {n} x"), format!("PEXPIREAT j{n} 5"));
            writes(&[&delete, &store, &expire, &field, "SADD queues q"])
        });
        let expected = [
            "FRESH 2 5 2 1 3 j1 a 1 b 7 j1 1 j2 2",
            "PEXPIREAT j1 5",
            "PEXPIREAT j2 5",
            "FIELDS all 1 x 2 x",
            "SADD queues q",
        ];
        assert_eq!(shown(&messages), expected);
    }

    #[test]
    fn hashes_of_other_forms_and_sets_of_other_names_stay_apart() {
        let messages = [
            writes(&["HSET one 1 x", "SADD queues q"]),
            writes(&["HSET two 1 x", "SADD queues r"]),
            writes(&["HSET j1 a 1 b 2"]),
            writes(&["HSET j2 a 1 b 2 c 3", "DEL other"]),
        ];
        let expected = [
            "DEL other",
            "JOBS 1 5 0 j1 a 1 b 2",
            "JOBS 1 7 0 j2 a 1 b 2 c 3",
            "FIELDS one 1 x",
            "SADD queues q r",
            "FIELDS two 1 x",
        ];
        assert_eq!(shown(&messages), expected);
        assert_eq!(shown(&[]), [""; 0]);
    }
}
