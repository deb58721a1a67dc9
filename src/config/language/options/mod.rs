//! `options:` of an entry; the queue's kind of worker decides which there are.

pub(super) mod arq;
pub(super) mod bullmq;
pub(super) mod celery;
pub(super) mod dramatiq;
pub(super) mod rq;
pub(super) mod sidekiq;
pub(super) mod signature;
pub(super) mod taskiq;

use super::elsewhere;
use super::json_text::Templated;
use crate::text::section::{Description, Read, Section};
use crate::text::{Node, Report};
use crate::worker::{Options, Queue, Worker, WorkerKind};

/// The options of an entry.
pub(super) type OptionsText = Templated<Box<Options>>;

/// Reads the options; `Some(None)` means explicitly left to the worker.
pub(super) fn read(
    node: &Node<'_>,
    queue: &Queue,
    report: &mut Report<'_>,
) -> Option<Option<OptionsText>> {
    let options = match queue.worker {
        Worker::Celery(_) => return celery::read(node, report),
        Worker::Rq(_) => said(rq::read(node, report)?).map(Options::Rq),
        Worker::Dramatiq(_) => said(dramatiq::SECTION.read(node, report)?).map(Options::Dramatiq),
        Worker::Arq(_) => said(arq::SECTION.read(node, report)?).map(Options::Arq),
        Worker::Taskiq(_) => said(taskiq::SECTION.read(node, report)?).map(Options::Taskiq),
        Worker::Sidekiq(_) => said(sidekiq::SECTION.read(node, report)?).map(Options::Sidekiq),
        Worker::Bullmq(_) => said(bullmq::SECTION.read(node, report)?).map(Options::Bullmq),
        Worker::Json | Worker::Stream(_) => {
            NONE.read(node, report)?;
            None
        }
    };
    Some(options.map(|options| OptionsText::plain(Box::new(options))))
}

fn said<T: Default + PartialEq>(options: T) -> Option<T> {
    (options != T::default()).then_some(options)
}

/// The options of a kind of worker; `None` if it has none.
pub(super) fn describe(kind: WorkerKind) -> Option<Description> {
    match kind {
        WorkerKind::Celery => Some(celery::SECTION.describe()),
        WorkerKind::Rq => Some(rq::SECTION.describe()),
        WorkerKind::Dramatiq => Some(dramatiq::SECTION.describe()),
        WorkerKind::Arq => Some(arq::SECTION.describe()),
        WorkerKind::Taskiq => Some(taskiq::SECTION.describe()),
        WorkerKind::Sidekiq => Some(sidekiq::SECTION.describe()),
        WorkerKind::Bullmq => Some(bullmq::SECTION.describe()),
        WorkerKind::Json | WorkerKind::Stream => None,
    }
}

/// Mappings within options, by the names under which their schemas refer to them.
pub(super) fn inner() -> [(&'static str, Description); 5] {
    [
        ("dependency", rq::DEPENDENCY.describe()),
        ("callback", rq::CALLBACK.describe()),
        ("backoff", bullmq::BACKOFF.describe()),
        ("signature", signature::SIGNATURE.describe()),
        ("signature_options", signature::OPTIONS.describe()),
    ]
}

/// The words of all options.
#[cfg(test)]
pub(super) fn words() -> Vec<crate::text::words::Words> {
    let of_kind = |kind| match kind {
        WorkerKind::Celery => celery::SECTION.words(),
        WorkerKind::Rq => rq::SECTION.words(),
        WorkerKind::Dramatiq => dramatiq::SECTION.words(),
        WorkerKind::Arq => arq::SECTION.words(),
        WorkerKind::Taskiq => taskiq::SECTION.words(),
        WorkerKind::Sidekiq => sidekiq::SECTION.words(),
        WorkerKind::Bullmq => bullmq::SECTION.words(),
        WorkerKind::Json | WorkerKind::Stream => NONE.words(),
    };
    let inner = [
        rq::DEPENDENCY.words(),
        rq::CALLBACK.words(),
        bullmq::BACKOFF.words(),
        signature::SIGNATURE.words(),
        signature::OPTIONS.words(),
    ];
    WorkerKind::ALL.into_iter().map(of_kind).chain(inner).collect()
}

/// For kinds of workers without options.
static NONE: Section<Read<()>> =
    Section { of: "`options` of this queue", elsewhere: elsewhere::OPTIONS, ..Section::PLAIN };
