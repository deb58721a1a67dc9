//! A difference for people: blocks on a terminal, a line for each key in a pipe.

use std::io::{self, IsTerminal as _};

use unicode_width::UnicodeWidthStr as _;

use super::entries::{Changed, Difference, Listed};
use super::facts::Fact;
use crate::commands::{Failure, show};

/// Indents the keys of an entry on a terminal.
const INDENT: &str = "    ";
/// Between a key and its value.
const GAP: usize = 2;
/// In place of no value.
const NONE: &str = "-";
/// In place of values that are not shown.
const UNSHOWN: &str = "changed";
/// What it means that an entry starts afresh.
const NEW_REGISTRATION: &str =
    "new: it starts afresh, so slots missed before are not sent, and `limit` counts from 0";

/// An entry that differs.
struct Block<'d> {
    /// `added`, `removed` or `changed`.
    change: &'static str,
    entry: &'d str,
    facts: Vec<Fact>,
}

pub(super) fn print(difference: &Difference) -> Result<(), Failure> {
    let Difference { added, removed, changed, unchanged } = difference;
    let listed = |change: &'static str| move |entry| Block::listed(change, entry);
    let mut blocks: Vec<Block<'_>> = added.iter().map(listed("added")).collect();
    blocks.extend(removed.iter().map(listed("removed")));
    blocks.extend(changed.iter().map(Block::changed));
    blocks.sort_by_key(|block| block.entry);
    if !io::stdout().is_terminal() {
        return in_pipe(&blocks);
    }
    blocks.iter().try_for_each(Block::print)?;
    let counts = [(added.len(), "added"), (changed.len(), "changed"), (removed.len(), "removed")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.chain([(*unchanged, "unchanged")]);
    let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    show::line(&counts.join(", "))
}

impl<'d> Block<'d> {
    fn listed(change: &'static str, listed: &'d Listed) -> Block<'d> {
        let Listed { entry, task, queue, when, timezone, enabled, next, renamed_from } = listed;
        let is_new = change == "added";
        let fact = |key: &str, value: String| match is_new {
            true => Fact { key: key.to_owned(), old: None, new: Some(value) },
            false => Fact { key: key.to_owned(), old: Some(value), new: None },
        };
        let mut facts = vec![
            fact("when", format!("{when}, {timezone}")),
            fact("task", task.clone()),
            fact("queue", queue.clone()),
        ];
        if !enabled {
            facts.push(fact("enabled", "false".to_owned()));
        }
        if !next.is_empty() {
            facts.push(fact("next", next.join(", ")));
        }
        if let Some(old) = renamed_from {
            let meaning = format!("`{old}` under another name; {NEW_REGISTRATION}");
            facts.push(fact("registration", meaning));
        }
        Block { change, entry, facts }
    }

    fn changed(changed: &'d Changed) -> Block<'d> {
        let Changed { entry, changes, new_registration, next } = changed;
        let mut facts = changes.clone();
        if next.old != next.new {
            let [old, new] = [&next.old, &next.new]
                .map(|slots| Some(slots.join(", ")).filter(|slots| !slots.is_empty()));
            facts.push(Fact { key: "next".to_owned(), old, new });
        }
        if *new_registration {
            let new = Some(NEW_REGISTRATION.to_owned());
            facts.push(Fact { key: "registration".to_owned(), old: None, new });
        }
        Block { change: "changed", entry, facts }
    }

    fn sign(&self) -> &'static str {
        match self.change {
            "added" => "+",
            "removed" => "-",
            _ => "~",
        }
    }

    fn print(&self) -> Result<(), Failure> {
        show::line(&format!("{} {}", self.sign(), self.entry))?;
        let widest = self.facts.iter().map(|fact| fact.key.width()).max().unwrap_or(0);
        for fact in &self.facts {
            let columns = INDENT.len() + widest + GAP;
            show::fact(columns, &format!("{INDENT}{}", fact.key), &self.value(fact))?;
        }
        Ok(())
    }

    fn value(&self, fact: &Fact) -> String {
        let sides = [&fact.old, &fact.new];
        let sides = if fact.key == "next" { one_slot(sides) } else { sides.map(Clone::clone) };
        match sides {
            [None, None] => UNSHOWN.to_owned(),
            [Some(old), Some(new)] => format!("{old} → {new}"),
            [Some(old), None] if self.change == "changed" => format!("{old} → none"),
            [None, Some(new)] if self.change == "changed" && fact.key != "registration" => {
                format!("none → {new}")
            }
            [one, other] => one.or(other).unwrap_or_default(),
        }
    }
}

/// One of the next slots of each side: the first, or where they begin to differ.
fn one_slot(sides: [&Option<String>; 2]) -> [Option<String>; 2] {
    let slots = sides.map(|side| {
        let slots = side.iter().flat_map(|side| side.split(", "));
        slots.map(show::short_time).collect::<Vec<_>>()
    });
    let [old, new] = &slots;
    let at = old.iter().zip(new).position(|(old, new)| old != new).unwrap_or(0);
    slots.map(|slots| slots.into_iter().nth(at))
}

/// A line for each key: change, entry, key, old and new value.
fn in_pipe(blocks: &[Block<'_>]) -> Result<(), Failure> {
    let columns = ["CHANGE", "ENTRY", "KEY", "OLD", "NEW"].map(show::Column::whole);
    let row = |block: &Block<'_>, fact: &Fact| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
        let is_unshown = fact.old.is_none() && fact.new.is_none();
        let new = if is_unshown { UNSHOWN.to_owned() } else { value(&fact.new) };
        let old = value(&fact.old);
        vec![block.change.to_owned(), block.entry.to_owned(), fact.key.clone(), old, new]
    };
    let rows: Vec<_> = blocks
        .iter()
        .flat_map(|block| block.facts.iter().map(move |fact| row(block, fact)))
        .collect();
    show::table(&columns, &rows)
}
