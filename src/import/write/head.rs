//! The comment at the head of a file: where it comes from, and what its words mean.

use super::yaml::Yaml;
use crate::import::{Found, Grade, Job};

/// Maximum length of a line of the head.
const WIDTH: usize = 110;

pub(super) fn write(found: &Found, out: &mut Yaml) {
    let version = env!("CARGO_PKG_VERSION");
    wrapped(out, "", &format!("Imported from {} by downbeat {version}.", found.source));
    wrapped(out, "", &summary(&found.jobs));
    let mut meanings: Vec<(&str, &str)> = Vec::new();
    let imported = found.jobs.iter().filter(|job| job.cannot.is_none());
    for difference in imported.flat_map(|job| &job.differences) {
        // What is said in full beside the entry needs no meaning.
        let meaning = (difference.code(), difference.meaning());
        if difference.detail().is_empty() && !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
    }
    for (code, meaning) in meanings {
        wrapped(out, "- ", &format!("{code}: {meaning}"));
    }
    for note in &found.notes {
        wrapped(out, "- ", note);
    }
}

/// How many jobs there are of each grade, in words.
pub(crate) fn summary(jobs: &[Job]) -> String {
    let count = |grade: Grade| jobs.iter().filter(|job| job.grade() == grade).count();
    let counted = [
        (count(Grade::Same), "is the same", "are the same"),
        (count(Grade::Differs), "differs", "differ"),
        (count(Grade::Cannot), "is left out", "are left out"),
    ];
    let parts = counted.iter().filter(|(count, ..)| *count > 0);
    let parts =
        parts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
    let jobs = match jobs.len() {
        0 => return "No jobs.".to_owned(),
        1 => "1 job".to_owned(),
        many => format!("{many} jobs"),
    };
    format!("{jobs}: {}.", parts.collect::<Vec<_>>().join(", "))
}

fn wrapped(out: &mut Yaml, bullet: &str, text: &str) {
    let mut line = bullet.to_owned();
    for word in text.split_whitespace() {
        if line.len() + word.len() > WIDTH && line.trim().len() > bullet.trim().len() {
            out.comment(0, line.trim_end());
            line = " ".repeat(bullet.len());
        }
        line += word;
        line.push(' ');
    }
    out.comment(0, line.trim_end());
}
