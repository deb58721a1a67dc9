//! The lines that a program writes, as they arrive.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Lines read on a separate thread; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    shared: Arc<(Mutex<Found>, Condvar)>,
}

#[derive(Debug, Default)]
struct Found {
    lines: Vec<String>,
    has_ended: bool,
}

impl Lines {
    /// Reads `stream` to its end.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let ours = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                ours.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                ours.shared.1.notify_all();
            }
            ours.lock().has_ended = true;
            ours.shared.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.shared.0.lock().unwrap()
    }

    /// Waits until the program, and everything that inherited its output, has written all.
    pub(crate) fn wait_for_end(&self, limit: Duration) {
        let (found, changed) = &*self.shared;
        drop(changed.wait_timeout_while(found.lock().unwrap(), limit, |found| !found.has_ended));
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// The last line so far for which `is_wanted` is true.
    pub(crate) fn last(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.lock().lines.iter().rev().find(|line| is_wanted(line)).cloned()
    }

    /// The first line at or after number `from` for which `is_wanted` is true, with its number.
    ///
    /// Panics with all lines so far if none arrives within `limit`.
    pub(crate) fn wait_for(
        &self,
        from: usize,
        limit: Duration,
        what: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> (usize, String) {
        let find = |lines: &[String]| {
            let number = (from..lines.len()).find(|number| is_wanted(&lines[*number]));
            number.map(|number| (number, lines[number].clone()))
        };
        let guard = self.lock();
        let changed = &self.shared.1;
        let (guard, _) =
            changed.wait_timeout_while(guard, limit, |found| find(&found.lines).is_none()).unwrap();
        let found = find(&guard.lines);
        let seen = guard.lines.join("\n");
        drop(guard);
        found.unwrap_or_else(|| panic!("no line within {limit:?}: {what}\n{seen}"))
    }
}
