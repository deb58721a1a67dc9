//! Warns of messages that are slow for everybody because of their size.

use std::collections::HashSet;
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use crate::schedule::Entry;
use crate::text::{Node, Report, Span};
use crate::worker::{self, Message};

/// Messages over this many bytes are slow: brokers and workers hold several copies of each.
const MAX_SWIFT: usize = 64 * 1024;
/// A message whose texts have fewer bytes is shorter than [`MAX_SWIFT`] for every kind of worker: encodings at most
/// quadruple them.
const WORTH_RENDERING: usize = MAX_SWIFT / 8;
/// The bytes that a template adds, besides the entry's name.
const TEMPLATE: usize = 100;
/// The slot of the message that is measured.
const SLOT: UnixMs = UnixMs::from_secs(1_800_000_000);

/// The texts that were measured, by their addresses: entries may share those of `defaults`.
pub(super) type Measured = HashSet<[usize; 4]>;

/// Warns if the entry's message, as it is sent, is over 64 KiB long.
pub(super) fn warn(
    name: Span,
    body: &Node<'_>,
    entry: &Entry,
    measured: &mut Measured,
    report: &mut Report<'_>,
) {
    if longest_texts(entry) < WORTH_RENDERING || !measured.insert(addresses(entry)) {
        return;
    }
    let bytes = worker::size(&entry.name, &entry.message_of(SLOT, Uuid::nil()), SLOT);
    if bytes <= MAX_SWIFT {
        return;
    }
    let longest = ["args", "kwargs", "headers"].into_iter().filter_map(|key| body.pair(key));
    let longest = longest.max_by_key(|pair| pair.value.target().span.len());
    let message = format!(
        "its messages are {} KiB long, more than {} KiB",
        bytes.div_ceil(1024),
        MAX_SWIFT / 1024
    );
    report.warning(longest.map_or(name, |pair| pair.key.span), message).hint(
        "pass the key of a row or a file, not the data: broker and workers copy every message",
    );
}

fn addresses(entry: &Entry) -> [usize; 4] {
    let Message { args, kwargs, call } = &entry.message;
    let of_text = |text: &Arc<str>| text.as_ptr().addr();
    let queue = Arc::as_ptr(&call.queue).addr();
    [of_text(args), of_text(kwargs), call.headers.as_ref().map_or(0, of_text), queue]
}

/// Roughly the bytes of what the entry says, with templates at their longest.
fn longest_texts(entry: &Entry) -> usize {
    let message = &entry.message;
    let headers = message.headers.as_ref().map_or(0, |headers| headers.len());
    let templates = entry.templates.as_ref().map_or(0, |templates| templates.count());
    let of_templates = templates * (TEMPLATE + 2 * entry.name.len());
    message.args.len() + message.kwargs.len() + headers + of_templates
}
