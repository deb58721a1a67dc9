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

/// Whether the parts of a pattern between its stars appear in this order.
pub(super) fn matches(pattern: &str, command: &str) -> bool {
    let mut rest = Some(command);
    for part in pattern.split('*') {
        rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
    }
    rest.is_some()
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
    fn a_percent_sign_begins_the_input() {
        assert_eq!(
            percent(r"date +\%F%one%two"),
            ("date +%F".to_owned(), Some("one\ntwo".to_owned()))
        );
        assert_eq!(percent("ls"), ("ls".to_owned(), None));
    }
}
