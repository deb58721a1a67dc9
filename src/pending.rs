//! Futures whose answers are awaited together.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Outstanding answers. There are few, so all are polled together.
pub(crate) struct Pending<T> {
    waiting: Vec<Pin<Box<dyn Future<Output = T> + Send>>>,
    done: VecDeque<T>,
}

impl<T> Default for Pending<T> {
    fn default() -> Pending<T> {
        Pending { waiting: Vec::new(), done: VecDeque::new() }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({})", self.waiting.len() + self.done.len())
    }
}

impl<T> Pending<T> {
    /// Adds an outstanding answer.
    pub(crate) fn push(&mut self, answer: impl Future<Output = T> + Send + 'static) {
        self.waiting.push(Box::pin(answer));
    }

    fn look(&mut self, context: &mut Context<'_>) {
        let done = &mut self.done;
        self.waiting.retain_mut(|waiting| match waiting.as_mut().poll(context) {
            Poll::Ready(answer) => {
                done.push_back(answer);
                false
            }
            Poll::Pending => true,
        });
    }

    /// Sends the requests without waiting for an answer.
    pub(crate) async fn send_off(&mut self) {
        poll_fn(|context| {
            self.look(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Waits for the next answer. Cancel safe.
    pub(crate) async fn next(&mut self) -> T {
        poll_fn(|context| {
            if self.done.is_empty() {
                self.look(context);
            }
            self.done.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
