//! Says what became of each job, and what the comparison found.

use crate::commands::Failure;
use crate::commands::show::{self, Column};
use crate::import::compare::Comparison;
use crate::import::report::{Imported, Report};
use crate::import::write::summary;
use crate::import::{Found, Grade};

const ENTRY: Column = Column::cut("ENTRY", 12);
const GRADE: Column = Column::whole("GRADE");
const COMPARED: Column = Column::whole("COMPARED");
const HOW: Column = Column::wrapped("HOW", 20).or("");

/// Prints the results to standard output; to standard error if the schedule file itself is printed.
pub(super) fn print(report: &Report, found: &Found, is_written: bool) -> Result<(), Failure> {
    let is_compared = report.entries.iter().any(|entry| entry.comparison.is_some());
    let rows = report.entries.iter().map(|entry| (entry, row(entry, is_compared)));
    if is_written {
        let columns: &[Column] =
            if is_compared { &[ENTRY, GRADE, COMPARED, HOW] } else { &[ENTRY, GRADE, HOW] };
        let rows: Vec<Vec<String>> = rows.map(|(_, row)| row).collect();
        show::table(columns, &rows)?;
        report.files.iter().try_for_each(|file| show::line(&format!("wrote {file}")))?;
        show::complain(&format!(
            "next: set DOWNBEAT_CONFIG={} and DOWNBEAT_BROKER, and run `downbeat check`",
            report.files.last().map_or("downbeat.yaml", String::as_str)
        ));
    } else {
        // Whoever reads the file needs no list of entries that are the same.
        let is_news = |entry: &Imported| entry.grade != Grade::Same || entry.comparison.is_some();
        rows.filter(|(entry, _)| is_news(entry))
            .for_each(|(_, row)| show::complain(row.join(": ").trim_end_matches(": ")));
    }
    show::complain(&format!("downbeat: {}", summary(&found.jobs)));
    report.notes.iter().for_each(|note| show::complain(&format!("note: {note}")));
    if is_compared {
        print_comparisons(&report.entries);
    }
    Ok(())
}

/// Lists what is unexplained, and counts the instants.
fn print_comparisons(entries: &[Imported]) {
    let compared: Vec<(&str, &Comparison)> = entries
        .iter()
        .filter_map(|entry| Some((&*entry.entry, entry.comparison.as_ref()?)))
        .collect();
    for (entry, comparison) in compared.iter().filter(|(_, comparison)| comparison.is_fault()) {
        let what = comparison.error.clone().unwrap_or_else(|| comparison.examples.join(", "));
        show::complain(&format!("unexplained: {entry}: {what}"));
    }
    let sum = |count: fn(&Comparison) -> usize| -> usize {
        compared.iter().map(|(_, comparison)| count(comparison)).sum()
    };
    show::complain(&format!(
        "downbeat: compared {} instants: {} the same; on one side only: {} explained, {} unexplained",
        sum(|it| it.theirs),
        sum(|it| it.same),
        sum(|it| it.explained.values().sum()),
        sum(|it| it.unexplained)
    ));
}

fn row(entry: &Imported, is_compared: bool) -> Vec<String> {
    let grade = match entry.grade {
        Grade::Same => "same",
        Grade::Differs => "differs",
        Grade::Cannot => "cannot",
    };
    let mut row = vec![entry.entry.clone(), grade.to_owned()];
    if is_compared {
        row.push(entry.comparison.as_ref().map(compared).unwrap_or_default());
    }
    row.push(how(entry));
    row
}

/// How the entry differs; or why it is left out, and what to do instead.
fn how(entry: &Imported) -> String {
    match &entry.cannot {
        Some(cannot) => match &cannot.instead {
            Some(instead) => format!("{}; {instead}", cannot.why),
            None => cannot.why.clone(),
        },
        None => {
            let differences: Vec<&str> = entry.differences.iter().map(|it| &*it.text).collect();
            differences.join("; ")
        }
    }
}

/// `198 of 200; on one side: 4 at a change of the clock`.
fn compared(comparison: &Comparison) -> String {
    if comparison.error.is_some() {
        return "failed".to_owned();
    }
    let explained = comparison
        .explained
        .iter()
        .map(|(explanation, count)| format!("{count} {}", explanation.in_words()));
    let unexplained = match comparison.unexplained {
        0 => None,
        count => Some(format!("{count} UNEXPLAINED")),
    };
    let of_one_side: Vec<String> = explained.chain(unexplained).collect();
    let same = format!("{} of {}", comparison.same, comparison.theirs);
    if of_one_side.is_empty() {
        same
    } else {
        format!("{same}; on one side: {}", of_one_side.join(", "))
    }
}
