//! Rules of directories and of several files.

use super::*;
use crate::worker::Queues;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

const ONE: &str = "entries:\n  a: {task: t, every: 1h}\n";

#[test]
fn a_directory_is_its_visible_yaml_and_json_files_in_name_order() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "b.yml", "entries:\n  b: {task: t, every: 1h}\n");
    write(root, "a.yaml", ONE);
    write(root, "c.json", r#"{"entries": {"c": {"task": "t", "every": "1h"}}}"#);
    for ignored in [".hidden.yaml", "a.yaml~", "notes.txt", ".a.yaml.swp", "yaml"] {
        write(root, ignored, "not: a schedule");
    }
    fs::create_dir(root.join("below.yaml")).unwrap();
    // As Kubernetes mounts a ConfigMap.
    fs::create_dir(root.join("..data")).unwrap();
    write(&root.join("..data"), "d.yaml", "entries:\n  d: {task: t, every: 1h}\n");
    std::os::unix::fs::symlink("..data/d.yaml", root.join("d.yaml")).unwrap();
    let loaded = load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let names = ["a.yaml", "b.yml", "c.json", "d.yaml"].map(|name| root.join(name));
    assert_eq!(loaded.files.iter().map(|file| &file.path).collect::<Vec<_>>(), names.each_ref());
    let entries = loaded.schedule.unwrap().entries;
    assert_eq!(entries.iter().map(|e| &*e.name).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn names_are_unique_across_files_and_all_files_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", ONE);
    write(root, "b.yaml", "entries: [");
    write(root, "c.yaml", "# again\nentries:\n  a: {task: t, every: 2h}\n  x: {}\n");
    let loaded = load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled());
    let shown: Vec<String> = loaded.problems.iter().map(|p| p.render(false)).collect();
    let shown = shown.join("\n").replace(&format!("{}/", root.display()), "");
    let starts: Vec<&str> = shown.lines().filter(|line| line.contains(".yaml:")).collect();
    assert_eq!(
        starts,
        [
            "b.yaml:1:10: `[` is never closed",
            "c.yaml:3:3: duplicate entry `a`, first at a.yaml:2",
            "c.yaml:4:3: this entry has no `task`",
            "c.yaml:4:3: this entry does not say when",
        ]
    );
}

#[test]
fn calendars_are_shared_by_all_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let using = "entries:\n  a: {task: t, every: 1d, except: [sat-sun, closed, 12-31]}\n";
    write(root, "a.yaml", using);
    write(root, "b.yaml", "calendars: {closed: [2026-12-24..2026-12-26]}\nentries: {}\n");
    let loaded = load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let entry = &loaded.schedule.unwrap().entries[0];
    let from = UnixMs::from_secs(1_798_066_800); // 2026-12-23 23:00
    let slots = std::iter::successors(entry.next_slot(from), |slot| entry.next_slot(*slot));
    let days: Vec<_> = slots.take(5).map(|slot| slot.to_string()[..10].to_owned()).collect();
    assert_eq!(days, ["2026-12-28", "2026-12-29", "2026-12-30", "2027-01-01", "2027-01-04"]);
}

#[test]
fn a_calendar_and_a_spread_are_defined_once_in_all_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let text = "calendars: {closed: [12-25]}\nspread: {x: 1m}\nentries: {}\n";
    write(root, "a.yaml", text);
    write(root, "b.yaml", text);
    let loaded = load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled());
    let messages: Vec<_> = loaded.problems.iter().map(|p| p.message.as_str()).collect();
    let first = root.join("a.yaml").display().to_string();
    let expected = [
        format!("duplicate calendar `closed`, first at {first}:1"),
        format!("duplicate spread of `x`, first at {first}:2"),
    ];
    assert_eq!(messages, expected);
}

#[test]
fn a_spread_divides_its_window_among_the_entries_of_a_tag_in_name_order() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let entries = "entries:\n  b: {task: t, every: 1d, tags: [nightly]}\n  \
                   d: {task: t, every: 1d, tags: [nightly], enabled: false}\n  \
                   e: {task: t, every: 1d, tags: [nightly], jitter: 1s}\n";
    write(root, "a.yaml", &format!("spread: {{nightly: 30m}}\n{entries}"));
    let more = "entries:\n  a: {task: t, every: 1d, tags: [x, nightly]}\n  \
                c: {task: t, every: 1d, tags: [nightly]}\n";
    write(root, "b.yaml", more);
    let loaded = load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let schedule = loaded.schedule.unwrap();
    let minutes = |name| schedule.get(name).unwrap().due(UnixMs(0)).0 / 60_000;
    assert_eq!(["a", "b", "c", "d", "e"].map(minutes), [0, 10, 20, 0, 0]);
}

#[test]
fn an_entrys_own_jitter_wins_over_defaults_even_if_none() {
    let text = "defaults: {jitter: 1h}\nentries:\n  a: {task: t, every: 1d}\n  \
                b: {task: t, every: 1d, jitter: 0s}\n";
    let schedule = schedule(text);
    let jitters = |name| schedule.get(name).unwrap().delay.is_some();
    assert_eq!(["a", "b"].map(jitters), [true, false]);
}

#[test]
fn the_hash_depends_on_names_and_content_alone() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = |root: &Path| {
        load(&[root.to_owned()], &Queues::default(), &Tzdata::bundled()).schedule.unwrap().hash
    };
    write(one.path(), "a.yaml", ONE);
    write(two.path(), "a.yaml", ONE);
    let first = hash(one.path());
    assert_eq!(first, hash(two.path()));
    assert_eq!(first.to_string(), "7b641d9c-9c44-56e6-bf39-83e880ee1c60");
    write(two.path(), "a.yaml", &ONE.replace("1h", "2h"));
    assert_ne!(first, hash(two.path()));
    write(two.path(), "a.yaml", ONE);
    write(two.path(), "b.yaml", "entries: {}\n");
    assert_ne!(first, hash(two.path()));
}

#[test]
fn paths_that_cannot_be_read_are_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let shown = |path: PathBuf| {
        let loaded = load(&[path], &Queues::default(), &Tzdata::bundled());
        assert!(loaded.schedule.is_none());
        loaded.problems[0].render(false).replace(&root.display().to_string(), "DIR")
    };
    assert_eq!(
        shown(root.join("none")),
        "DIR/none: cannot be read: no such file or directory (os error 2)\n\
         hint: create it, or name another path"
    );
    assert_eq!(
        shown(root.to_owned()),
        "DIR: no schedule files in this directory\n\
         hint: add a file `*.yaml`, `*.yml` or `*.json` with at least `entries: {}`"
    );
    assert_eq!(
        shown("/dev/null".into()),
        "/dev/null: cannot be read: not a regular file but a device"
    );
    std::os::unix::fs::symlink("nowhere", root.join("gone.yaml")).unwrap();
    assert!(shown(root.to_owned()).starts_with("DIR/gone.yaml: cannot be read: no such file"));
    let loaded = load(&[], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems[0].message, "no schedule file or directory is named");
}

#[test]
fn big_schedules_are_read_by_several_threads_with_the_same_result() {
    let directory = tempfile::tempdir().unwrap();
    for file in 0..5 {
        let entries: String = (0..2_000)
            .map(|n| format!("  e{file}-{n}:\n    task: {:>90}\n    every: 1h\n", "t"))
            .collect();
        write(directory.path(), &format!("{file}.yaml"), &format!("entries:\n{entries}"));
    }
    let loaded = load(&[directory.path().to_owned()], &Queues::default(), &Tzdata::bundled());
    assert_eq!(loaded.problems, []);
    let schedule = loaded.schedule.unwrap();
    assert_eq!(schedule.entries.len(), 10_000);
    assert!(schedule.entries.is_sorted_by(|a, b| a.name < b.name));
}
