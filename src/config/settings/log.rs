//! `log`: the format and the level of log lines.

use tracing_subscriber::filter::Targets;

use super::refusal::Refusal;
use super::sources::{Names, Origin, Sources};
use crate::text::Keys;

pub(super) static LOG: Keys = Keys { of: "`log`", known: &["format", "level"], foreign: &[] };

/// The default `log.level`.
pub(super) const DEFAULT_LOG_LEVEL: &str = "info";

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For both people and machines: `key=value` pairs.
    Logfmt,
    /// For machines: one object per line.
    Json,
}

impl LogFormat {
    const ALL: [LogFormat; 3] = [LogFormat::Text, LogFormat::Logfmt, LogFormat::Json];

    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Logfmt => "logfmt",
            LogFormat::Json => "json",
        }
    }
}

pub(super) fn format(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Option<LogFormat> {
    let names = Names { key: "log.format", flag: "--log-format", env: "DOWNBEAT_LOG_FORMAT" };
    let inner = from.inner("log", &LOG, "format");
    let given = from.setting_at(names, flag, inner);
    from.check(given.as_ref(), |text| {
        LogFormat::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Refusal::new("unknown log format", "write `text`, `logfmt` or `json`"))
    })
}

/// `RUST_LOG` is shared with other programs, so our own variable overrides it; it overrides the file.
pub(super) fn level(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Option<String> {
    let names = Names { key: "log.level", flag: "--log-level", env: "DOWNBEAT_LOG_LEVEL" };
    let inner = from.inner("log", &LOG, "level");
    let given = from.setting_at(names, flag, inner);
    if given.as_ref().is_none_or(|given| matches!(given.place, Origin::File(_)))
        && let Some(directives) = from.variable(names.key, "RUST_LOG")
    {
        // To the parser any word is a target; as `config` shows them, only allow what targets consist
        // of.
        let is_of_targets = |c: char| c.is_ascii_alphanumeric() || "_-:,= ".contains(c);
        return from.check(Some(&directives), |text| match text.parse::<Targets>() {
            Ok(_) if text.chars().all(is_of_targets) => Ok(text.to_owned()),
            _ => {
                Err(Refusal::new("these are not filter directives", format!("write {LOG_LEVELS}")))
            }
        });
    }
    from.check(given.as_ref(), |text| match text {
        "error" | "warn" | "info" | "debug" | "trace" => Ok(text.to_owned()),
        _ => {
            let hint = format!("write {LOG_LEVELS}; finer choices go into RUST_LOG");
            Err(Refusal::new("unknown log level", hint))
        }
    })
}

const LOG_LEVELS: &str = "`error`, `warn`, `info`, `debug` or `trace`";
