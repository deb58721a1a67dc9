//! The commands that come before a push, for all messages of one list: as few of them as will do.

use crate::envelope::Writes;

/// A command with the word that `push.lua` has for it in the place of its name.
pub(super) fn worded(command: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
    // A message that is one field of a hash shares it with others; of several, it has one to itself.
    if words.first() == Some(&b"HSET".as_slice()) {
        words[0] = if words.len() == 4 { b"FIELDS" } else { b"JOB" };
    }
    words
}

/// Fields of one hash are written by one command, as are members of one set; all hashes that are to
/// be written anew are deleted by one.
pub(super) fn merged<'m>(messages: impl Iterator<Item = &'m Writes>) -> Vec<Vec<&'m [u8]>> {
    type Words<'m> = Vec<&'m [u8]>;
    let mut deleted: Words<'_> = Vec::new();
    let mut single: Vec<Words<'_>> = Vec::new();
    let mut shared: Vec<Words<'_>> = Vec::new();
    for words in messages.flat_map(|writes| &writes.before).map(|command| worded(command)) {
        match words[..] {
            [b"DEL", ..] => {
                deleted.extend(&words[usize::from(!deleted.is_empty())..]);
            }
            [name @ (b"FIELDS" | b"SADD"), key, ..] => {
                match shared.iter_mut().find(|known| known[..2] == [name, key]) {
                    None => shared.push(words),
                    // The same member again.
                    Some(known) if name == b"SADD" && known[2..].ends_with(&words[2..]) => {}
                    Some(known) => known.extend(&words[2..]),
                }
            }
            _ => single.push(words),
        }
    }
    let deleted = (!deleted.is_empty()).then_some(deleted);
    deleted.into_iter().chain(single).chain(shared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Push;

    fn writes(before: &[&str]) -> Writes {
        let command = |text: &&str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let before = before.iter().map(command).collect();
        Writes { before, push: Push::Left, key: "q".to_owned(), element: Vec::new() }
    }

    fn shown(messages: &[Writes]) -> Vec<String> {
        let text = |words: Vec<&[u8]>| String::from_utf8(words.join(&b' ')).unwrap();
        merged(messages.iter()).into_iter().map(text).collect()
    }

    #[test]
    fn messages_of_one_list_share_what_they_can() {
        let messages = [1, 2].map(|n| {
            let (delete, store) = (format!("DEL j{n}"), format!("HSET j{n} a {n} b {n}"));
            let (field, expire) = (format!("HSET all {n} x"), format!("PEXPIREAT j{n} 5"));
            writes(&[&delete, &store, &expire, &field, "SADD queues q"])
        });
        let expected = [
            "DEL j1 j2",
            "JOB j1 a 1 b 1",
            "PEXPIREAT j1 5",
            "JOB j2 a 2 b 2",
            "PEXPIREAT j2 5",
            "FIELDS all 1 x 2 x",
            "SADD queues q",
        ];
        assert_eq!(shown(&messages), expected);
    }

    #[test]
    fn hashes_and_sets_of_other_names_stay_apart() {
        let messages = [
            writes(&["HSET one 1 x", "SADD queues q"]),
            writes(&["HSET two 1 x", "SADD queues r"]),
        ];
        assert_eq!(shown(&messages), ["FIELDS one 1 x", "SADD queues q r", "FIELDS two 1 x"]);
        assert_eq!(shown(&[]), [""; 0]);
    }
}
