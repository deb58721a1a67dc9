//! How much memory an entry takes.

use crate::schedule::Entry;
use crate::schedule::entry::About;
use crate::schedule::template::{Hole, Templates};

/// Roughly how many bytes an entry takes.
pub(super) fn size(entry: &Entry) -> usize {
    let message = &entry.message;
    let texts = message.task.len() + message.args.len() + message.kwargs.len();
    let headers = message.headers.as_ref().map_or(0, |headers| headers.len());
    let templates = entry
        .templates
        .as_ref()
        .map_or(0, |templates| size_of::<Templates>() + templates.count() * size_of::<Hole>());
    let about = entry.about.as_deref().map_or(0, about);
    let timing = entry.timing.heap_size();
    size_of::<Entry>() + entry.name.len() + timing + texts + headers + templates + about
}

fn about(About { description, tags, resolved }: &About) -> usize {
    let tags: usize = tags.iter().map(|tag| tag.len() + size_of::<Box<str>>()).sum();
    tags + description.iter().chain(resolved).map(|text| text.len()).sum::<usize>()
}
