//! The outcome of every slot, from the journal in Redis.

use std::collections::BTreeMap;

use downbeat::schedule::outcome::{Line, Outcome, SkipReason};
use downbeat::store::journal::{RecordId, read_lines};
use redis::Connection;

/// A line of the journal, and when it was recorded by the server's clock.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) at_ms: i64,
    pub(crate) line: Line,
}

impl Recorded {
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.line.outcome, Outcome::Dispatched(_))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.line.outcome == Outcome::Skipped(SkipReason::Paused)
    }
}

/// All lines by entry, in the order in which they were recorded.
pub(crate) fn recorded(redis: &mut Connection) -> BTreeMap<String, Vec<Recorded>> {
    type Record = (String, Vec<(String, Vec<u8>)>);
    let mut range = redis::cmd("XRANGE");
    let records: Vec<Record> =
        range.arg("downbeat:journal").arg("-").arg("+").query(redis).unwrap();
    let mut all: BTreeMap<String, Vec<Recorded>> = BTreeMap::new();
    for (id, fields) in records {
        let at_ms = id.parse::<RecordId>().unwrap().at().0;
        let lines =
            fields.iter().find(|(name, _)| name == "lines").map(|(_, text)| read_lines(text));
        let (lines, unreadable) = lines.unwrap();
        assert_eq!(unreadable, []);
        for line in lines {
            all.entry(line.entry.to_string()).or_default().push(Recorded { at_ms, line });
        }
    }
    all
}

/// The server's clock.
pub(crate) fn server_ms(redis: &mut Connection) -> i64 {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query(redis).unwrap();
    seconds * 1000 + micros / 1000
}
