//! Pauses: reading and changing them.

use std::sync::Arc;

use downbeat_time::UnixMs;

use super::{Change, Model};
use crate::schedule::pause::{self, at_write};
use crate::store::contract::{
    ChangePauses, Etag, MAX_PAUSED, PausesChanged, PausesMark, PausesRead, PrunePauses, Reply,
    SubjectPauses,
};
use crate::store::journal::{MAX_UNREADABLE, shortened};

impl Model {
    /// All pauses.
    pub(crate) fn read_pauses(&self, now: UnixMs) -> PausesRead {
        let mut read = PausesRead { now, mark: self.pauses_mark, ..PausesRead::default() };
        for (name, text) in self.pauses.iter().take(MAX_PAUSED) {
            read.add(name.as_bytes(), Some(text.as_bytes()), text.len());
        }
        read.sort();
        read
    }

    /// Whether the pauses are those that a request was planned by.
    pub(super) fn check_pauses(&self, seen: PausesMark, all: bool) -> Result<(), Reply> {
        let is_outdated = seen.revision != self.pauses_mark.revision
            || all && seen.version != self.pauses_mark.version;
        if is_outdated { Err(Reply::Revised) } else { Ok(()) }
    }

    fn is_current(&self, subject: &SubjectPauses) -> bool {
        let found = self.pauses.get(&*subject.subject.to_string());
        found.map_or(&[][..], |text| text.as_bytes()) == &*subject.etag.0
    }

    /// Decides a change of pauses: what changes, or why nothing does.
    pub(crate) fn decide_pauses(
        &self,
        now: UnixMs,
        request: &ChangePauses,
    ) -> Result<Change, PausesChanged> {
        if !request.subjects.iter().all(|subject| self.is_current(subject)) {
            return Err(PausesChanged::Outdated);
        }
        let is_new = |subject: &&SubjectPauses| subject.etag == Etag::default();
        let more = request.subjects.iter().filter(is_new).count();
        if more > 0 && self.pauses.len() + more > MAX_PAUSED {
            return Err(PausesChanged::TooMany);
        }
        let number = |last: u64| (last + 1).max(u64::try_from(now.0).unwrap_or(0) * 1000);
        let version = number(self.pauses_mark.version);
        let revision = if request.forbids { version } else { self.pauses_mark.revision };
        let pauses = request.subjects.iter().map(|subject| written(subject, now)).collect();
        let pauses_mark = Some(PausesMark { revision, version });
        Ok(Change { pauses_mark, pauses, ..Change::default() })
    }

    /// Decides which pauses that are over are dropped.
    pub(crate) fn decide_prune(&self, now: UnixMs, request: &PrunePauses) -> Change {
        let current = request.subjects.iter().filter(|subject| self.is_current(subject));
        let pauses = match self.holds(now, &request.lease) {
            true => current.map(|subject| written(subject, now)).collect(),
            false => Vec::new(),
        };
        Change { pauses, ..Change::default() }
    }

    /// Of these entries, returns those with an open intent.
    pub(crate) fn open_intents(&self, entries: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let is_open = |entry: &Arc<str>| {
            let through = self.progress.get(&**entry).map(|progress| progress.through);
            self.intents
                .get(&**entry)
                .is_some_and(|slot| through.is_none_or(|through| through < *slot))
        };
        entries.into_iter().filter(is_open).collect()
    }

    /// The reply to a change that was carried out.
    pub(crate) fn pauses_written(&self, now: UnixMs) -> PausesChanged {
        PausesChanged::Written { now, mark: self.pauses_mark, replicated: None }
    }
}

fn written(subject: &SubjectPauses, now: UnixMs) -> (Box<str>, Option<Box<str>>) {
    let pauses = at_write(subject.pauses.clone(), now);
    let text = (!pauses.is_empty()).then(|| pause::write(&pauses).into());
    (subject.subject.to_string().into(), text)
}

impl PausesRead {
    /// Adds the stored text of one subject; `None`: the text is too long and was not read.
    pub(crate) fn add(&mut self, name: &[u8], text: Option<&[u8]>, length: usize) {
        let subject = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        let pauses = text.and_then(|text| pause::read(std::str::from_utf8(text).ok()?));
        if subject.is_none() || pauses.is_none() {
            let what = match text {
                Some(text) => format!("pause: {}", shortened(text)),
                None => format!("pause: a value of {length} bytes"),
            };
            if self.unreadable.len() < MAX_UNREADABLE {
                let name = String::from_utf8_lossy(&name[..name.len().min(255)]);
                self.unreadable.push((name.into(), what));
            }
        }
        if let Some(subject) = subject {
            let etag =
                Etag(text.map_or_else(|| format!("!{length}").into_bytes(), <[u8]>::to_vec).into());
            self.subjects.push(SubjectPauses { subject, pauses: pauses.unwrap_or_default(), etag });
        }
    }

    pub(crate) fn sort(&mut self) {
        self.subjects.sort_by(|one, other| one.subject.cmp(&other.subject));
    }
}
