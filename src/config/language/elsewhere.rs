//! Keys in the wrong mapping: each list has the other mappings that such a key may belong in.

use super::schedule_file::FILE as FILE_SECTION;
use super::{entry, message, options};
use crate::text::words::{Elsewhere, Place, Words};

/// For `options`: Celery has there what an entry has here.
pub(super) static OPTIONS: &[Elsewhere] = &[at(|| entry::ENTRY.words(), " beside `options`")];

/// For `cron` as a mapping.
pub(super) static CRON: &[Elsewhere] = &[at(|| entry::ENTRY.words(), " beside `cron`")];

/// For `solar`.
pub(super) static SOLAR: &[Elsewhere] = &[at(|| entry::ENTRY.words(), " beside `solar`")];

/// For a Celery task that follows another.
pub(super) static SIGNATURE: &[Elsewhere] =
    &[inside("options", || options::signature::OPTIONS.words(), "")];

/// For an entry.
pub(super) static ENTRY: &[Elsewhere] = &[CELERY, RQ, DRAMATIQ, ARQ, TASKIQ, SIDEKIQ, BULLMQ, TOP];

/// For `defaults`.
pub(super) static DEFAULTS: &[Elsewhere] = &[
    at(|| entry::ENTRY.words(), " in each entry"),
    CELERY,
    RQ,
    DRAMATIQ,
    ARQ,
    TASKIQ,
    SIDEKIQ,
    BULLMQ,
    TOP,
];

/// For a file.
pub(super) static FILE: &[Elsewhere] = &[
    inside("defaults", || message::DEFAULTS.words(), ""),
    at(|| entry::ENTRY.words(), " in an entry, below `entries:` and its name"),
];

const TOP: Elsewhere = at(|| FILE_SECTION.words(), " at the top of the file");

const CELERY: Elsewhere =
    inside("options", || options::celery::SECTION.words(), ", on a Celery queue");
const RQ: Elsewhere = inside("options", || options::rq::SECTION.words(), ", on an RQ queue");
const DRAMATIQ: Elsewhere =
    inside("options", || options::dramatiq::SECTION.words(), ", on a Dramatiq queue");
const ARQ: Elsewhere = inside("options", || options::arq::SECTION.words(), ", on an arq queue");
const TASKIQ: Elsewhere =
    inside("options", || options::taskiq::SECTION.words(), ", on a taskiq queue");
const SIDEKIQ: Elsewhere =
    inside("options", || options::sidekiq::SECTION.words(), ", on a Sidekiq queue");
const BULLMQ: Elsewhere =
    inside("options", || options::bullmq::SECTION.words(), ", on a BullMQ queue");

const fn at(words: fn() -> Words, rest: &'static str) -> Elsewhere {
    Elsewhere { words, place: Place { inside: None, rest } }
}

const fn inside(mapping: &'static str, words: fn() -> Words, rest: &'static str) -> Elsewhere {
    Elsewhere { words, place: Place { inside: Some(mapping), rest } }
}
