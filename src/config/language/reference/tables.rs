//! The tables of the reference page.

use std::fmt::Write as _;

use super::sections;
use crate::text::section::{Description, KeyDescription};

/// The tables of the reference page, each with the title of its section.
#[must_use]
pub fn tables() -> Vec<(&'static str, String)> {
    sections().into_iter().map(|(_, section)| (section.title, table(&section))).collect()
}

fn table(section: &Description) -> String {
    let mut table = String::from("| key | type | default | meaning | example |\n");
    table += "| --- | --- | --- | --- | --- |\n";
    for KeyDescription { name, of_type, default, doc, example } in &section.keys {
        let lines = example.replace('|', "\\|");
        let example: Vec<_> = lines.lines().map(|line| format!("`{line}`")).collect();
        let (example, words) = (example.join(" "), of_type.words);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{name}` | {words} | {default} | {doc} | {example} |");
    }
    table
}
