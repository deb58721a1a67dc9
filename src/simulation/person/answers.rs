//! What commands report: the observer checks it, and the person does as told.

use downbeat_time::UnixMs;

use super::call::{Asked, Done};
use super::wish::{Command, Does};
use crate::manual::backfill::task_id;
use crate::manual::{BackfillCalls, Backfilled, Next, Refused, Trigger, Triggered};
use crate::simulation::World;
use crate::store::contract::BackfillStep;

impl World {
    /// Whether what is reported as sent must be recorded: nothing gets lost any more.
    fn must_record(&self) -> bool {
        self.is_calm() && !self.is_in_trouble()
    }

    /// A command gets the answer to its call; none if the service is gone or does not answer.
    pub(super) fn on_answer_to_person(&mut self, wish: usize, answered: Option<Done>) {
        let Some(command) = self.person.wishes[wish].command.take() else { return };
        match (command.does, answered) {
            (Does::Ends(calls, next), _) => self.follow(wish, &calls, next),
            (Does::Trigger(trigger), answered) => {
                let answer = match answered {
                    Some(Done::Trigger(done)) => Some(done),
                    _ => None,
                };
                self.on_trigger(wish, trigger, answer);
            }
            (Does::Backfill(mut calls), answered) => {
                let next = match answered {
                    Some(Done::Backfill(done)) => self.on_backfill(wish, &mut calls, done),
                    _ => {
                        let wish = &mut self.person.wishes[wish];
                        wish.doubt_from(calls.run(), wish.instant(&calls.rest.from));
                        calls.on_failure(true)
                    }
                };
                let via = command.via;
                let does = match next {
                    Next::Call => Does::Backfill(calls),
                    next if calls.end_after(&next).is_none() => {
                        return self.follow(wish, &calls, next);
                    }
                    // The command is killed right after it has shown everything.
                    next if self.is_in_trouble() && self.person.one_in(12) => {
                        self.person.count("end not recorded");
                        return self.follow(wish, &calls, next);
                    }
                    next => Does::Ends(calls, next),
                };
                self.person.wishes[wish].command = Some(Command { does, via, call: 0 });
                self.call(wish);
            }
        }
    }

    /// Checks what is reported of a trigger. Then the person does as told.
    fn on_trigger(
        &mut self,
        index: usize,
        trigger: Trigger,
        answer: Option<Result<Triggered, Refused>>,
    ) {
        let id = trigger.id.unwrap();
        let is_shared = self.person.calls_of(id) > 0;
        let must_be_recorded = self.must_record();
        let wish = &mut self.person.wishes[index];
        let doubt = (id, UnixMs::MIN);
        let mut deed = "trigger in doubt";
        let mut may_leave = false;
        match answer {
            Some(Ok(done)) => {
                let must_be_recorded = must_be_recorded && done.sent;
                let is_recorded = self.ledger.manual.has_sent(id) || !must_be_recorded;
                assert!(wish.has_sent(id) && is_recorded, "reported as sent: {done:?}");
                assert!(done.sent != done.sent_before, "{done:?}");
                wish.is_open = false;
                wish.check_done();
                if done.sent_before {
                    self.person.count("found as sent before");
                }
                return self.person.count("triggered");
            }
            None => drop(wish.doubts.insert(doubt)),
            Some(Err(Refused::Uncertain { is_repeatable, .. })) => {
                wish.doubts.insert(doubt);
                may_leave = !is_repeatable;
                assert_eq!(is_repeatable, !wish.is_carried());
            }
            Some(Err(Refused::NotSent(_) | Refused::Unreachable(_))) => {
                let is_known = wish.doubts.contains(&doubt) || is_shared;
                assert!(is_known || !wish.has_sent(id), "reported as not sent: {id}");
                deed = "trigger not sent";
            }
            Some(Err(other)) => panic!("{other:?}"),
        }
        if wish.doubts.contains(&doubt) {
            // With the same id, nothing is sent twice.
            wish.types = Asked::Trigger(trigger);
        }
        self.person.count(deed);
        if may_leave {
            self.person.count("carrier in doubt");
            if self.person.one_in(4) {
                self.person.wishes[index].is_open = false;
                return;
            }
        }
        if let Asked::Trigger(Trigger { id: Some(_), .. }) = self.person.wishes[index].types {
            self.person.count("trigger repeated");
        }
        self.type_later(index);
    }

    /// Checks what is reported of a backfill, and returns what comes next.
    fn on_backfill(
        &mut self,
        index: usize,
        calls: &mut BackfillCalls,
        answer: Result<Backfilled, Refused>,
    ) -> Next {
        let run = calls.run();
        let is_shared = self.person.calls_of(run) > 0;
        let may_leave = self.person.one_in(3);
        let must_be_recorded = self.must_record();
        let wish = &mut self.person.wishes[index];
        let done = match answer {
            Ok(done) => done,
            Err(refused @ Refused::Unfinished { .. }) => return calls.on_refusal(&refused),
            Err(other) => panic!("{other:?}"),
        };
        let mut deeds = Vec::new();
        for sent in &done.slots {
            let slot = wish.instant(&sent.slot);
            let id = task_id(run, &wish.entry, slot);
            let must_be_recorded = must_be_recorded && !sent.sent_before;
            let is_recorded = self.ledger.manual.has_sent(id) || !must_be_recorded;
            let was_sent = wish.has_sent_of(run, slot) && is_recorded;
            let was_left_out = sent.sent_before && wish.left_out.contains(&slot);
            assert!(was_sent || was_left_out, "reported as sent: {sent:?}");
            if sent.sent_before {
                deeds.push("found as sent before");
            }
        }
        let go_on = done.go_on.as_deref().map(|at| wish.instant(at));
        let mut leave_out = None;
        match (&done.failure, go_on) {
            (None, _) => {}
            (Some(Refused::NotSent(_) | Refused::Unreachable(_)), Some(slot)) => {
                let is_known = wish.doubts.contains(&(run, slot)) || is_shared;
                let was_sent = wish.has_sent_of(run, slot);
                assert!(is_known || !was_sent, "reported as not sent: {slot}");
                deeds.push("backfill not sent");
            }
            (Some(Refused::Uncertain { is_repeatable, .. }), Some(slot)) => {
                wish.doubts.insert((run, slot));
                assert_eq!(*is_repeatable, !wish.is_carried());
                deeds.push("backfill in doubt");
                if !is_repeatable {
                    deeds.push("carrier in doubt");
                    leave_out = done.after.clone().filter(|_| may_leave).map(|at| (slot, at));
                }
            }
            (failure, _) => panic!("{failure:?}"),
        }
        let next = calls.on_answer(done);
        if let Some((slot, after)) = leave_out {
            deeds.push("slot left out");
            wish.left_out.insert(slot);
            calls.rest.from = after;
        }
        deeds.into_iter().for_each(|deed| self.person.count(deed));
        next
    }

    /// A backfill's command has ended: the person does as told.
    fn follow(&mut self, index: usize, calls: &BackfillCalls, next: Next) {
        // A service may still be about to begin with it.
        let is_over = self.person.calls_of(calls.run()) == 0;
        let leaves_run = is_over && self.person.one_in(4);
        let wish = &mut self.person.wishes[index];
        let mut deed = "backfill continued";
        match next {
            Next::Call => unreachable!("the command goes on by itself"),
            Next::Done => {
                wish.is_open = false;
                wish.check_done();
                return self.person.count("backfilled");
            }
            Next::Stopped { .. } => {
                wish.types = Asked::Backfill(calls.rest.clone());
                if leaves_run {
                    // Not as told; but nobody may send twice by it.
                    deed = "backfill typed anew";
                    wish.begin_anew();
                }
            }
            Next::NotBegun => panic!("{:?} was refused", calls.rest),
            Next::InTheWay(other) => {
                let run = other.run.unwrap();
                if wish.runs.contains(&run) {
                    deed = "backfill in the way";
                    // It says that it may have sent some of them.
                    wish.doubt_from(run, UnixMs::MIN);
                    wish.types = Asked::Backfill(*other);
                } else if self.person.wishes.iter().any(|it| it.is_open && it.runs.contains(&run)) {
                    deed = "backfill waits for another";
                } else {
                    deed = "backfill begun again";
                    let wish = &mut self.person.wishes[index];
                    let Asked::Backfill(typed) = &mut wish.types else { unreachable!() };
                    typed.step = BackfillStep::BeginsAgain;
                }
            }
        }
        self.person.count(deed);
        self.type_later(index);
    }
}
