//! Formats an event as one line, in three formats. No text in it can begin another line or be hidden.

use std::fmt::{self, Debug, Write as _};

use downbeat_time::UtcText;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;
use crate::escape::{MAX_SHOWN, escape, is_hidden, shorten};

/// Formats one line per event:
///
/// ```text
/// 2026-11-21T03:00:00.000412Z  INFO dispatch: dispatched entry="nightly" …
/// ts=2026-11-21T03:00:00.000412Z level=info msg=dispatched entry=nightly … span=dispatch
/// {"timestamp":"2026-11-21T03:00:00.000412Z","level":"INFO","message":"dispatched",…,"span":"dispatch"}
/// ```
///
/// The innermost span says who speaks.
///
/// logfmt is `key=value` pairs, as introduced by Heroku and read by Go's loggers and Grafana Loki.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) format: LogFormat,
    /// Whether lines begin with the time.
    pub(super) time: bool,
    /// Whether the text format colours time and level.
    pub(super) colour: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let mut fields = Fields::new(self.format);
        event.record(&mut fields);
        let (fields, now) = (escape(&fields.line), UtcText::of(Timestamp::now()));
        let span = context.lookup_current().map(|span| span.name());
        match self.format {
            LogFormat::Text => {
                let (dim, bold) = (self.paint("2"), self.paint(colour(level)));
                let end = self.paint("0");
                if self.time {
                    write!(writer, "{dim}{now}Z{end} ")?;
                }
                write!(writer, "{bold}{:>5}{end}", level.as_str())?;
                if let Some(span) = span {
                    write!(writer, " {dim}{span}:{end}")?;
                }
                writeln!(writer, "{fields}")
            }
            LogFormat::Logfmt => {
                if self.time {
                    write!(writer, "ts={now}Z ")?;
                }
                write!(writer, "level={}{fields}", level.as_str().to_ascii_lowercase())?;
                span.map_or(Ok(()), |span| write!(writer, " span={span}"))?;
                writeln!(writer)
            }
            LogFormat::Json => {
                writer.write_char('{')?;
                if self.time {
                    write!(writer, "\"timestamp\":\"{now}Z\",")?;
                }
                write!(writer, "\"level\":\"{level}\"{fields}")?;
                span.map_or(Ok(()), |span| write!(writer, ",\"span\":\"{span}\""))?;
                writeln!(writer, "}}")
            }
        }
    }
}

impl Line {
    fn paint(&self, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m") } else { String::new() }
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        _ => "35",
    }
}

/// The fields of an event, with separators.
struct Fields {
    format: LogFormat,
    line: String,
    /// The value of the current field.
    value: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value, true);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{value:?}");
        self.push(field, &text, false);
        self.value = text;
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_plain(field, value);
    }
}

impl Fields {
    /// Room for most lines.
    fn new(format: LogFormat) -> Fields {
        Fields { format, line: String::with_capacity(256), value: String::with_capacity(64) }
    }

    /// The text format quotes only strings.
    fn push(&mut self, field: &Field, value: &str, is_string: bool) {
        let value = &*shorten(value, MAX_SHOWN);
        self.push_name(field.name());
        let is_quoted = match self.format {
            LogFormat::Text => is_string && field.name() != "message",
            LogFormat::Logfmt => !is_word(value),
            LogFormat::Json => true,
        };
        if is_quoted {
            push_quoted(&mut self.line, value);
        } else {
            self.line.push_str(value);
        }
    }

    /// A number, `true` or `false`.
    fn push_plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.push_name(field.name());
        let _ = write!(self.line, "{value}");
    }

    fn push_name(&mut self, name: &str) {
        let (before, name, after) = match (self.format, name) {
            (LogFormat::Text, "message") => (" ", "", ""),
            (LogFormat::Logfmt, "message") => (" ", "msg", "="),
            (LogFormat::Text | LogFormat::Logfmt, _) => (" ", name, "="),
            (LogFormat::Json, _) => (",\"", name, "\":"),
        };
        for part in [before, name, after] {
            self.line.push_str(part);
        }
    }
}

/// Whether logfmt readers accept it without quotes.
fn is_word(value: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b'#'..=b'<' | b'>'..=b'~');
    let parts = |c: char| c.is_whitespace() || is_hidden(c) || c == '=' || c == '"';
    let plain = value.bytes().take_while(is_plain).count();
    !value.is_empty() && !value[plain..].contains(parts)
}

/// Appends it in quotes. Hidden characters are escaped later, with the whole line.
fn push_quoted(line: &mut String, value: &str) {
    line.push('"');
    let mut rest = value;
    while let Some(at) = rest.find(['"', '\\']) {
        line.push_str(&rest[..at]);
        line.push('\\');
        line.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    line.push_str(rest);
    line.push('"');
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{error, info, subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged_as(format: Line, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(format)
            .with_writer(move || writer.clone())
            .finish();
        subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        logged_as(Line { format, time: false, colour: false }, log)
    }

    #[test]
    fn a_line_is_level_message_and_fields() {
        let log = || {
            let (entry, slot) = ("nightly", downbeat_time::UnixMs(0));
            info!(entry, %slot, lateness_ms = 3, recovered = Some(true), none = None::<&str>, "dispatched");
        };
        assert_eq!(
            logged(LogFormat::Logfmt, log),
            "level=info msg=dispatched entry=nightly slot=1970-01-01T00:00:00Z lateness_ms=3 \
             recovered=true\n"
        );
        assert_eq!(
            logged(LogFormat::Text, log),
            " INFO dispatched entry=\"nightly\" slot=1970-01-01T00:00:00Z lateness_ms=3 \
             recovered=true\n"
        );
        assert_eq!(
            logged(LogFormat::Json, log),
            "{\"level\":\"INFO\",\"message\":\"dispatched\",\"entry\":\"nightly\",\
             \"slot\":\"1970-01-01T00:00:00Z\",\"lateness_ms\":3,\"recovered\":true}\n"
        );
    }

    #[test]
    fn values_of_more_than_a_word_are_quoted_and_stay_on_one_line() {
        let error = "no \"way\" C:\\x\n\tat 1\r\u{1b}[31m\u{202e}";
        let log = || {
            error!(empty = "", pair = "a=b", path = r"C:\x", wide = "이름", %error, text = error, "became leader");
        };
        let quoted = r#""no \"way\" C:\\x\n\tat 1\r\u001b[31m\u202e""#;
        assert_eq!(
            logged(LogFormat::Logfmt, log),
            format!(
                "level=error msg=\"became leader\" empty=\"\" pair=\"a=b\" path=C:\\x wide=이름 \
                 error={quoted} text={quoted}\n"
            )
        );
        assert_eq!(
            logged(LogFormat::Text, log),
            format!(
                "ERROR became leader empty=\"\" pair=\"a=b\" path=\"C:\\\\x\" wide=\"이름\" \
                 error=no \"way\" C:\\x\\n\\tat 1\\r\\u001b[31m\\u202e text={quoted}\n"
            )
        );
        let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, log)).unwrap();
        assert_eq!((&json["error"], &json["text"]), (&error.into(), &error.into()));
        assert_eq!(json["path"], r"C:\x");
    }

    #[test]
    fn a_message_is_a_value_like_any_other() {
        let hostile = "a\n<3> ERROR forged\u{9b}";
        for format in [LogFormat::Text, LogFormat::Logfmt, LogFormat::Json] {
            let line = logged(format, || info!("{hostile}"));
            assert!(line.contains(r"a\n<3> ERROR forged\u009b"), "{line}");
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            let long =
                logged(format, || info!(long = "x".repeat(1 << 20), "{}", "y".repeat(1 << 20)));
            assert!(long.len() < 3 * MAX_SHOWN && long.contains("x…"), "{}", long.len());
        }
    }

    #[test]
    fn the_innermost_span_says_who_speaks() {
        let log = || {
            let _outer = tracing::error_span!("outer").entered();
            tracing::error_span!("campaign").in_scope(|| info!(term = 7, "resigned"));
        };
        for (format, line) in [
            (LogFormat::Text, " INFO campaign: resigned term=7\n"),
            (LogFormat::Logfmt, "level=info msg=resigned term=7 span=campaign\n"),
            (
                LogFormat::Json,
                "{\"level\":\"INFO\",\"message\":\"resigned\",\"term\":7,\"span\":\"campaign\"}\n",
            ),
        ] {
            assert_eq!(logged(format, log), line);
        }
    }

    #[test]
    fn the_time_comes_first_unless_journald_adds_it() {
        let of =
            |format, colour| logged_as(Line { format, time: true, colour }, || info!("stopped"));
        let line = of(LogFormat::Logfmt, false);
        let (time, rest) = line.strip_prefix("ts=").unwrap().split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
        assert_eq!(rest, "level=info msg=stopped\n");
        let line = of(LogFormat::Text, false);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert_eq!(rest, " INFO stopped\n");
        let line = of(LogFormat::Text, true);
        assert!(line.ends_with("Z\x1b[0m \x1b[32m INFO\x1b[0m stopped\n"), "{line:?}");
        let line = of(LogFormat::Json, false);
        assert!(line.starts_with("{\"timestamp\":\"2"), "{line}");
    }
}
