//! Misspellings: the name that a word was most likely meant to be.

/// Words longer than this are no misspelling of any name, and would be slow to compare.
const MAX_WORD: usize = 64;

/// The known name that `word` most likely misspells: the one with the fewest wrong letters, if those are at most a
/// third of its own, or one. Case does not count, nor whether words are joined by `_`, `-` or a space.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wrong = |name: &'k str| {
        let allowed = (name.len() / 3).max(1);
        let wrong = wrong_letters(word, name, allowed)?;
        (wrong < word.len()).then_some((wrong, name))
    };
    let near = known.into_iter().filter_map(wrong).min_by_key(|(wrong, _)| *wrong);
    near.map(|(_, name)| name)
}

/// How many letters of `word` are wrong if it is meant to be `name`; `None` if they are more than `allowed`. Case does
/// not count, nor what joins words.
#[must_use]
pub fn wrong_letters(word: &str, name: &str, allowed: usize) -> Option<usize> {
    // So much longer or shorter, it cannot be near: most names are not compared.
    if !(2..=MAX_WORD).contains(&word.len()) || name.len().abs_diff(word.len()) > allowed {
        return None;
    }
    let wrong = strsim::damerau_levenshtein(&plain(word), &plain(name));
    (wrong <= allowed).then_some(wrong)
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const NAMES: [&str; 5] = ["cron", "every", "time_limit", "Asia/Seoul", "UTC"];

    #[test]
    fn a_misspelling_is_near_and_another_word_is_not() {
        for (word, name) in [
            ("crom", "cron"),
            ("Evrey", "every"),
            ("time limit", "time_limit"),
            ("Time-Limits", "time_limit"),
            ("asia/soul", "Asia/Seoul"),
        ] {
            assert_eq!(nearest(word, NAMES), Some(name), "{word}");
        }
        for word in ["", "c", "cr", "colour", "UTC+9", "crontab"] {
            assert_eq!(nearest(word, NAMES), None, "{word}");
        }
    }

    #[test]
    fn long_words_are_not_compared() {
        let long = "cron".repeat(1_000_000);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
