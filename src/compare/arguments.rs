//! Which calls are the same: by the task's name and its arguments, which one side may know only as text.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::{Here, There};

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// Their values.
    Values {
        /// A list; `null` if there are none.
        args: Value,
        /// A mapping; `null` if there are none.
        kwargs: Value,
    },
    /// What Python's `repr` shows, or Celery's own form of it: without escapes, and cut with `...` where it is long
    /// or deeply nested.
    Text {
        /// `(1, 'a')` or `[1, 'a']`.
        args: String,
        /// `{'a': 1}`.
        kwargs: String,
    },
}

/// What Celery writes in place of what it cuts.
const CUT: &str = "...";

/// A call as a text that is equal for equal calls of the same form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    task: Cow<'a, str>,
    is_text: bool,
    arguments: String,
}

impl Arguments {
    fn key<'a>(&self, task: &'a str) -> Key<'a> {
        let (is_text, arguments) = match self {
            Arguments::Values { args, kwargs } => {
                let mut text = String::new();
                canonical(args, "[]", &mut text);
                canonical(kwargs, "{}", &mut text);
                (false, text)
            }
            Arguments::Text { args, kwargs } => (true, folded(args) + &sorted(&folded(kwargs))),
        };
        Key { task: Cow::Borrowed(task), is_text, arguments }
    }
}

/// The calls of the slots here, numbered.
pub(super) struct Calls<'a> {
    /// In both forms; of several calls with the same text, the first.
    numbers: HashMap<Key<'a>, usize>,
    /// The calls of each task as text.
    texts: HashMap<&'a str, Vec<(String, usize)>>,
}

impl<'a> Calls<'a> {
    pub(super) fn of(here: &'a [Here]) -> Calls<'a> {
        let mut calls = Calls { numbers: HashMap::new(), texts: HashMap::new() };
        for slot in here {
            let [values, text] = &*slot.arguments;
            let number = calls.numbers.len();
            let key = values.key(&slot.task);
            if calls.numbers.contains_key(&key) {
                continue;
            }
            calls.numbers.insert(key, number);
            calls.numbers.entry(text.key(&slot.task)).or_insert(number);
            if let Arguments::Text { args, kwargs } = text {
                let text = folded(args) + &folded(kwargs);
                calls.texts.entry(&slot.task).or_default().push((text, number));
            }
        }
        calls
    }

    /// The number of the call that a slot makes.
    pub(super) fn of_slot(&self, slot: &Here) -> usize {
        let number = self.numbers.get(&slot.arguments[0].key(&slot.task));
        number.copied().unwrap_or_default()
    }

    /// The number of the call that a message makes, if a slot here makes the same.
    pub(super) fn of_message(&self, message: &There) -> Option<usize> {
        let known = self.numbers.get(&message.arguments.key(&message.task)).copied();
        known.or_else(|| self.of_cut(message))
    }

    /// The first call whose text has the parts that were left of a cut one, in order.
    fn of_cut(&self, message: &There) -> Option<usize> {
        let Arguments::Text { args, kwargs } = &message.arguments else { return None };
        if !args.contains(CUT) && !kwargs.contains(CUT) {
            return None;
        }
        let cut = folded(args) + &folded(kwargs);
        let is_whole = |text: &str| {
            let mut rest = text;
            cut.split(CUT).enumerate().all(|(index, part)| {
                // What follows a cut may close fewer brackets than it should.
                let part = part.trim_matches(CLOSING);
                let found =
                    if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
                found.map(|at| rest = &rest[at + part.len()..]).is_some()
            })
        };
        let mut texts = self.texts.get(&*message.task)?.iter();
        texts.find(|(text, _)| is_whole(text)).map(|(_, number)| *number)
    }
}

const CLOSING: [char; 3] = [']', '}', ','];

/// Writes a value with the keys of mappings in order; `null` as `instead`.
fn canonical(value: &Value, instead: &str, text: &mut String) {
    match value {
        Value::Null if !instead.is_empty() => text.push_str(instead),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, "", text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(value, "", text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

/// The text without what differs between Python's `repr` and Celery's: quotes, escapes, space, and whether a
/// sequence is a list or a tuple.
fn folded(repr: &str) -> String {
    let mut text = String::with_capacity(repr.len());
    let mut rest = repr.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match unescaped(&mut rest) {
                Some(c) if !c.is_whitespace() => text.push(c),
                Some(_) | None => {}
            },
            '\'' | '"' => {}
            '(' => text.push('['),
            ')' | ']' => {
                if text.ends_with(',') {
                    text.pop();
                }
                text.push(']');
            }
            c if c.is_whitespace() => {}
            c => text.push(c),
        }
    }
    text
}

/// The character that an escape stands for.
fn unescaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match rest.clone().next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'n' | 'r' | 't' => {
            rest.next();
            return Some(' ');
        }
        // A quote or a backslash, which are left out, or no escape at all.
        '\\' | '\'' | '"' => {
            rest.next();
            return None;
        }
        _ => return None,
    };
    let code = rest.as_str().get(1..=digits).and_then(|code| u32::from_str_radix(code, 16).ok());
    let c = code.and_then(char::from_u32)?;
    rest.nth(digits);
    Some(c)
}

/// The text of a mapping with its members in order.
fn sorted(mapping: &str) -> String {
    let inner = mapping.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else { return mapping.to_owned() };
    let (mut depth, mut start, mut members) = (0_usize, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                members.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&inner[start..]);
    members.sort_unstable();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;
    use serde_json::json;

    use super::*;

    fn text(args: &str, kwargs: &str) -> Arguments {
        Arguments::Text { args: args.to_owned(), kwargs: kwargs.to_owned() }
    }

    fn here(task: &str, args: Value, kwargs: Value, [shown_args, shown_kwargs]: [&str; 2]) -> Here {
        let values = Arguments::Values { args, kwargs };
        let arguments = [values, text(shown_args, shown_kwargs)].into();
        Here { entry: "e".into(), at: UnixMs(0), task: task.into(), arguments }
    }

    fn there(task: &str, arguments: Arguments) -> There {
        There { entry: None, sender: None, at: None, task: task.to_owned(), arguments }
    }

    #[test]
    fn equal_values_are_the_same_call_whatever_the_order_of_their_keys() {
        let slots = [
            here("t", json!([1]), json!({"a": 1, "b": {"c": 1, "d": 2}}), ["[1]", "{}"]),
            here("t", json!([]), json!({}), ["()", "{}"]),
        ];
        let calls = Calls::of(&slots);
        let of =
            |task, args, kwargs| calls.of_message(&there(task, Arguments::Values { args, kwargs }));
        assert_eq!(of("t", json!([1]), json!({"b": {"d": 2, "c": 1}, "a": 1})), Some(0));
        assert!(of("t", json!(null), json!(null)).is_some());
        assert_ne!(of("t", json!(null), json!(null)), Some(0));
        for (task, args) in [("t", json!(["1"])), ("t", json!([2])), ("u", json!([1]))] {
            assert_eq!(of(task, args, json!({"a": 1, "b": {"c": 1, "d": 2}})), None);
        }
    }

    #[test]
    fn texts_are_the_same_call_in_pythons_form_and_in_celerys() {
        let one =
            here("t", json!(["it's\n1"]), json!({}), [r#"["it's\n1"]"#, "{'a': 1, 'é': [2, 3]}"]);
        let slots = [one];
        let calls = Calls::of(&slots);
        let of = |args, kwargs| calls.of_message(&there("t", text(args, kwargs)));
        for (args, kwargs) in [
            ("(\"it's\\n1\",)", "{'a': 1, 'é': [2, 3]}"),
            ("['it's\n1']", "{'é': (2, 3), 'a': 1}"),
            ("[\"it's\\n1\"]", r"{'a': 1, '\xe9': [2, 3]}"),
            ("['it's\n1']", "{'a': 1, 'é': [...]}"),
            ("['it's\n1']", "{'a': 1, 'é...']"),
        ] {
            assert_eq!(of(args, kwargs), Some(0), "{args} {kwargs}");
        }
        for (args, kwargs) in [
            ("['it's\n2']", "{'a': 1, 'é': [2, 3]}"),
            ("['it's\n1']", "{'a': 2, 'é': [2, 3]}"),
            ("['it's\n1']", "{'b': 1, 'é...']"),
            ("[]", "{}"),
        ] {
            assert_eq!(of(args, kwargs), None, "{args} {kwargs}");
        }
    }

    #[test]
    fn hostile_texts_are_folded_without_a_panic() {
        for repr in ["\\", "\\x", "\\xé", "\\u12", "\\U0011ffff", ")))", "}{", "\\x41", "'é\\"] {
            let _ = sorted(&folded(repr));
        }
        assert_eq!(folded("'\\x41\\u00e9\\q'"), "Aéq");
    }
}
