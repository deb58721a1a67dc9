//! Takes in what the store answers, and what it does not.

use std::time::Duration;

use super::{ANOTHER_SERVER, Scheduler, Stage};
use crate::clock::SinceBoot;
use crate::core::campaign::Writes;
use crate::core::log::Log;
use crate::core::pipe::{Position, Work, Write};
use crate::core::{Action, Answer, Now, RequestId, backoff};
use crate::store::contract::{History, Reply, StoreError};

/// The longest pause between attempts to reach the store.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The pause before the store is read again after another leader wrote.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

impl Scheduler {
    pub(super) fn on_answer(
        &mut self,
        id: RequestId,
        answer: Result<Answer, StoreError>,
        now: Now,
    ) {
        match answer {
            Ok(Answer::Reply(reply)) => {
                if self.pipe.answer(id, Ok(reply)) {
                    self.handle_answers(now);
                }
            }
            Err(error) => {
                if self.pipe.answer(id, Err(error.clone())) {
                    return self.handle_answers(now);
                }
                let asked_at = self.is_reading(id).then(|| self.reading_since(now));
                self.on_pauses_error(id, &error);
                self.on_housekeeping_error(id, &error, now);
                if let Some(asked_at) = asked_at {
                    self.note_time_out(&error, asked_at);
                    self.fail(&error, now);
                }
            }
            Ok(Answer::Snapshot(snapshot)) => self.on_snapshot(id, *snapshot),
            Ok(Answer::Counters(counters)) => self.on_counters(id, counters),
            Ok(Answer::History(history)) => self.on_history(id, &history),
            Ok(Answer::Trimmed(trimmed)) => self.on_trimmed(id, trimmed, now),
            Ok(Answer::Pauses(read)) => self.on_pauses(id, read, now),
            Ok(Answer::Pruned(subjects)) => self.on_pruned(id, subjects),
        }
    }

    /// Whether the stage waits for this request.
    fn is_reading(&self, id: RequestId) -> bool {
        match &self.stage {
            Stage::Reading(reading) => reading.waits_for(id),
            Stage::Repairing { history, .. } => *history == id,
            Stage::Leading => self.pauses.waits_for(id),
            Stage::Waiting | Stage::Writing(_) => false,
        }
    }

    /// When the request that the stage waits for was made.
    fn reading_since(&self, now: Now) -> SinceBoot {
        match &self.stage {
            Stage::Reading(reading) => reading.asked_at,
            Stage::Repairing { .. } | Stage::Leading | Stage::Waiting | Stage::Writing(_) => {
                now.since_boot
            }
        }
    }

    fn on_history(&mut self, id: RequestId, history: &History) {
        if !self.is_reading(id) {
            return;
        }
        if let Stage::Repairing { shown, .. } = self.stage {
            return self.repair_ahead(shown, history);
        }
        self.on_history_of_takeover(history);
    }

    /// Handles the answers of the oldest writes.
    fn handle_answers(&mut self, now: Now) {
        while let Some((write, answer)) = self.pipe.pop_answered() {
            match answer {
                Ok(Reply::Written { now: shown, sequence, head, exceptions }) => {
                    self.refusals.end();
                    self.read_store_clock(shown, now);
                    self.on_confirmed(Position { sequence, head });
                    self.on_written(write, exceptions, head, now);
                }
                Ok(refusal) => return self.on_refusal(write, &refusal, now),
                Err(error) => return self.on_failure(write, &error, now),
            }
        }
    }

    fn on_confirmed(&mut self, position: Position) {
        self.pipe.confirm(position);
        // Until a takeover is written, the memory is that of an earlier tenure.
        if self.leads() {
            self.head = position.head;
            if let Some(planner) = &mut self.planner {
                planner.advance(position.sequence);
            }
        }
    }

    /// Handles a write that the store refused. Those behind it write nothing either.
    fn on_refusal(&mut self, write: Write, refusal: &Reply, now: Now) {
        let is_part = matches!(write.work, Work::Part);
        self.take_back(write);
        self.give_up_writes(false);
        if let Some(reason) = self.refusals.note(refusal) {
            self.log(Log::WroteNothing(reason));
        }
        match refusal {
            Reply::Revised if !is_part => self.on_revised(now),
            Reply::Lost if !is_part && self.leads() => self.begin_new_journal(),
            Reply::Early { now: shown } if !is_part => {
                self.log(Log::Early);
                self.read_store_clock(*shown, now);
                if let Some(planner) = &mut self.planner {
                    planner.unjudge(*shown);
                }
            }
            _ => {
                self.journal_is_lost |= *refusal == Reply::Lost;
                let fenced = *refusal == Reply::Fenced;
                if fenced && self.refusals.is_lease_on_another_server(self.lease.as_ref()) {
                    self.find_server();
                }
                // If the lease is another's by now, the campaign will soon know.
                let pause = if fenced { MAX_PAUSE } else { CONFLICT_PAUSE };
                self.end_tenure();
                self.retry_at = Some(now.since_boot + pause);
            }
        }
    }

    /// Reconnects because lease and state are on different servers, as after a failover that only one connection
    /// has followed.
    fn find_server(&mut self) {
        self.failures += 1;
        let error = Some(StoreError::Unavailable(ANOTHER_SERVER.to_owned()));
        if self.troubles.error != error {
            self.log(Log::AnotherServer);
        }
        self.troubles.error = error;
        self.actions.push(Action::Reconnect);
    }

    /// Handles a write that failed or was not answered.
    fn on_failure(&mut self, write: Write, error: &StoreError, now: Now) {
        let is_lost = !error.is_undone();
        let is_fold = matches!(write.work, Work::Fold(_));
        if self.lease.as_ref().is_some_and(|lease| lease.text == write.lease) {
            self.note_time_out(error, write.asked_at);
        }
        if is_lost && !write.work.items().is_empty() {
            self.batch_size.shrink(write.work.items().len(), now.since_boot);
        }
        if is_lost {
            self.leave_unanswered(&write);
        }
        self.take_back(write);
        self.give_up_writes(is_lost);
        if is_fold && !is_lost {
            // Slots need not wait for a fold.
            self.housekeeping.put_off_folding(now);
            self.log(Log::CouldNotFold(error.clone()));
        } else {
            self.fail(error, now);
        }
    }

    /// Schedules a retry after the store failed or did not answer.
    pub(in crate::core) fn fail(&mut self, error: &StoreError, now: Now) {
        // If nothing was written, our memory is still the store's record.
        if !error.is_undone() || !matches!(self.stage, Stage::Leading) {
            self.end_tenure();
        }
        self.failures += 1;
        let pause = backoff(self.failures, MAX_PAUSE, &mut self.rng);
        if self.failures == 1 {
            self.log(Log::CouldNotPublish { error: error.clone(), pause });
        }
        self.troubles.store_errors += 1;
        self.troubles.error = Some(error.clone());
        self.retry_at = Some(now.since_boot + pause);
    }

    /// Notes that a request made at `asked_at` timed out. An error of the store itself is an answer, and would
    /// be the same for other replicas.
    pub(in crate::core) fn note_time_out(&mut self, error: &StoreError, asked_at: SinceBoot) {
        if !error.is_refusal() && self.gets_through.replace(false) != Some(false) {
            self.actions.push(Action::Writes(Writes::TimeOut(asked_at)));
        }
    }

    /// Notes that the store has carried out a batch.
    pub(in crate::core) fn note_batch(&mut self, now: Now) {
        self.batch_size.grow(now.since_boot);
        if self.gets_through.replace(true) != Some(true) {
            self.actions.push(Action::Writes(Writes::Succeed));
        }
        self.note_success();
    }

    /// Notes that the store carries out requests.
    pub(in crate::core) fn note_success(&mut self) {
        if self.failures > 0 {
            (self.failures, self.troubles.error) = (0, None);
            self.log(Log::Publishing);
        }
    }

    /// Abandons the writes in flight; `may_be_done`: the store may still carry them out.
    pub(super) fn give_up_writes(&mut self, may_be_done: bool) {
        for write in self.pipe.abandon() {
            if may_be_done {
                self.leave_unanswered(&write);
            }
            self.take_back(write);
        }
        self.take_back_planned();
    }
}
