//! How pausing and resuming change the pauses of one subject.

use downbeat_time::UnixMs;

use super::{MAX_KEPT, Pause};

/// Stands for the time by the store's clock at which it writes.
pub const AT_WRITE: UnixMs = UnixMs::MAX;

/// A request to pause or resume one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PauseRequest {
    /// Send nothing until then, or until somebody resumes.
    Pause {
        /// When the pause ends by itself.
        until: Option<UnixMs>,
        /// Who asks.
        by: Option<Box<str>>,
        /// Why; `None` keeps the note.
        note: Option<Box<str>>,
    },
    /// End the pause now.
    Resume,
}

/// The effect of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing changes; the pause in force, if there is one.
    Unchanged(Option<Pause>),
    /// These pauses must be written, where [`AT_WRITE`] stands for the time of writing.
    Write {
        /// The subject's pauses after that.
        pauses: Vec<Pause>,
        /// Whether something is forbidden that is allowed now.
        forbids: bool,
        /// The pause that was in force before.
        before: Option<Pause>,
    },
}

impl PauseRequest {
    /// Applies the request to a subject's pauses; `now` is the store's clock.
    #[must_use]
    pub fn edit(&self, pauses: &[Pause], now: UnixMs) -> Edit {
        let (in_force, ended): (Vec<&Pause>, Vec<&Pause>) =
            pauses.iter().partition(|pause| pause.is_in_force(now));
        let before = in_force.last().copied().cloned();
        let mut pauses: Vec<Pause> = ended.into_iter().cloned().collect();
        let forbids = match (self, &before) {
            (PauseRequest::Resume, None) => return Edit::Unchanged(None),
            (PauseRequest::Resume, Some(_)) => {
                let end = |pause: &Pause| Pause { until: Some(AT_WRITE), ..pause.clone() };
                pauses.extend(in_force.into_iter().map(end));
                false
            }
            (PauseRequest::Pause { until, note, .. }, Some(before))
                if *until == before.until && (note.is_none() || *note == before.note) =>
            {
                return Edit::Unchanged(Some(before.clone()));
            }
            (PauseRequest::Pause { until, by, note }, before) => {
                let from = in_force.iter().map(|pause| pause.from).min().unwrap_or(AT_WRITE);
                let kept = before.as_ref().and_then(|before| before.note.clone());
                let note = note.clone().or(kept);
                pauses.push(Pause { from, until: *until, by: by.clone(), note });
                before.as_ref().is_none_or(|before| {
                    before.until.is_some_and(|end| until.is_none_or(|until| until > end))
                })
            }
        };
        while pauses.len() > MAX_KEPT {
            join_oldest(&mut pauses);
        }
        Edit::Write { pauses, forbids, before }
    }
}

/// Joins the two oldest pauses: the time between them counts as paused, too.
fn join_oldest(pauses: &mut Vec<Pause>) {
    let oldest = pauses.remove(0);
    if let Some(next) = pauses.first_mut() {
        next.from = next.from.min(oldest.from);
        next.until = next.until.max(oldest.until).filter(|_| next.until.is_some());
    }
}

/// The pauses after the store has written them at `now`.
#[must_use]
pub fn at_write(mut pauses: Vec<Pause>, now: UnixMs) -> Vec<Pause> {
    let fill_in = |instant: UnixMs| if instant == AT_WRITE { now } else { instant };
    for pause in &mut pauses {
        pause.from = fill_in(pause.from);
        pause.until = pause.until.map(fill_in);
    }
    pauses
}

/// The pauses without those that are over and whose end every entry has passed, according to `is_past`; `None`
/// if all of them stay.
#[must_use]
pub fn pruned(
    pauses: &[Pause],
    now: UnixMs,
    is_past: impl Fn(UnixMs) -> bool,
) -> Option<Vec<Pause>> {
    let is_kept = |pause: &&Pause| {
        let ended = pause.until.filter(|_| !pause.is_in_force(now));
        !ended.is_some_and(&is_past)
    };
    let kept: Vec<Pause> = pauses.iter().filter(is_kept).cloned().collect();
    (kept.len() < pauses.len()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000);

    fn pause(from: i64, until: Option<i64>) -> Pause {
        let until = until.map(UnixMs);
        Pause { from: UnixMs(from), until, by: Some("ann".into()), note: Some("why".into()) }
    }

    fn request(until: Option<i64>, note: Option<&str>) -> PauseRequest {
        let (until, note) = (until.map(UnixMs), note.map(Box::from));
        PauseRequest::Pause { until, by: Some("bob".into()), note }
    }

    #[track_caller]
    fn written(edit: Edit) -> (Vec<Pause>, bool, Option<Pause>) {
        match edit {
            Edit::Write { pauses, forbids, before } => (at_write(pauses, NOW), forbids, before),
            Edit::Unchanged(_) => panic!("unchanged"),
        }
    }

    #[test]
    fn a_pause_begins_when_it_is_written_and_ends_when_somebody_resumes() {
        let (pauses, forbids, before) = written(request(None, Some("why")).edit(&[], UnixMs(990)));
        let begun = Pause { by: Some("bob".into()), ..pause(1_000, None) };
        assert_eq!((&pauses, forbids, before), (&vec![begun.clone()], true, None));
        let (ended, forbids, before) = written(PauseRequest::Resume.edit(&pauses, NOW));
        let end = Pause { until: Some(NOW), ..begun.clone() };
        assert_eq!((&ended, forbids, before), (&vec![end], false, Some(begun)));
        assert_eq!(PauseRequest::Resume.edit(&ended, NOW), Edit::Unchanged(None));
        // The next pause leaves it alone.
        let (again, forbids, _) = written(request(None, None).edit(&ended, NOW));
        assert_eq!((again.len(), &again[0], forbids), (2, &ended[0], true));
    }

    #[test]
    fn requests_without_effect_change_nothing() {
        for until in [None, Some(2_000)] {
            let pauses = [pause(500, until)];
            for note in [None, Some("why")] {
                let edit = request(until, note).edit(&pauses, NOW);
                assert_eq!(edit, Edit::Unchanged(Some(pauses[0].clone())));
            }
        }
    }

    #[test]
    fn pausing_again_changes_the_end_and_the_note_but_not_the_beginning() {
        for (before, until, forbids) in [
            (None, Some(2_000), false),
            (Some(2_000), None, true),
            (Some(2_000), Some(3_000), true),
            (Some(3_000), Some(2_000), false),
        ] {
            let edit = request(until, None).edit(&[pause(500, before)], NOW);
            let changed = Pause { by: Some("bob".into()), ..pause(500, until) };
            assert_eq!(written(edit), (vec![changed], forbids, Some(pause(500, before))));
        }
        let (pauses, forbids, _) =
            written(request(None, Some("because")).edit(&[pause(500, None)], NOW));
        assert_eq!((pauses[0].note.as_deref(), forbids), (Some("because"), false));
    }

    #[test]
    fn the_oldest_pauses_are_joined_when_there_are_too_many() {
        let ended: Vec<Pause> =
            (0..MAX_KEPT as i64).map(|n| pause(10 * n, Some(10 * n + 5))).collect();
        let (pauses, ..) = written(request(None, None).edit(&ended, NOW));
        assert_eq!(pauses.len(), MAX_KEPT);
        assert_eq!(pauses[0], pause(0, Some(15)));
        assert_eq!(pauses[1..MAX_KEPT - 1], ended[2..]);
        assert!(pauses[MAX_KEPT - 1].is_in_force(NOW));
    }

    #[test]
    fn only_ended_pauses_that_every_entry_is_past_are_pruned() {
        let pauses = [pause(0, Some(100)), pause(200, Some(300)), pause(400, None)];
        let past = |through: i64| move |until: UnixMs| until.0 <= through;
        assert_eq!(pruned(&pauses, NOW, past(99)), None);
        assert_eq!(pruned(&pauses, NOW, past(100)), Some(pauses[1..].to_vec()));
        assert_eq!(pruned(&pauses, NOW, past(i64::MAX)), Some(pauses[2..].to_vec()));
        // They are still in force.
        assert_eq!(pruned(&pauses, UnixMs(50), past(i64::MAX)), None);
    }
}
