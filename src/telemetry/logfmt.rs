//! `key=value` pairs, as Heroku began and Go's loggers and Grafana Loki read them.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `ts=2026-11-21T03:00:00.000412Z level=info msg=dispatched entry=nightly …`
#[derive(Clone, Copy, Debug)]
pub(super) struct Logfmt {
    /// Whether lines begin with `ts`.
    pub(super) time: bool,
}

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.time {
            writer.write_str("ts=")?;
            SystemTime.format_time(&mut writer)?;
            writer.write_char(' ')?;
        }
        let level = event.metadata().level().as_str();
        write!(writer, "level={}", level.to_ascii_lowercase())?;
        let mut pairs = Pairs { writer, written: Ok(()) };
        event.record(&mut pairs);
        pairs.written?;
        pairs.writer.write_char('\n')
    }
}

/// Writes each field with a space before it.
struct Pairs<'w> {
    writer: Writer<'w>,
    written: fmt::Result,
}

impl Visit for Pairs<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.written.is_ok() {
            let name = if field.name() == "message" { "msg" } else { field.name() };
            self.written = write!(self.writer, " {name}=").and_then(|()| self.write(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Pairs<'_> {
    /// A value is quoted when it would not be one word otherwise.
    fn write(&mut self, value: &str) -> fmt::Result {
        let parts = |c: char| c.is_whitespace() || c.is_control() || c == '=' || c == '"';
        if !value.is_empty() && !value.contains(parts) {
            return self.writer.write_str(value);
        }
        self.writer.write_char('"')?;
        for c in value.chars() {
            match c {
                '"' | '\\' => write!(self.writer, "\\{c}")?,
                '\n' => self.writer.write_str("\\n")?,
                '\r' => self.writer.write_str("\\r")?,
                '\t' => self.writer.write_str("\\t")?,
                c if c.is_control() => write!(self.writer, "\\u{:04x}", u32::from(c))?,
                c => self.writer.write_char(c)?,
            }
        }
        self.writer.write_char('"')
    }
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

    fn logged(time: bool, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Logfmt { time })
            .with_writer(move || writer.clone())
            .finish();
        subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_level_message_and_fields() {
        let line = logged(false, || {
            let (entry, slot) = ("nightly", crate::schedule::UnixMs(0));
            info!(entry, %slot, lateness_ms = 3, recovered = Some(true), none = None::<&str>, "dispatched");
        });
        assert_eq!(
            line,
            "level=info msg=dispatched entry=nightly slot=1970-01-01T00:00:00Z lateness_ms=3 \
             recovered=true\n"
        );
    }

    #[test]
    fn values_of_more_than_a_word_are_quoted_and_stay_on_one_line() {
        let line = logged(false, || {
            let error = "no \"way\" C:\\x\n\tat 1\r\u{1b}[31m";
            error!(empty = "", pair = "a=b", path = r"C:\x", wide = "이름", %error, "took office");
        });
        assert_eq!(
            line,
            "level=error msg=\"took office\" empty=\"\" pair=\"a=b\" path=C:\\x wide=이름 \
             error=\"no \\\"way\\\" C:\\\\x\\n\\tat 1\\r\\u001b[31m\"\n"
        );
    }

    #[test]
    fn the_time_comes_first_where_nobody_else_gives_it() {
        let line = logged(true, || info!("stopped"));
        let (time, rest) = line.strip_prefix("ts=").unwrap().split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
        assert_eq!(rest, "level=info msg=stopped\n");
    }
}
