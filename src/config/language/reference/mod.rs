//! Describes every key of a schedule file: the JSON Schema for editors, and the tables and examples in
//! `docs/schedule-files.md`. All of it is made from the rows by which files are read.

mod examples;
mod schema;
mod tables;
#[cfg(test)]
mod tests;

pub use examples::examples;
pub use schema::schema;
pub use tables::tables;

use super::{crontab, days, entry, message, options, schedule_file, solar};
use crate::text::section::Description;
use crate::worker::WorkerKind;

/// The mapping that has the keys of a section.
enum Parent {
    File,
    Entry,
    Crontab,
    Solar,
    Except,
    Options(WorkerKind),
}

/// All sections with a table, in the order of the page.
fn sections() -> Vec<(Parent, Description)> {
    let mut sections = vec![
        (Parent::File, schedule_file::FILE.describe()),
        (Parent::Entry, entry::ENTRY.describe()),
        (Parent::Entry, message::DEFAULTS.describe()),
        (Parent::Crontab, crontab::CRONTAB.describe()),
        (Parent::Solar, solar::SOLAR.describe()),
        (Parent::Except, days::EXCEPT.describe()),
    ];
    sections.extend(options());
    sections
}

fn options() -> impl Iterator<Item = (Parent, Description)> {
    let kinds = WorkerKind::ALL.into_iter();
    kinds.filter_map(|kind| Some((Parent::Options(kind), options::describe(kind)?)))
}
