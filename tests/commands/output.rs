//! How output looks: plain in a pipe, aligned on a terminal, and no fuss when the reader leaves.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::{place_with, place_with_three};
use crate::support::downbeat::{Finished, Place};

/// Five thousand lines: more than a pipe holds.
fn place_with_many() -> Place {
    let entry = |n| format!("  entry-number-{n}: {{task: t, cron: '0 3 * * *'}}\n");
    place_with(&format!("entries:\n{}", (0..5000).map(entry).collect::<String>()))
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let place = place_with_many().env("DOWNBEAT_BROKER", "spool:spool");
    for args in
        [&["list"][..], &["list", "--json"], &["next", "--count", "100000"], &["plan", "--json"]]
    {
        let mut command = place.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let finished = Finished::from(child.wait_with_output().unwrap());
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let place = place_with_three();
    let mut command = place.command(&["list"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let finished = Finished::from(command.stdout(full).output().unwrap());
    let said = finished.refused(1);
    assert!(said.contains("cannot write to standard output: No space left"), "{said}");
}

#[test]
fn output_in_a_pipe_is_tab_separated_without_colour() {
    let place = place_with("entries: {a: {task: t, every: 1h}, longer-name: {task: t, crom: 1}}");
    let said = place.run(&["check"]).refused(1);
    assert!(!said.contains('\x1b'), "{said:?}");
    let place = place_with_three();
    for args in [&["list"][..], &["next", "--count", "5"]] {
        let printed = place.run(args).ok();
        assert!(!printed.contains('\x1b') && !printed.contains("ENTRY"), "{printed:?}");
        let columns: Vec<usize> = printed.lines().map(|line| line.matches('\t').count()).collect();
        assert!(columns.iter().all(|tabs| *tabs == columns[0] && *tabs >= 2), "{printed:?}");
    }
}

/// What a terminal of 80 columns shows; `None` without the program `script`.
pub(crate) fn on_a_terminal(place: &Place, args: &str) -> Option<String> {
    let downbeat = env!("CARGO_BIN_EXE_downbeat");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty cols 80; {downbeat} {args}"), "/dev/null"]);
    command.current_dir(place.path()).env("SHELL", "/bin/sh").env_remove("NO_COLOR");
    for (name, value) in place.command(&[]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(Stdio::null());
    match command.output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).replace('\r', "")),
        Err(error) => {
            println!("skipped: cannot run script: {error}");
            None
        }
    }
}

#[test]
fn output_on_a_terminal_is_aligned_under_a_heading_and_fits() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    let Some(shown) = on_a_terminal(&place, "list") else { return };
    assert!(!shown.contains('\t'));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 8, "{shown}");
    let below = |lines: &[&str], headings: &[&str]| {
        let found = lines[0].split("  ").map(str::trim).filter(|heading| !heading.is_empty());
        assert_eq!(found.collect::<Vec<_>>(), headings, "{shown}");
        for at in headings.iter().map(|heading| lines[0].find(heading).unwrap()) {
            for line in lines {
                assert!(!line[at..].starts_with(' '), "{shown}");
                assert!(at == 0 || line[..at].ends_with("  "), "{shown}");
                assert!(line.chars().count() <= 80, "{shown}");
            }
        }
    };
    let half = |from| lines.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
    below(&half(0), &["ENTRY", "NEXT", "LAST", "LAST SENT", "QUEUE"]);
    below(&half(1), &["WHEN"]);
}

#[test]
fn notes_on_slots_are_shown_on_a_terminal() {
    let place = place_with_three();
    let args = "next digest-berlin --from 2027-03-27T02:30+01:00 --count 2";
    let Some(shown) = on_a_terminal(&place, args) else { return };
    let expected = "\
SLOT                       UTC                   ENTRY
  NOTES
2027-03-27T02:30:00+01:00  2027-03-27T01:30:00Z  digest-berlin
2027-03-28T03:00:00+02:00  2027-03-28T01:00:00Z  digest-berlin
  after the gap 02:00–03:00
";
    assert_eq!(shown, expected);
    let shown = on_a_terminal(&place, "next --count 3").unwrap();
    let heading = shown.lines().next().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(heading, ["SLOT", "UTC", "ENTRY"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn problems_on_a_terminal_are_coloured() {
    let place = place_with("entries: {a: {task: t, crom: 1}}");
    let Some(shown) = on_a_terminal(&place, "check") else { return };
    assert!(shown.contains("\x1b["), "{shown:?}");
    assert!(shown.contains("jobs.yaml:1:"), "{shown:?}");
}
