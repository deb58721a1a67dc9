//! The calls of one backfill: what comes after each answer, and how to continue a backfill that has stopped.
//!
//! Pure: the command line repeats calls by this, and so does the simulation.

use uuid::Uuid;

use super::backfill::Slot;
use super::{Backfill, Backfilled, Refused};
use crate::store::contract::BackfillStep;

/// A backfill in several calls.
#[derive(Clone, Debug)]
pub struct BackfillCalls {
    /// The next call; once the backfill has stopped, the one to continue with.
    pub rest: Backfill,
    /// The slots that were sent, oldest first.
    pub sent: Vec<Slot>,
    /// Whether an earlier command may have sent something for the same run.
    continues: bool,
}

/// What comes after a call.
#[derive(Clone, Debug)]
pub enum Next {
    /// Another call.
    Call,
    /// Nothing: every slot was sent.
    Done,
    /// The backfill has stopped, and [`BackfillCalls::rest`] continues it. If `not_sent`, the first slot left
    /// was certainly not sent.
    Stopped {
        /// See above.
        not_sent: bool,
    },
    /// Nothing was sent: the same request can be made again.
    NotBegun,
    /// Nothing was sent because another backfill has not ended; this continues it.
    InTheWay(Box<Backfill>),
}

impl BackfillCalls {
    /// A backfill that belongs to the run that is asked for, or else to `new_run`: so the run's id is known even
    /// if every answer is lost.
    #[must_use]
    pub fn new(asked: Backfill, new_run: Uuid) -> BackfillCalls {
        let continues = asked.run.is_some();
        let run = Some(asked.run.unwrap_or(new_run));
        BackfillCalls { rest: Backfill { run, ..asked }, sent: Vec::new(), continues }
    }

    /// The run that its slots belong to.
    #[must_use]
    pub fn run(&self) -> Uuid {
        self.rest.run.unwrap_or_default()
    }

    /// A call was answered.
    pub fn on_answer(&mut self, done: Backfilled) -> Next {
        self.sent.extend(done.slots);
        let Some(go_on) = done.go_on else { return Next::Done };
        self.rest.from = go_on;
        match done.failure {
            None => Next::Call,
            Some(Refused::NotSent(_) | Refused::Unreachable(_)) => Next::Stopped { not_sent: true },
            Some(_) => Next::Stopped { not_sent: false },
        }
    }

    /// A call was refused before it sent anything.
    #[must_use]
    pub fn on_refusal(&self, refused: &Refused) -> Next {
        match refused {
            Refused::Unfinished { run, from, to, queue } => {
                let (run, from, to) = (Some(*run), from.clone(), to.clone());
                let (queue, step) = (queue.clone(), BackfillStep::Begins);
                let rest = self.rest.clone();
                Next::InTheWay(Box::new(Backfill { run, from, to, queue, step, ..rest }))
            }
            _ if self.sent.is_empty() => Next::NotBegun,
            _ => Next::Stopped { not_sent: false },
        }
    }

    /// A call failed on its way; if it `may_be_done`, it may have sent slots.
    #[must_use]
    pub fn on_failure(&self, may_be_done: bool) -> Next {
        match self.rest.dry_run || self.sent.is_empty() && !may_be_done {
            true => Next::NotBegun,
            false => Next::Stopped { not_sent: false },
        }
    }

    /// The call that records the end, if every answer has arrived and nothing is left in doubt.
    #[must_use]
    pub fn end_after(&self, next: &Next) -> Option<Backfill> {
        let has_ended = match next {
            Next::Done => !self.sent.is_empty(),
            Next::Stopped { not_sent } => *not_sent && self.sent.is_empty() && !self.continues,
            Next::Call | Next::NotBegun | Next::InTheWay(_) => false,
        };
        let ends = has_ended && !self.rest.dry_run;
        ends.then(|| Backfill { step: BackfillStep::Ends, ..self.rest.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Uuid = Uuid::from_u128(7);

    fn asked(run: Option<Uuid>) -> Backfill {
        Backfill { entry: "e".to_owned(), from: "1".to_owned(), run, ..Backfill::default() }
    }

    /// An answer to a call that has sent these slots.
    fn answer(sent: &[&str], go_on: Option<&str>, failure: Option<Refused>) -> Backfilled {
        let slot = |slot: &&str| Slot {
            entry: "e".to_owned(),
            slot: (*slot).to_owned(),
            slot_utc: (*slot).to_owned(),
            queue: "q".to_owned(),
            broker: None,
            task_id: None,
            sent_before: false,
        };
        let slots = sent.iter().map(slot).collect();
        let go_on = go_on.map(str::to_owned);
        Backfilled { run: RUN, slots, left: 0, go_on, after: None, failure, paused: None }
    }

    fn uncertain() -> Refused {
        Refused::Uncertain { why: "no answer".to_owned(), is_repeatable: true }
    }

    fn not_sent() -> Refused {
        Refused::NotSent("OOM".to_owned())
    }

    #[test]
    fn a_backfill_has_its_run_before_the_first_call_and_keeps_it() {
        let mut calls = BackfillCalls::new(asked(None), RUN);
        assert_eq!((calls.run(), calls.rest.run), (RUN, Some(RUN)));
        let next = calls.on_answer(answer(&["1", "2"], Some("3"), None));
        assert!(matches!(next, Next::Call), "{next:?}");
        assert_eq!((&*calls.rest.from, calls.rest.run), ("3", Some(RUN)));
        let next = calls.on_answer(answer(&["3"], Some("4"), Some(uncertain())));
        assert!(matches!(next, Next::Stopped { not_sent: false }), "{next:?}");
        assert_eq!((&*calls.rest.from, calls.rest.run, calls.sent.len()), ("4", Some(RUN), 3));
        let continued = BackfillCalls::new(calls.rest, Uuid::from_u128(8));
        assert_eq!(continued.run(), RUN);
    }

    #[test]
    fn a_backfill_has_ended_when_all_or_certainly_nothing_was_sent() {
        for (sent, go_on, failure, run, has_ended) in [
            (&["1"][..], None, None, None, true),
            (&[], None, None, None, false),
            (&[], Some("1"), Some(not_sent()), None, true),
            // An earlier command may have sent something.
            (&[], Some("1"), Some(not_sent()), Some(RUN), false),
            (&["1"], Some("2"), Some(not_sent()), None, false),
            (&[], Some("1"), Some(uncertain()), None, false),
        ] {
            let mut calls = BackfillCalls::new(asked(run), RUN);
            let next = calls.on_answer(answer(sent, go_on, failure));
            let end = calls.end_after(&next);
            assert_eq!(end.is_some(), has_ended, "{sent:?} {next:?}");
            assert!(end.is_none_or(|end| end.step == BackfillStep::Ends && end.run == Some(RUN)));
        }
        let calls = BackfillCalls::new(asked(None), RUN);
        let lost = calls.on_failure(true);
        assert!(matches!(lost, Next::Stopped { not_sent: false }), "{lost:?}");
        assert!(calls.end_after(&lost).is_none());
    }

    #[test]
    fn what_has_sent_nothing_can_be_asked_for_again() {
        let mut calls = BackfillCalls::new(asked(None), RUN);
        assert!(matches!(calls.on_failure(false), Next::NotBegun));
        assert!(matches!(calls.on_refusal(&Refused::Shadow), Next::NotBegun));
        let _ = calls.on_answer(answer(&["1"], Some("2"), None));
        assert!(matches!(calls.on_failure(false), Next::Stopped { not_sent: false }));
        assert!(matches!(calls.on_refusal(&Refused::Shadow), Next::Stopped { not_sent: false }));
    }

    #[test]
    fn a_backfill_in_the_way_is_continued_as_it_began() {
        let step = BackfillStep::BeginsAgain;
        let calls = BackfillCalls::new(Backfill { step, ..asked(None) }, RUN);
        let (run, queue) = (Uuid::from_u128(9), Some("other".to_owned()));
        let (from, to) = ("0".to_owned(), "5".to_owned());
        let next = calls.on_refusal(&Refused::Unfinished { run, from, to, queue });
        let Next::InTheWay(other) = next else { panic!("{next:?}") };
        assert_eq!((other.run, &*other.from, &*other.to), (Some(run), "0", "5"));
        assert_eq!((other.queue.as_deref(), other.step), (Some("other"), BackfillStep::Begins));
    }
}
