//! A pass over the text of a file, from top to bottom.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;

use chrono_tz::Tz;
use downbeat_time::Zone;

use super::size::size;
use super::{Contents, ENTRIES, FILE};
use crate::config::language::common::Common;
use crate::config::language::draft::MessageSettings;
use crate::config::language::queues::FileQueues;
use crate::config::language::shared::Additions;
use crate::config::language::shell_variables::{self, ShellVariables};
use crate::config::language::{days, entry, message, zone};
use crate::schedule::Entry;
use crate::text::{
    Broken, Node, Opened, Reader, Report, Scalar, Span, owned, report_duplicate, shortened,
};
use crate::tzdata::Tzdata;
use crate::worker::Queues;

/// Maximum bytes of memory for the entries of one file.
///
/// Aliases and defaults let a small file produce far more than its size.
const MAX_FILE_ENTRIES: usize = 256 * 1024 * 1024;

/// What a file says once for all its entries.
#[derive(Clone, Default)]
pub(super) struct Head {
    zone: Option<Arc<Zone>>,
    defaults: MessageSettings,
}

pub(in crate::config::language) struct Pass<'t, 'z> {
    report: Report<'t>,
    common: Common<'z>,
    seen: HashMap<&'static str, Span>,
    names: HashMap<Cow<'t, str>, Span>,
    entries: Vec<Entry>,
    places: Vec<(Span, u32, u32)>,
    additions: Additions,
    entry_bytes: usize,
    /// `None` if the text has no `${`.
    shell_variables: Option<ShellVariables>,
    /// How many problems there were before the last entry.
    last_entry: usize,
    /// Whether `timezone` and `defaults` are known from an earlier pass.
    knows_head: bool,
    pub(super) late_head: Option<Head>,
}

impl<'t, 'z> Pass<'t, 'z> {
    pub(super) fn new(
        report: Report<'t>,
        queues: &'z Queues,
        tzdata: &'z Tzdata,
        head: Option<Head>,
    ) -> Pass<'t, 'z> {
        let knows_head = head.is_some();
        let head = head.unwrap_or_default();
        let zone = head
            .zone
            .unwrap_or_else(|| tzdata.zone(Tz::UTC).unwrap_or_else(|| Arc::new(Zone::utc())));
        let has_shell = shell_variables::may_be_in(report.text());
        Pass {
            report,
            shell_variables: has_shell.then(ShellVariables::default),
            common: Common::new(zone, head.defaults, FileQueues::new(queues), tzdata),
            seen: HashMap::new(),
            names: HashMap::new(),
            entries: Vec::new(),
            places: Vec::new(),
            additions: Additions::default(),
            entry_bytes: 0,
            last_entry: 0,
            knows_head,
            late_head: None,
        }
    }

    pub(super) fn finish(self) -> Contents {
        let Pass { entries, places, additions, report, .. } = self;
        Contents { entries, places, additions, found: report.pause() }
    }

    pub(super) fn read(&mut self, json: bool) -> Result<(), Broken> {
        let result = self.document(json);
        if result.is_err() {
            // What a syntax error cut off is not reported as incomplete.
            self.report.forget_between(self.last_entry);
        }
        result
    }

    fn document(&mut self, json: bool) -> Result<(), Broken> {
        let Some(mut reader) = Reader::new(json, &mut self.report)? else {
            self.report
                .error_in_whole("the file is empty")
                .hint("write at least `entries: {}`, or remove the file");
            return Err(Broken);
        };
        match reader.open(&mut self.report)? {
            Opened::Map => {
                while let Some(key) = reader.key(&mut self.report)? {
                    self.last_entry = self.report.count();
                    self.section(&key, &mut reader)?;
                }
            }
            Opened::Other(node) => {
                let message = format!("expected a mapping, found {}", self.report.found(&node));
                self.report
                    .error(node.span, message)
                    .hint("a schedule file begins with `entries:`");
                return Err(Broken);
            }
        }
        reader.finish(&mut self.report)?;
        if !self.seen.contains_key(ENTRIES) {
            self.report
                .error_in_whole("the file has no `entries`")
                .hint("write at least `entries: {}`, or remove the file");
        }
        Ok(())
    }

    /// Reads a value, and warns of what a shell would replace in it.
    fn value(&mut self, reader: &mut Reader<'t>) -> Result<Node<'t>, Broken> {
        let node = reader.node(&mut self.report)?;
        self.warn_of_shell_variables(&node);
        Ok(node)
    }

    fn warn_of_shell_variables(&mut self, node: &Node<'t>) {
        if let Some(variables) = &mut self.shell_variables {
            variables.warn(node, &mut self.report);
        }
    }

    /// Reads one key of the file and its value.
    fn section(&mut self, key: &Node<'t>, reader: &mut Reader<'t>) -> Result<(), Broken> {
        let name = key.as_written().unwrap_or_default();
        let Some(known) = FILE.key(name) else {
            let value = self.value(reader)?;
            if ["task", "class", "cron", "every"].iter().any(|key| value.pair(key).is_some()) {
                let message = format!("unknown key `{}` in a schedule file", shortened(name));
                self.report.error(key.span, message).hint("an entry goes below `entries:`");
            } else if !key.is_merge_key() {
                FILE.words().refuse(key, &value, &[], &mut self.report);
            }
            return Ok(());
        };
        if let Some(first) = self.seen.get(known.name) {
            report_duplicate(name, key.span, *first, &mut self.report);
            return self.value(reader).map(drop);
        }
        self.seen.insert(known.name, key.span);
        (known.read)(self, reader)
    }

    pub(super) fn timezone(&mut self, reader: &mut Reader<'t>) -> Result<(), Broken> {
        let node = self.value(reader)?;
        if let Some(zone) = zone::read(&node, self.common.tzdata, &mut self.report) {
            self.common.zone = zone;
        }
        self.note_late_head();
        Ok(())
    }

    pub(super) fn defaults(&mut self, reader: &mut Reader<'t>) -> Result<(), Broken> {
        let node = self.value(reader)?;
        let (queues, report) = (&mut self.common.queues, &mut self.report);
        let default_queue = queues.default_queue(None);
        if let Some(defaults) = message::defaults(&node, queues, &default_queue, report) {
            self.common.set_defaults(defaults);
        }
        self.note_late_head();
        Ok(())
    }

    pub(super) fn calendars(&mut self, reader: &mut Reader<'t>) -> Result<(), Broken> {
        let node = self.value(reader)?;
        let Some(pairs) = node.map() else {
            let message =
                format!("`calendars` is a mapping of names, found {}", self.report.found(&node));
            self.report.error(node.span, message).hint("write `calendars: {NAME: [2026-12-25]}`");
            return Ok(());
        };
        for pair in pairs {
            if days::calendar_name(&pair.key, &mut self.report) {
                let except = days::days(&pair.value, None, &mut self.report);
                self.additions.calendars.push((pair.name().into(), pair.key.span, except));
            }
        }
        Ok(())
    }

    pub(super) fn spread(&mut self, reader: &mut Reader<'t>) -> Result<(), Broken> {
        let node = self.value(reader)?;
        let Some(pairs) = node.map() else {
            let message =
                format!("`spread` is a mapping of tags, found {}", self.report.found(&node));
            self.report.error(node.span, message).hint("write `spread: {TAG: 10m}`");
            return Ok(());
        };
        for pair in pairs {
            if let Some(window) = message::delay(&pair.value, &mut self.report) {
                self.additions.spreads.push((pair.name().into(), pair.key.span, window));
            }
        }
        Ok(())
    }

    fn note_late_head(&mut self) {
        if self.knows_head || !self.seen.contains_key(ENTRIES) {
            return;
        }
        let (zone, defaults) = (Arc::clone(&self.common.zone), self.common.defaults().clone());
        self.late_head = Some(Head { zone: Some(zone), defaults });
    }

    pub(super) fn entries(&mut self, reader: &mut Reader<'t>) -> Result<(), Broken> {
        match reader.open(&mut self.report)? {
            Opened::Map => {
                while let Some(key) = reader.key(&mut self.report)? {
                    self.warn_of_shell_variables(&key);
                    let body = self.value(reader)?;
                    self.entry(&key, &body)?;
                }
            }
            Opened::Other(node) => match node.map() {
                Some(pairs) => {
                    self.warn_of_shell_variables(&node);
                    for pair in pairs {
                        self.entry(&pair.key, &pair.value)?;
                    }
                }
                None => self.refuse_entries(&node),
            },
        }
        Ok(())
    }

    fn refuse_entries(&mut self, node: &Node<'t>) {
        let message = format!("`entries` is a mapping of names, found {}", self.report.found(node));
        let hint = match node.scalar() {
            Some(Scalar::Null) => "write `entries: {}` for none",
            _ => "write `name:` and below it, indented, `task:` and the rest",
        };
        self.report.error(node.span, message).hint(hint);
    }

    fn entry(&mut self, key: &Node<'t>, body: &Node<'t>) -> Result<(), Broken> {
        match self.names.entry(owned(key)) {
            MapEntry::Vacant(new) => new.insert(key.span),
            MapEntry::Occupied(first) => {
                let (name, first) =
                    (shortened(first.key()), self.report.position_in_words(*first.get()));
                let message = format!("duplicate entry `{name}`, first at {first}");
                self.report.error(key.span, message).hint("rename one of the two");
                return Ok(());
            }
        };
        self.last_entry = self.report.count();
        let entry = entry::read(key, body, &mut self.common, &mut self.report);
        let left_out = std::mem::take(&mut self.common.calendars);
        let in_templates = std::mem::take(&mut self.common.template_calendars);
        if entry.is_some() {
            let index = self.entries.len();
            let of_entry = |calendar| (index, calendar);
            self.additions.references.extend(left_out.into_iter().map(of_entry));
            self.additions.template_references.extend(in_templates.into_iter().map(of_entry));
        }
        self.check_size(key.span)?;
        let Some(entry) = entry else { return Ok(()) };
        self.entry_bytes += size(&entry);
        self.entries.push(entry);
        let (line, column) = self.report.position(key.span);
        self.places.push((key.span, line, column));
        Ok(())
    }

    fn check_size(&mut self, span: Span) -> Result<(), Broken> {
        if self.entry_bytes.max(self.report.spent()) <= MAX_FILE_ENTRIES {
            return Ok(());
        }
        let limit = MAX_FILE_ENTRIES / (1024 * 1024);
        self.report
            .error(span, format!("the entries of this file take more than {limit} MiB"))
            .hint("aliases and defaults count each time they are used");
        Err(Broken)
    }
}
