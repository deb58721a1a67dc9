//! The reference page shows what the loader reads.

use super::*;
use crate::config::language::reference;

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
