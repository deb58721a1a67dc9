//! What the entries of a file share.

use std::collections::HashMap;
use std::sync::Arc;

use downbeat_time::Zone;

use super::days::CalendarRef;
use super::draft::MessageSettings;
use super::json_text::JsonText;
use super::message_size::Measured;
use super::queues::FileQueues;
use super::zone;
use crate::text::{Node, Report};
use crate::tzdata::{self, Tzdata};
use crate::worker::{Call, Queue};

/// How many calls of the same task a new call is compared with.
const MAX_COMPARED: usize = 8;

/// What the entries of a file share.
pub(super) struct Common<'z> {
    pub(super) tzdata: &'z Tzdata,
    pub(super) zone: Arc<Zone>,
    defaults: MessageSettings,
    pub(super) queues: FileQueues<'z>,
    /// The queue of entries that name none.
    pub(super) default_queue: Arc<Queue>,
    /// Calls by their task.
    calls: HashMap<Arc<str>, Vec<Arc<Call>>>,
    /// The arguments of entries without any.
    pub(super) no_args: JsonText,
    pub(super) no_kwargs: JsonText,
    /// The last zone that was named, if there was nothing to report about its name.
    last_zone: Option<(Box<str>, Arc<Zone>)>,
    /// Calendars that the current entry leaves out.
    pub(super) calendars: Vec<CalendarRef>,
    /// The messages whose size is known.
    pub(super) measured: Measured,
    /// Calendars that the current entry's templates name.
    pub(super) template_calendars: Vec<CalendarRef>,
}

impl<'z> Common<'z> {
    pub(super) fn new(
        zone: Arc<Zone>,
        defaults: MessageSettings,
        mut queues: FileQueues<'z>,
        tzdata: &'z Tzdata,
    ) -> Common<'z> {
        Common {
            tzdata,
            zone,
            default_queue: queues.default_queue(defaults.queue.as_ref()),
            defaults,
            queues,
            calls: HashMap::new(),
            no_args: JsonText::of("[]"),
            no_kwargs: JsonText::of("{}"),
            last_zone: None,
            calendars: Vec::new(),
            template_calendars: Vec::new(),
            measured: Measured::new(),
        }
    }

    pub(super) fn defaults(&self) -> &MessageSettings {
        &self.defaults
    }

    pub(super) fn set_defaults(&mut self, defaults: MessageSettings) {
        self.default_queue = self.queues.default_queue(defaults.queue.as_ref());
        self.defaults = defaults;
    }

    /// The name of a task, shared with other entries that call it.
    pub(super) fn task(&self, name: &str) -> Arc<str> {
        self.calls.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    /// A call, shared with other entries that have an equal one; not all equal ones are found.
    pub(super) fn shared(&mut self, call: Call) -> Arc<Call> {
        let calls = self.calls.entry(Arc::clone(&call.task)).or_default();
        if let Some(equal) = calls.iter().rev().take(MAX_COMPARED).find(|other| ***other == call) {
            return Arc::clone(equal);
        }
        let call = Arc::new(call);
        calls.push(Arc::clone(&call));
        call
    }

    /// The zone that a value names.
    pub(super) fn named_zone(
        &mut self,
        node: &Node<'_>,
        report: &mut Report<'_>,
    ) -> Option<Arc<Zone>> {
        let name = node.as_written().unwrap_or_default();
        if let Some((_, zone)) = self.last_zone.as_ref().filter(|(last, _)| **last == *name) {
            return Some(Arc::clone(zone));
        }
        let zone = zone::read(node, self.tzdata, report)?;
        if tzdata::current_name(name).is_none() {
            self.last_zone = Some((name.into(), Arc::clone(&zone)));
        }
        Some(zone)
    }
}
