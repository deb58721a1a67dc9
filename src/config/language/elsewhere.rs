//! Keys in the wrong mapping: each list has the mappings to which a key may belong that is not one of its own.

use super::schedule_file::FILE as FILE_SECTION;
use super::{entry, message, options};
use crate::text::words::Elsewhere;

/// For `options`: Celery has there what an entry has here.
pub(super) static OPTIONS: &[Elsewhere] = &[Elsewhere {
    words: || entry::ENTRY.words(),
    place: |pairs| format!("{pairs} beside `options`"),
}];

/// For `cron` as a mapping.
pub(super) static CRON: &[Elsewhere] = &[Elsewhere {
    words: || entry::ENTRY.words(),
    place: |pairs| format!("{pairs} beside `cron`"),
}];

/// For `solar`.
pub(super) static SOLAR: &[Elsewhere] = &[Elsewhere {
    words: || entry::ENTRY.words(),
    place: |pairs| format!("{pairs} beside `solar`"),
}];

/// For a Celery task that follows another.
pub(super) static SIGNATURE: &[Elsewhere] = &[Elsewhere {
    words: || options::signature::OPTIONS.words(),
    place: |pairs| inside("options", pairs),
}];

/// For an entry.
pub(super) static ENTRY: &[Elsewhere] = &[CELERY, RQ, DRAMATIQ, ARQ, TASKIQ, SIDEKIQ, BULLMQ, TOP];

/// For `defaults`.
pub(super) static DEFAULTS: &[Elsewhere] = &[
    Elsewhere { words: || entry::ENTRY.words(), place: |pairs| format!("{pairs} in each entry") },
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
    Elsewhere { words: || message::DEFAULTS.words(), place: |pairs| inside("defaults", pairs) },
    Elsewhere {
        words: || entry::ENTRY.words(),
        place: |pairs| format!("{pairs} in an entry, below `entries:` and its name"),
    },
];

const TOP: Elsewhere = Elsewhere {
    words: || FILE_SECTION.words(),
    place: |pairs| format!("{pairs} at the top of the file"),
};

const CELERY: Elsewhere = Elsewhere {
    words: || options::celery::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on a Celery queue",
};

const RQ: Elsewhere = Elsewhere {
    words: || options::rq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on an RQ queue",
};

const DRAMATIQ: Elsewhere = Elsewhere {
    words: || options::dramatiq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on a Dramatiq queue",
};

const ARQ: Elsewhere = Elsewhere {
    words: || options::arq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on an arq queue",
};

const TASKIQ: Elsewhere = Elsewhere {
    words: || options::taskiq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on a taskiq queue",
};

const SIDEKIQ: Elsewhere = Elsewhere {
    words: || options::sidekiq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on a Sidekiq queue",
};

const BULLMQ: Elsewhere = Elsewhere {
    words: || options::bullmq::SECTION.words(),
    place: |pairs| inside("options", pairs) + ", on a BullMQ queue",
};

/// A pair within the mapping of a key; a key alone is only said to belong there.
fn inside(mapping: &str, pairs: &str) -> String {
    match pairs.contains(": ") {
        true => format!("`{mapping}: {{{}}}`", pairs.trim_matches('`')),
        false => format!("{pairs} in `{mapping}`"),
    }
}
