//! The reference page, the schema and the loader agree.

use std::collections::BTreeSet;

use super::*;
use crate::config::language::reference::{
    self, CRONTAB, ENTRY, FILE, MESSAGE, OPTIONS, SOLAR, Section,
};
use crate::config::language::{entry, message, options, schedule_file, solar, when};

fn names(sections: &[&Section]) -> BTreeSet<&'static str> {
    sections.iter().flat_map(|section| section.keys.iter().map(|key| key.name)).collect()
}

#[test]
fn the_reference_has_exactly_the_keys_that_the_loader_knows() {
    let known = |keys: &[&'static str]| keys.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(names(&[&FILE]), known(schedule_file::FILE.known));
    assert_eq!(names(&[&ENTRY, &MESSAGE]), known(entry::ENTRY.known));
    assert_eq!(names(&[&MESSAGE]), known(message::DEFAULTS.known));
    assert_eq!(names(&[&CRONTAB]), known(when::CRONTAB.known));
    assert_eq!(names(&[&SOLAR]), known(solar::SOLAR.known));
    let of_options =
        [&options::CELERY, &options::RQ, &options::DRAMATIQ, &options::SIDEKIQ, &options::BULLMQ];
    assert_eq!(OPTIONS.len(), of_options.len());
    for ((kind, section), keys) in OPTIONS.iter().zip(of_options) {
        assert_eq!(names(&[section]), known(keys.known), "{kind}");
    }
}

#[test]
fn every_example_of_the_reference_loads_without_a_warning() {
    for (key, file) in reference::examples() {
        let (loaded, shown) = load_text_for(&on_amqp(), "a.yaml", file.as_bytes());
        assert_eq!(shown, "", "the example of `{key}`:\n{file}");
        assert!(file.contains(key), "`{key}` is not in its example:\n{file}");
        assert_eq!(loaded.schedule.unwrap().entries.len(), 1, "{key}");
    }
}

/// `BLESS=1` rewrites the tables of the page.
#[test]
fn the_reference_page_shows_the_tables_of_the_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schedule-files.md");
    let written = fs::read_to_string(&path).unwrap();
    let mut page = written.clone();
    for (title, table) in reference::tables() {
        let begin = format!("<!-- table: {title} -->\n");
        let start = page.find(&begin).unwrap_or_else(|| panic!("no table `{title}`")) + begin.len();
        let end = start + page[start..].find("<!-- end -->").unwrap();
        page.replace_range(start..end, &table);
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, page).unwrap();
    } else {
        assert!(page == written, "the page is stale: BLESS=1 cargo test --lib reference");
    }
}

#[test]
fn every_example_file_of_the_reference_page_loads_without_a_warning() {
    let page = include_str!("../../../docs/schedule-files.md");
    let mut files = 0;
    for file in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let (_, shown) = load_text("a.yaml", file.as_bytes());
        assert_eq!(shown, "", "{file}");
        files += 1;
    }
    assert!(files > 5, "{files} examples");
    // It fires at the hour at which it starts.
    let last = page.rsplit("```yaml\n").next().and_then(|rest| rest.split("```").next()).unwrap();
    let schedule = schedule(last);
    let reminder = schedule.get("trial-reminder").unwrap();
    let first = reminder.next_slot(UnixMs(0)).unwrap();
    assert_eq!(reminder.zone.to_rfc3339(first), "2027-01-01T09:00:00+00:00");
}
