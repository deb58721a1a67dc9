//! Values that a shell completes: names in the schedule files, time zones, log levels.
//!
//! Settings such as `--schedules` are read from the words typed so far. No service or broker is asked, and
//! settings or files that cannot be read give no candidates.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::FromArgMatches as _;
use clap_complete::CompletionCandidate;

use super::{ServiceFlags, command};
use crate::config::{self, Caller, ServiceConfig};
use crate::schedule::{Entry, Schedule};
use crate::tzdata::Tzdata;

pub(super) fn entries() -> Vec<CompletionCandidate> {
    of_schedule(|entry| vec![&*entry.name])
}

pub(super) fn queues() -> Vec<CompletionCandidate> {
    of_schedule(|entry| vec![&*entry.message.queue.name])
}

pub(super) fn tags() -> Vec<CompletionCandidate> {
    of_schedule(|entry| {
        let tags = entry.about.iter().flat_map(|about| &about.tags);
        tags.map(|tag| &**tag).collect()
    })
}

pub(super) fn zones() -> Vec<CompletionCandidate> {
    candidates(chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
}

pub(super) fn log_levels() -> Vec<CompletionCandidate> {
    candidates(["error", "warn", "info", "debug", "trace"])
}

pub(super) fn log_formats() -> Vec<CompletionCandidate> {
    candidates(["text", "logfmt", "json"])
}

fn of_schedule(names: impl Fn(&Entry) -> Vec<&str>) -> Vec<CompletionCandidate> {
    let Some(Schedule { entries, .. }) = schedule(typed_settings()) else { return Vec::new() };
    let names: BTreeSet<_> = entries.iter().flat_map(names).filter(|name| is_plain(name)).collect();
    candidates(names)
}

/// The schedule that a command with these settings would use.
fn schedule(settings: ServiceFlags) -> Option<Schedule> {
    let env = |name: &str| std::env::var(name).ok();
    let service = ServiceConfig::load(settings.overrides(Caller::Command), &env).ok()?;
    config::load(&service.schedules, &service.queues, &Tzdata::load()).schedule
}

fn candidates<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    values.into_iter().map(CompletionCandidate::new).collect()
}

/// Whether a shell takes the name as it is. Completion inserts it unquoted.
fn is_plain(name: &str) -> bool {
    !name.contains(|c: char| {
        c.is_whitespace() || c.is_control() || "\"'`$&;|<>()*?[]{}!#~\\".contains(c)
    })
}

/// The settings in the command line that a shell completes. It follows `--`.
fn typed_settings() -> ServiceFlags {
    settings_in(std::env::args_os().skip_while(|word| word != "--").skip(1))
}

fn settings_in(words: impl Iterator<Item = OsString>) -> ServiceFlags {
    let found = command().ignore_errors(true).try_get_matches_from(words);
    found.and_then(|found| ServiceFlags::from_arg_matches(&found)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_an_unfinished_command_line() {
        let words = ["downbeat", "pause", "--schedules", "a.yaml", "--tag"].map(OsString::from);
        let settings = settings_in(words.into_iter());
        assert_eq!(settings.schedules, [std::path::PathBuf::from("a.yaml")]);
    }

    #[test]
    fn names_that_a_shell_would_interpret_are_not_offered() {
        assert!(is_plain("nightly-☃_2.report"));
        for name in ["a b", "$(reboot)", "a;b", "`x`", "a\tb", "*"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
