//! Commands of a crontab: their input, their names, and the tasks that stand for them.

use std::mem;

/// Maximum length of a name that is made of a command.
const MAX_NAME: usize = 40;
/// What runs other commands, and says nothing of what they do.
const PROGRAMS: &str = "python python3 php ruby bash sh perl node manage.py rails rake runner bundle exec flock nice cd";

/// crontab(5): a `%` ends the command unless it is escaped; what follows is its input, with `%` for line ends.
pub(super) fn percent(command: &str) -> (String, Option<String>) {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = command.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '%' => parts.push(mem::take(&mut part)),
            '\\' if characters.next_if_eq(&'%').is_some() => part.push('%'),
            c => part.push(c),
        }
    }
    parts.push(part);
    let command = parts.remove(0);
    let input = (!parts.is_empty()).then(|| parts.join("\n"));
    (command.trim_end().to_owned(), input)
}

/// What follows a pattern in a command, if the parts between its stars appear in this order.
pub(super) fn after<'c>(pattern: &str, command: &'c str) -> Option<&'c str> {
    pattern.split('*').try_fold(command, |rest, part| Some(rest.split_once(part)?.1))
}

/// The arguments at the beginning of what follows a pattern, up to where the output goes (`>/dev/null 2>&1`).
pub(super) fn arguments(rest: &str) -> &str {
    match rest.split_once('>') {
        Some((arguments, _)) => arguments.trim_end_matches(['1', '2', '&']).trim(),
        None => rest.trim(),
    }
}

/// A name from the words of a command that say what it does.
pub(super) fn name_of(command: &str) -> String {
    // `whenever` and people wrap commands in a shell, with a folder and variables before them.
    let inner = command.rsplit("&& ").next().unwrap_or(command);
    let words = inner.split(|c: char| c.is_whitespace() || "'\";|&<>()%".contains(c));
    let words =
        words.filter(|word| !word.is_empty() && !word.contains('=') && !word.starts_with('-'));
    let shown: Vec<&str> = words.map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    let is_program = |word: &&str| PROGRAMS.split(' ').any(|program| program == *word);
    let telling: Vec<&str> =
        shown.iter().copied().filter(|word| !is_program(word)).take(2).collect();
    let name = if telling.is_empty() { shown.join("-") } else { telling.join("-") };
    let allowed = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(allowed).take(MAX_NAME).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "command".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_leaves_of_a_command_are_arguments() {
        let left = |command| after("report*--daily", command).map(arguments);
        assert_eq!(left("manage.py report -v --daily >>/var/log/x 2>&1"), Some(""));
        assert_eq!(left("report --daily --to a@b 2>&1 >/dev/null"), Some("--to a@b"));
        assert_eq!(left("report --weekly"), None);
    }

    #[test]
    fn a_percent_sign_begins_the_input() {
        assert_eq!(
            percent(r"date +\%F%one%two"),
            ("date +%F".to_owned(), Some("one\ntwo".to_owned()))
        );
        assert_eq!(percent("ls"), ("ls".to_owned(), None));
    }
}
