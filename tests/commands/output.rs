//! How output looks: plain in a pipe, aligned on a terminal, and no fuss when the reader leaves.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::{place_with, place_with_three};
use crate::support::downbeat::{Finished, Place};
use crate::support::redis::free_port;

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
    let mut lines = shown.lines();
    let note = "downbeat: no service runs here; entries are those of the schedule files";
    assert_eq!(lines.next(), Some(note), "{shown}");
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 4, "{shown}");
    let headings = ["ENTRY", "NEXT", "LAST", "QUEUE", "WHEN"];
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), headings, "{shown}");
    for at in headings.iter().map(|heading| lines[0].find(heading).unwrap()) {
        for line in &lines {
            let before: String = line.chars().take(at).collect();
            assert!(at == 0 || before.ends_with("  "), "{shown}");
            assert!(line.chars().nth(at).is_some_and(|c| c != ' '), "{shown}");
            assert!(line.chars().count() <= 80, "{shown}");
        }
    }
}

#[test]
fn long_names_are_cut_on_a_terminal_and_whole_in_a_pipe() {
    let name = "a-very-long-name-of-an-entry-".repeat(3);
    let place = place_with(&format!("entries: {{{name}: {{task: t, cron: '0 3 * * *'}}}}"));
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    for command in ["list", "next"] {
        assert!(place.run(&[command]).ok().contains(&name));
        let Some(shown) = on_a_terminal(&place, command) else { return };
        assert!(shown.contains("a-very-long-") && shown.contains('…'), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
}

#[test]
fn a_pause_of_all_and_a_broker_that_is_away_are_mentioned_on_a_terminal() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    place.run(&["pause", "--all", "--note", "moving"]).ok();
    let Some(shown) = on_a_terminal(&place, "list") else { return };
    assert!(shown.contains("downbeat: all entries are paused until resumed, by "), "{shown}");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("started");
    for command in ["list", "next"] {
        let shown = on_a_terminal(&place, command).unwrap();
        assert!(shown.contains("downbeat: all entries are paused until resumed, by "), "{shown}");
    }
    drop(downbeat);
    let url = format!("redis://127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("no connection to");
    for command in ["list", "next"] {
        let shown = on_a_terminal(&place, command).unwrap();
        assert!(shown.contains("downbeat: warning: the broker is unavailable: "), "{shown}");
    }
}

#[test]
fn run_greets_a_terminal_with_schedule_broker_and_next_slot() {
    let place = place_with_three();
    // It ends by itself: the address is taken.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let run = format!("run --http {}", held.local_addr().unwrap());
    let Some(shown) = on_a_terminal(&place, &run) else { return };
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].contains("no broker is configured"), "{shown}");
    assert!(
        lines[1].starts_with("schedule   ") && lines[1].ends_with(" with 3 entries"),
        "{shown}"
    );
    assert!(lines[2].starts_with("broker     spool:"), "{shown}");
    assert!(lines[2].ends_with(", namespace downbeat"), "{shown}");
    assert!(lines[3].starts_with("next slot  ") && lines[3].contains(" at 20"), "{shown}");
    // In another format, each line is an event.
    let shown = on_a_terminal(&place, &format!("{run} --log-format json")).unwrap();
    assert!(!shown.contains("next slot"), "{shown}");
}

#[test]
fn a_long_list_of_problems_ends_with_their_number() {
    let entry = |n| format!("  e{n}: {{task: t, crom: 1}}\n");
    let schedule = |count| format!("entries:\n{}", (0..count).map(entry).collect::<String>());
    let said = place_with(&schedule(1)).run(&["check"]).refused(1);
    assert!(!said.contains("in all"), "{said}");
    let said = place_with(&schedule(4)).run(&["check"]).refused(1);
    assert!(said.ends_with(" errors in all\n"), "{said}");
}

#[test]
fn notes_on_slots_are_shown_on_a_terminal() {
    let place = place_with_three();
    let args = "next digest-berlin --from 2027-03-27T02:30+01:00 --count 2";
    let Some(shown) = on_a_terminal(&place, args) else { return };
    let expected = "\
SLOT                    ENTRY          NOTES
2027-03-27 02:30+01:00  digest-berlin
2027-03-28 03:00+02:00  digest-berlin  after the gap 02:00–03:00
";
    // Without how long it is until then.
    let without = |line: &str| {
        let at = line.find("digest-berlin").or(line.find("ENTRY")).unwrap();
        format!("{}  {}\n", &line[..22.min(at)].trim_end(), &line[at..])
    };
    let table: String = shown.lines().map(without).collect();
    assert_eq!(table.replace("SLOT  ", "SLOT                    "), expected, "{shown}");
    let shown = on_a_terminal(&place, "next --count 3").unwrap();
    let heading = shown.lines().next().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(heading, ["SLOT", "IN", "ENTRY"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn problems_on_a_terminal_are_coloured() {
    let place = place_with("entries: {a: {task: t, crom: 1}}");
    let Some(shown) = on_a_terminal(&place, "check") else { return };
    assert!(shown.contains("\x1b["), "{shown:?}");
    assert!(shown.contains("jobs.yaml:1:"), "{shown:?}");
}
