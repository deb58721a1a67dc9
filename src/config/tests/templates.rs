//! Whatever the loader accepts can always be sent, for any slot.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::config::language::json_text::MAX_ARGUMENTS;
use crate::config::language::limits::MAX_ENTRY_NAME;
use crate::config::language::schedule_file;
use crate::schedule::Entry;
use crate::text::Report;
use crate::worker;

const ID: Uuid = Uuid::from_u128(7);

/// A part of a text and its value.
#[derive(Clone, Debug)]
enum Part {
    Plain(String),
    /// The source and how to compute its value.
    Template(&'static str, fn(&Entry, UnixMs) -> Value),
}

fn parts() -> impl Strategy<Value = Part> {
    fn text(written: impl Into<String>) -> Value {
        Value::String(written.into())
    }
    let templates: Vec<Part> = vec![
        Part::Template("{{ slot }}", |entry, slot| text(entry.zone.to_rfc3339(slot))),
        Part::Template("{{slot|unix}}", |_, slot| json!(slot.0.div_euclid(1000))),
        Part::Template("{{ slot | date }}", |entry, slot| {
            text(entry.zone.to_local(slot).date().to_string())
        }),
        Part::Template("{{ slot | format('\"%H\"\n日') }}", |entry, slot| {
            text(format!("\"{:02}\"\n日", entry.zone.to_local(slot).hour()))
        }),
        Part::Template("{{ previous_slot }}", |entry, slot| {
            entry.previous_slot(slot).map_or(Value::Null, |slot| text(entry.zone.to_rfc3339(slot)))
        }),
        Part::Template("{{ previous_slot | unix }}", |entry, slot| {
            entry.previous_slot(slot).map_or(Value::Null, |slot| json!(slot.0.div_euclid(1000)))
        }),
        Part::Template("{{ next_slot | date }}", |entry, slot| {
            let next = entry.next_slot(slot);
            next.map_or(Value::Null, |slot| text(entry.zone.to_local(slot).date().to_string()))
        }),
        Part::Template("{{ slot | shift('-36h') | unix }}", |_, slot| {
            json!((slot.0 - 36 * 3_600_000).div_euclid(1000))
        }),
        Part::Template("{{ entry }}", |entry, _| text(&*entry.name)),
        Part::Template("{{ task_id }}", |_, _| text(ID.to_string())),
        Part::Template("{{ '{{\"}}' }}", |_, _| text("{{\"}}")),
    ];
    // Without braces, which could begin a template with the text after it, and not empty, as a text
    // that is one template has no other part.
    let plain = any::<String>().prop_map(|text| Part::Plain(text.replace('{', "}") + " "));
    prop_oneof![1 => plain, 2 => prop::sample::select(templates)]
}

/// A JSON value with templates in its texts.
#[derive(Clone, Debug)]
enum Tree {
    Number(i64),
    Text(Vec<Part>),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// As written in a file.
    fn written(&self) -> Value {
        self.value(&|parts| {
            let text = parts.iter().map(|part| match part {
                Part::Plain(text) => text.as_str(),
                Part::Template(source, _) => source,
            });
            Value::String(text.collect())
        })
    }

    /// As sent.
    fn filled(&self, entry: &Entry, slot: UnixMs) -> Value {
        self.value(&|parts| {
            if let [Part::Template(_, value)] = parts {
                return value(entry, slot);
            }
            let text = parts.iter().map(|part| match part {
                Part::Plain(text) => text.clone(),
                Part::Template(_, value) => match value(entry, slot) {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                },
            });
            Value::String(text.collect())
        })
    }

    fn value(&self, text: &impl Fn(&[Part]) -> Value) -> Value {
        match self {
            Tree::Number(number) => json!(number),
            Tree::Text(parts) => text(parts),
            Tree::List(items) => items.iter().map(|item| item.value(text)).collect(),
            Tree::Map(pairs) => {
                pairs.iter().map(|(key, tree)| (key.clone(), tree.value(text))).collect()
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        1 => any::<i64>().prop_map(Tree::Number),
        4 => prop::collection::vec(parts(), 0..4).prop_map(Tree::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            map(inner).prop_map(Tree::Map),
        ]
    })
}

fn map(values: impl Strategy<Value = Tree>) -> impl Strategy<Value = Vec<(String, Tree)>> {
    prop::collection::btree_map("[a-zé\"\\\\]{1,4}", values, 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// The only entry of a JSON file.
fn entry(name: &str, members: &Value) -> Entry {
    let text = json!({"timezone": "Europe/Berlin", "entries": {name: members}}).to_string();
    let mut contents =
        schedule_file::read("a.json", &text, true, &Queues::default(), &Tzdata::bundled());
    let report = Report::resume("a.json", &text, std::mem::take(&mut contents.found));
    assert_eq!(report.finish(), [], "{text}");
    contents.entries.remove(0)
}

proptest! {
    #[test]
    fn a_filled_message_has_values_in_place_of_templates(
        args in prop::collection::vec(trees(), 0..4).prop_map(Tree::List),
        kwargs in map(trees()).prop_map(Tree::Map),
        headers in map(trees()).prop_map(|members| {
            Tree::Map(members.into_iter().map(|(key, tree)| (format!("x-{key}"), tree)).collect())
        }),
        name in "[a-z\"\\\\é{]{1,9}",
        when in prop::sample::select(vec![
            json!({"cron": "30 2 * * mon-fri"}), json!({"every": "90s"}), json!({"at": "2030-01-01T00:00:00Z"}),
        ]),
        // Years 1 to 9999, on which all date formats agree.
        slot in (-62_135_000_000_000..253_402_000_000_000_i64).prop_map(UnixMs),
    ) {
        let mut members = json!({
            "task": "t",
            "args": args.written(), "kwargs": kwargs.written(), "headers": headers.written(),
        });
        members.as_object_mut().unwrap().extend(when.as_object().unwrap().clone());
        let entry = entry(&name, &members);
        let message = entry.message_of(slot, ID);
        prop_assert_eq!(worker::check(&message), Ok(()));
        let sent = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        prop_assert_eq!(sent(&message.args), args.filled(&entry, slot));
        prop_assert_eq!(sent(&message.kwargs), kwargs.filled(&entry, slot));
        let none = || "{}".into();
        prop_assert_eq!(sent(&message.headers.clone().unwrap_or_else(none)), headers.filled(&entry, slot));
        // As written, it is JSON, too, with the content of the file.
        prop_assert_eq!(sent(&entry.message.args), args.written());
        prop_assert_eq!(sent(&entry.message.kwargs), kwargs.written());
        let templated = entry.message.args.len() + entry.message.kwargs.len();
        prop_assert!(entry.templates.is_some() || message.args.len() + message.kwargs.len() == templated);
    }
}

#[test]
fn no_template_value_is_longer_than_its_estimate() {
    let name = "\"".repeat(MAX_ENTRY_NAME);
    let widest = "%20C%Q%20A%:::z%c%n\"%20s%20G".repeat(3);
    for template in [
        "{{ slot }}".to_owned(),
        "{{ previous_slot }}".to_owned(),
        "{{ slot | unix }}".to_owned(),
        "{{ entry }}".to_owned(),
        "{{ task_id }}".to_owned(),
        format!("{{{{ '{}' }}}}", "\u{1}".repeat(100)),
        format!("{{{{ slot | format('{widest}') }}}}"),
    ] {
        // As often as possible.
        let fits = |count: usize| {
            let args =
                json!({name.clone(): {"task": "t", "every": "1h", "args": vec![&template; count]}});
            let text = json!({"timezone": "America/Argentina/ComodRivadavia", "entries": args})
                .to_string();
            schedule_file::read("a.json", &text, true, &Queues::default(), &Tzdata::bundled())
                .entries
                .pop()
        };
        // The shortest is counted as 42 bytes.
        let (mut least, mut most) = (1, MAX_ARGUMENTS / 40);
        while most - least > 1 {
            let middle = usize::midpoint(least, most);
            if fits(middle).is_some() { least = middle } else { most = middle }
        }
        let entry = fits(least).unwrap();
        for slot in [i64::MIN, 0, 1_795_370_400_123, i64::MAX].map(UnixMs) {
            let length = entry.message_of(slot, ID).args.len();
            assert!(length <= MAX_ARGUMENTS, "{template}: {length}");
        }
    }
}

#[test]
fn defaults_may_hold_templates_of_the_entry_that_uses_them() {
    let schedule = schedule(
        "defaults: {args: [\"{{ entry }}\"], headers: {x-day: \"{{ slot | date }}\"}}\nentries:\n  \
         a: {task: t, every: 1h}\n  b: {task: t, every: 1h, args: [], timezone: Asia/Seoul}\n",
    );
    let at = UnixMs(1_795_273_200_000);
    let sent = |name: &str| schedule.get(name).unwrap().message_of(at, ID).into_owned();
    assert_eq!(
        (&*sent("a").args, sent("a").headers.as_deref()),
        (r#"["a"]"#, Some(r#"{"x-day":"2026-11-21"}"#))
    );
    assert_eq!(
        (&*sent("b").args, sent("b").headers.as_deref()),
        ("[]", Some(r#"{"x-day":"2026-11-22"}"#))
    );
}

#[test]
fn before_the_first_slot_that_start_allows_there_is_none() {
    let schedule = schedule(
        "entries:\n  a: {task: t, every: 1h, start: 2026-11-21T03:00:00Z, \
         args: [\"{{ previous_slot | unix }}\"]}\n",
    );
    let entry = schedule.get("a").unwrap();
    let args = |at: i64| entry.message_of(UnixMs::from_secs(at), ID).args.clone();
    assert_eq!(&*args(1_795_230_000), "[null]");
    assert_eq!(&*args(1_795_233_600), "[1795230000]");
}

#[test]
fn business_days_are_those_of_a_calendar_of_any_file() {
    let schedule = schedule(
        "calendars: {bank: [12-25, 2026-12-28], gulf: [fri-sat]}\n\
         defaults: {args: [\"{{ slot | business_days(1, 'bank') | date }}\"]}\nentries:\n  \
         a: {task: t, every: 1h}\n  \
         b: {task: t, every: 1h, args: [\"{{ slot | business_days(-1, 'gulf') | shift('-1mo') | date }} \
         {{ slot | business_days(-1) | date }}\"], kwargs: {x: \"{{ slot | business_days(2, 'bank') }}\"}}\n",
    );
    // Thursday 2026-12-24.
    let at = UnixMs(1_798_070_400_000);
    let sent = |name: &str| schedule.get(name).unwrap().message_of(at, ID).into_owned();
    assert_eq!(&*sent("a").args, r#"["2026-12-29"]"#);
    assert_eq!(&*sent("b").args, r#"["2026-11-23 2026-12-23"]"#);
    assert_eq!(&*sent("b").kwargs, r#"{"x":"2026-12-30T00:00:00+00:00"}"#);
}

#[test]
fn a_calendar_that_templates_cannot_use_is_an_error_at_the_template() {
    let said = |text: &str| load_text("a.yaml", text.as_bytes()).1;
    let text = "calendars: {bank: [12-25]}\n\
                defaults: {args: [\"on {{ slot | business_days(-1, 'bnak') | date }}\"]}\nentries:\n  \
                a: {task: t, every: 1h}\n  b: {task: t, every: 1h}\n";
    let said_of_name = said(text);
    assert!(
        said_of_name.starts_with("a.yaml:2:23: there is no calendar `bnak`\n"),
        "{said_of_name}"
    );
    assert_eq!(said_of_name.matches("there is no calendar").count(), 1, "{said_of_name}");
    assert!(said_of_name.contains("hint: did you mean `bank`?"), "{said_of_name}");
    let text = "calendars: {work: [mon-fri], week: [mon-sun], sun: [12-25]}\nentries:\n  \
                a: {task: t, every: 1h, args: [\"{{ slot | business_days(1, 'work') }}\"]}\n  \
                b: {task: t, every: 1h, args: [\"{{ slot | business_days(1, 'week') }}\"]}\n";
    let said_of_days = said(text);
    assert_eq!(said_of_days.matches("no business day is left").count(), 1, "{said_of_days}");
    assert!(said_of_days.contains("without those of `week`"), "{said_of_days}");
}

#[test]
fn a_calendar_is_used_by_templates_alone() {
    let text = "calendars: {bank: [12-25], other: [12-26]}\nentries:\n  \
                a: {task: t, every: 1h, args: [\"{{ slot | business_days(-1, 'bank') }}\"]}\n";
    let (_, said) = load_text("a.yaml", text.as_bytes());
    assert!(said.starts_with("a.yaml:1:28: warning: no entry uses the calendar `other`"), "{said}");
    assert!(!said.contains("`bank`"), "{said}");
}
