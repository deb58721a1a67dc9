//! The manual page.

use std::process::Command;

use crate::support::downbeat::{Finished, Place};
use crate::support::tools::{needs, tests_folder};

#[test]
fn the_page_in_the_repository_is_what_the_program_prints() {
    let page = tests_folder().join("../docs/downbeat.1");
    let printed = Place::new().run(&["man"]).ok();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&page, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(page).unwrap();
    assert!(kept == printed, "docs/downbeat.1 is out of date; BLESS=1 with this test rewrites it");
}

/// The names of all commands, from `downbeat --help`.
fn commands() -> Vec<String> {
    let help = Place::new().run(&["--help"]).ok();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Lines that go on are further in.
    let first = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let names =
        first.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_page_on_commands_has_a_row_for_each() {
    let page = std::fs::read_to_string(tests_folder().join("../docs/commands.md")).unwrap();
    let rows: Vec<&str> = page.lines().take_while(|line| !line.starts_with("## ")).collect();
    for name in commands() {
        let in_row = |row: &&str| {
            let first = row.split(" | ").next().unwrap();
            first.split('`').skip(1).step_by(2).any(|word| word.split(' ').next() == Some(&*name))
        };
        assert!(rows.iter().any(in_row), "docs/commands.md has no row for `{name}`");
    }
}

#[test]
fn the_page_has_no_mistakes_and_tells_of_every_command() {
    needs!(Man);
    let place = Place::new();
    let page = place.path().join("downbeat.1");
    std::fs::write(&page, place.run(&["man"]).ok()).unwrap();
    let mut man = Command::new("man");
    man.args(["--warnings", "--encoding=UTF-8", "--local-file"]).arg(page);
    man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80");
    let shown = Finished::from(man.output().unwrap());
    assert_eq!(shown.stderr, "");
    let shown = shown.ok();
    let names = commands();
    let has = |name: &str| names.iter().any(|known| known == name);
    assert!(has("trigger") && has("man"), "{names:?}");
    for name in names {
        assert!(shown.contains(&format!("\n   downbeat {name} [OPTIONS]")), "{name}: {shown}");
    }
    let words: Vec<&str> = shown.split_whitespace().collect();
    let words = words.join(" ");
    let day_match = "--day-match RULE Whether both day fields of a cron line must match, or either: and, \
                     or --entry ENTRY";
    assert!(words.contains(day_match), "{words}");
    assert!(
        shown.contains("\nEXAMPLES\n")
            && shown.contains("\n           downbeat check ./schedules\n")
    );
}
