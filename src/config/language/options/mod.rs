//! `options:` of an entry; the queue's kind of worker decides which there are.

mod bullmq;
mod celery;
mod dramatiq;
mod rq;
mod sidekiq;

use crate::text::section::{Description, Read, Section};
use crate::text::{Node, Report};
use crate::worker::{Options, Queue, Worker, WorkerKind};

/// Reads the options; `Some(None)` means explicitly left to the worker.
pub(super) fn read(
    node: &Node<'_>,
    queue: &Queue,
    report: &mut Report<'_>,
) -> Option<Option<Box<Options>>> {
    let options = match queue.worker {
        Worker::Celery(_) => said(celery::read(node, report)?).map(Options::Celery),
        Worker::Rq(_) => said(rq::read(node, report)?).map(Options::Rq),
        Worker::Dramatiq(_) => said(dramatiq::SECTION.read(node, report)?).map(Options::Dramatiq),
        Worker::Sidekiq(_) => said(sidekiq::SECTION.read(node, report)?).map(Options::Sidekiq),
        Worker::Bullmq(_) => said(bullmq::SECTION.read(node, report)?).map(Options::Bullmq),
        Worker::Json | Worker::Stream(_) => {
            NONE.read(node, report)?;
            None
        }
    };
    Some(options.map(Box::new))
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
        WorkerKind::Sidekiq => Some(sidekiq::SECTION.describe()),
        WorkerKind::Bullmq => Some(bullmq::SECTION.describe()),
        WorkerKind::Json | WorkerKind::Stream => None,
    }
}

/// Mappings within options, by the names under which their schemas refer to them.
pub(super) fn inner() -> [(&'static str, Description); 1] {
    [("backoff", bullmq::BACKOFF.describe())]
}

/// The words of all options, by kind.
#[cfg(test)]
pub(super) fn words() -> [crate::text::words::Words; 6] {
    [
        celery::SECTION.words(),
        rq::SECTION.words(),
        dramatiq::SECTION.words(),
        sidekiq::SECTION.words(),
        bullmq::SECTION.words(),
        bullmq::BACKOFF.words(),
    ]
}

/// For kinds of workers without options.
static NONE: Section<Read<()>> = Section { of: "`options` of this queue", ..Section::PLAIN };
