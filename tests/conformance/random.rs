//! Every store does what its twin in memory does, whatever it is asked for: both get the same random
//! requests, and after each the same is known of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use downbeat::schedule::TaskIds;
use downbeat::schedule::pause::{Edit, PauseRequest, Subject};
use downbeat::store::contract::{ChangePauses, PausesChanged, SubjectPauses};
use downbeat::store::memory::Damage;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::stores::{MemoryRig, RedisRig, SpoolRig};
use super::*;
use crate::support::tools::needs;

const ENTRIES: [&str; 4] = ["a", "b", "c", "d"];
/// Messages in the last are those of a carrier.
const QUEUES: [&str; 3] = ["q", "r", "s"];
const CARRIED: &str = "carried";

/// One thing that is done to a store. Slots are drawn as the requests are made, so that they grow.
#[derive(Clone, Debug)]
enum Op {
    Dispatch {
        items: Vec<Item>,
        fence: FenceOf,
    },
    /// Two batches in flight, the first under that fence.
    DispatchTwo {
        items: [Vec<Item>; 2],
        fence: FenceOf,
    },
    Begin {
        entry: usize,
        with_progress: bool,
        last: bool,
    },
    Retire {
        entry: usize,
        with_progress: bool,
    },
    Forget {
        entry: usize,
    },
    End {
        ended: Vec<(usize, usize, u64)>,
    },
    Intend {
        entries: Vec<usize>,
        fence: FenceOf,
    },
    /// How what is in doubt ended.
    Settle {
        end: End,
    },
    FoldAll,
    FoldOne {
        entry: usize,
    },
    FoldAnew {
        is_damaged: bool,
    },
    Trim {
        slots: u64,
        outcomes: usize,
    },
    Send {
        entry: usize,
        queue: usize,
        run: u8,
        place: u64,
    },
    /// What becomes of a manual message for a carrier.
    Note {
        step: ManualStep,
        run: u8,
        place: u64,
    },
    Take {
        queue: usize,
    },
    EndTasks,
    NewTenure {
        /// The tenure before has not ended: it is replaced.
        is_replaced: bool,
    },
    /// The leader knows of it at once, or not.
    Pause {
        entry: usize,
        request: PauseRequest,
        is_known: bool,
    },
    ReadPauses,
    Damage {
        damage: Damage,
    },
}

#[derive(Clone, Debug)]
struct Item {
    entry: usize,
    queue: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Send,
    SendUnless(u32),
    SendAlone,
    SendRefused,
    Skip(SkipReason, u64),
}

impl What {
    fn is_guarded(self) -> bool {
        matches!(self, What::SendUnless(_) | What::SendAlone)
    }

    fn is_sent(self) -> bool {
        !matches!(self, What::Skip(..))
    }
}

#[derive(Clone, Copy, Debug)]
enum FenceOf {
    Right,
    Stale,
    Another,
    Early,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Sent,
    Full,
    NotTaken,
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let reasons = prop::sample::select(SkipReason::ALL.to_vec());
    let what = prop_oneof![
        6 => Just(What::Send),
        2 => (1..4_u32).prop_map(What::SendUnless),
        1 => Just(What::SendAlone),
        1 => Just(What::SendRefused),
        2 => (reasons, 1..5_u64).prop_map(|(reason, count)| What::Skip(reason, count)),
    ];
    let item = (0..ENTRIES.len(), 0..QUEUES.len(), what);
    let item = item.prop_map(|(entry, queue, what)| Item { entry, queue, what });
    // Those of one entry stand together, and have the same guards.
    vec(item, 0..7).prop_map(|mut items| {
        items.sort_by_key(|item| item.entry);
        for run in items.chunk_by_mut(|a, b| a.entry == b.entry) {
            let first = run.iter().find(|item| item.what.is_guarded()).cloned();
            for item in run.iter_mut().filter(|item| item.what.is_sent()) {
                item.clone_from(first.as_ref().unwrap_or(&item.clone()));
            }
        }
        items
    })
}

fn fences() -> impl Strategy<Value = FenceOf> {
    prop_oneof![
        9 => Just(FenceOf::Right),
        1 => Just(FenceOf::Stale),
        1 => Just(FenceOf::Another),
        1 => Just(FenceOf::Early),
    ]
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::JournalDeleted),
        Just(Damage::JournalReplaced),
        (1..4_usize).prop_map(Damage::OldestRecordsDeleted),
        Just(Damage::NewestRecordDeleted),
        Just(Damage::HeadDeleted),
        Just(Damage::FoldedDeleted),
        Just(Damage::MarkerDeleted),
        Just(Damage::TermDeleted),
        Just(Damage::RegistrationsDeleted),
        Just(Damage::ProgressDeleted),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (entry, queue) = (|| 0..ENTRIES.len(), || 0..QUEUES.len());
    let ended = vec((entry(), queue(), 1..50_u64), 0..4);
    let ends = prop_oneof![Just(End::Sent), Just(End::Full), Just(End::NotTaken)];
    let steps = prop_oneof![
        Just(ManualStep::Intended),
        Just(ManualStep::Published),
        Just(ManualStep::NotPublished),
    ];
    let begin = (entry(), any::<bool>(), any::<bool>());
    let op = prop_oneof![
        12 => (items(), fences()).prop_map(|(items, fence)| Op::Dispatch { items, fence }),
        2 => ([items(), items()], fences()).prop_map(|(items, fence)| Op::DispatchTwo { items, fence }),
        2 => begin.prop_map(|(entry, with_progress, last)| Op::Begin { entry, with_progress, last }),
        1 => (entry(), any::<bool>()).prop_map(|(entry, with_progress)| Op::Retire { entry, with_progress }),
        1 => entry().prop_map(|entry| Op::Forget { entry }),
        1 => ended.prop_map(|ended| Op::End { ended }),
        2 => (vec(entry(), 0..4), fences()).prop_map(|(entries, fence)| Op::Intend { entries, fence }),
        2 => ends.prop_map(|end| Op::Settle { end }),
        2 => Just(Op::FoldAll),
        1 => entry().prop_map(|entry| Op::FoldOne { entry }),
        1 => any::<bool>().prop_map(|is_damaged| Op::FoldAnew { is_damaged }),
        2 => (0..9_u64, 0..4_usize).prop_map(|(slots, outcomes)| Op::Trim { slots, outcomes }),
        2 => (entry(), queue(), 0..3_u8, 1..5_u64)
            .prop_map(|(entry, queue, run, place)| Op::Send { entry, queue, run, place }),
        2 => (steps, 0..3_u8, 1..5_u64)
            .prop_map(|(step, run, place)| Op::Note { step, run, place }),
        1 => queue().prop_map(|queue| Op::Take { queue }),
        1 => Just(Op::EndTasks),
        1 => any::<bool>().prop_map(|is_replaced| Op::NewTenure { is_replaced }),
        2 => (entry(), any::<bool>(), any::<bool>()).prop_map(|(entry, resumes, is_known)| {
            let pause = PauseRequest::Pause { until: None, by: Some("ann".into()), note: None };
            Op::Pause { entry, request: if resumes { PauseRequest::Resume } else { pause }, is_known }
        }),
        2 => Just(Op::ReadPauses),
        1 => damages().prop_map(|damage| Op::Damage { damage }),
    ];
    vec(op, 1..40)
}

/// One of the two stores, with what its leader keeps in mind.
struct Side<R: Rig> {
    leader: Leader<R>,
    /// Draws the numbers of writes and slots: the same on both sides.
    drawn: i64,
    /// So many messages were taken from each queue.
    taken: BTreeMap<&'static str, u64>,
    running: Vec<Uuid>,
    /// Of these the other store is not capable.
    alike: Alike,
    trimmed: bool,
}

/// What both stores can do.
#[derive(Clone, Copy, Debug)]
struct Alike {
    sees_results: bool,
    folds_itself: bool,
    can_be_damaged: bool,
}

impl<R: Rig> Side<R> {
    async fn start(rig: R, alike: Alike) -> Side<R> {
        let leader = Leader::unregistered(rig).await;
        let (taken, running) = (BTreeMap::new(), Vec::new());
        Side { leader, drawn: 0, taken, running, alike, trimmed: false }
    }

    fn draw(&mut self) -> i64 {
        self.drawn += 1;
        self.drawn
    }

    fn slot(&mut self) -> UnixMs {
        let drawn = self.draw();
        self.leader.slot(1_000_000 - drawn)
    }

    fn fence(&mut self, of: FenceOf) -> Fence {
        let next = self.leader.sequence + u64::try_from(self.draw()).unwrap();
        let (lease, sequence) = (Arc::clone(&self.leader.lease), self.leader.sequence);
        match of {
            FenceOf::Right | FenceOf::Early => Fence { lease, sequence, next },
            FenceOf::Stale => Fence { lease, sequence: sequence + 1, next: next + 1 },
            FenceOf::Another => Fence { lease: "9 another".into(), sequence, next },
        }
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
        let with_results = self.leader.rig.queue_with_results();
        if *name == *with_results.name { with_results } else { queue_of(name) }
    }

    fn writes(&mut self, items: &[Item], fence: FenceOf) -> Vec<Write> {
        let mut writes = Vec::new();
        let refusing = self.leader.rig.refuse();
        for Item { entry, queue, what } in items {
            let (entry, slot) = (ENTRIES[*entry], self.slot());
            let guards = match what {
                What::SendUnless(most) => {
                    Guards { max_queued: NonZeroU32::new(*most), ..Guards::default() }
                }
                What::SendAlone if self.alike.sees_results => {
                    Guards { overlap: NonZeroU32::new(3_600_000), ..Guards::default() }
                }
                _ => Guards::default(),
            };
            let queue = match what {
                What::SendRefused => queue_of(refusing),
                What::SendAlone => self.queue(QUEUES[0]),
                _ => self.queue(QUEUES[*queue]),
            };
            if guards.overlap.is_some() {
                self.running.push(TaskIds::new("test").id(entry, slot));
            }
            let (line, message) = match what {
                What::Skip(reason, count) => {
                    (Line { count: *count, ..skipped(entry, slot, *reason) }, None)
                }
                _ => (sent(entry, slot), Some(message(&queue, entry, slot))),
            };
            writes.push(Write { line, queue, message, guards });
        }
        if let (FenceOf::Early, Some(last)) = (fence, writes.last_mut()) {
            last.line.slot = self.leader.slot(-3600);
        }
        writes
    }

    /// Everything that was settled is before it.
    fn progress(&mut self) -> Progress {
        let through = self.slot();
        Progress { count: 3, outcome: None, ..Progress::through(through) }
    }

    async fn register(
        &mut self,
        changes: Vec<RegistrationChange>,
        ended: Vec<(Arc<str>, Line)>,
        last: bool,
    ) -> String {
        let request = Register { fence: self.fence(FenceOf::Right), changes, ended, last };
        let reply = self.leader.store.register(request).await.unwrap();
        said(&self.leader.note(reply))
    }

    async fn fold(
        &mut self,
        progress: Vec<(Arc<str>, Progress)>,
        through: FoldedThrough,
    ) -> String {
        let fence = self.fence(FenceOf::Right);
        let reply = self.leader.store.fold(Fold { fence, progress, through }).await.unwrap();
        said(&self.leader.note(reply))
    }

    async fn fold_all(&mut self, through: fn(Option<RecordId>) -> FoldedThrough) -> String {
        let snapshot = self.leader.read().await;
        let progress = snapshot.clone().take_state(GRACE).progress;
        let progress = progress.into_iter().map(|(entry, of)| ((&*entry).into(), of));
        self.fold(progress.collect(), through(snapshot.head)).await
    }

    /// Does it, and gives what was answered.
    async fn carry_out(&mut self, op: &Op) -> String {
        let through_head =
            |head: Option<RecordId>| head.map_or(FoldedThrough::Unchanged, FoldedThrough::Record);
        match op {
            Op::Dispatch { items, fence } => {
                let writes = self.writes(items, *fence);
                let request =
                    Batch { fence: self.fence(*fence), pauses: self.leader.pauses, writes };
                let reply = self.leader.store.dispatch(request).await.unwrap();
                said(&self.leader.note(reply))
            }
            Op::DispatchTwo { items, fence } => {
                let writes = self.writes(&items[0], *fence);
                let first = self.fence(*fence);
                let next = first.next + 1;
                let second = Fence { sequence: first.next, next, ..self.fence(FenceOf::Right) };
                let first = self.leader.store.dispatch(Batch {
                    fence: first,
                    pauses: self.leader.pauses,
                    writes,
                });
                let writes = self.writes(&items[1], FenceOf::Right);
                let second = self.leader.store.dispatch(Batch {
                    fence: second,
                    pauses: self.leader.pauses,
                    writes,
                });
                let first = self.leader.note(first.await.unwrap());
                let second = self.leader.note(second.await.unwrap());
                said(&first) + &said(&second)
            }
            Op::Begin { entry, with_progress, last } => {
                let progress = *with_progress || self.alike.folds_itself;
                let progress = progress.then(|| self.progress());
                let change = self.leader.begin(ENTRIES[*entry], progress);
                self.register(vec![change], Vec::new(), *last).await
            }
            Op::Retire { entry, with_progress } => {
                let (at, entry) = (self.slot(), ENTRIES[*entry].into());
                let progress = with_progress.then(|| self.progress());
                let change = RegistrationChange::Retire { entry, at, progress };
                self.register(vec![change], Vec::new(), true).await
            }
            Op::Forget { entry } => {
                let folded = self.fold_all(through_head).await;
                let change = RegistrationChange::Forget { entry: ENTRIES[*entry].into() };
                folded + &self.register(vec![change], Vec::new(), true).await
            }
            Op::End { ended } => {
                let mut lines = Vec::new();
                for (entry, queue, count) in ended {
                    let line = skipped(ENTRIES[*entry], self.slot(), SkipReason::Retimed);
                    lines.push((QUEUES[*queue].into(), Line { count: *count, ..line }));
                }
                self.register(Vec::new(), lines, true).await
            }
            Op::Intend { entries, fence } => {
                let mut slots = Vec::new();
                for entry in entries.iter().collect::<BTreeSet<_>>() {
                    slots.push(intent(ENTRIES[*entry], self.slot(), CARRIED));
                }
                if let (FenceOf::Early, Some(last)) = (fence, slots.last_mut()) {
                    last.slot = self.leader.slot(-3600);
                }
                let request =
                    Intend { fence: self.fence(*fence), pauses: self.leader.pauses, slots };
                let reply = self.leader.store.intend(request).await.unwrap();
                said(&self.leader.note(reply))
            }
            Op::Settle { end } => {
                let open: BTreeMap<_, _> = self.leader.state().await.intents.into_iter().collect();
                let ended = open.into_iter().map(|(entry, slot)| {
                    let line = match end {
                        End::Sent => Some(sent(&entry, slot)),
                        End::Full => Some(skipped(&entry, slot, SkipReason::QueueFull)),
                        End::NotTaken => None,
                    };
                    settled(&entry, line, CARRIED)
                });
                let request = Settle { slots: ended.collect(), fence: self.fence(FenceOf::Right) };
                let reply = self.leader.store.settle(request).await.unwrap();
                said(&self.leader.note(reply))
            }
            Op::FoldAll => self.fold_all(through_head).await,
            Op::FoldOne { entry } => {
                let progress = self.leader.state().await.progress.remove(ENTRIES[*entry]);
                let progress = progress.map(|progress| (ENTRIES[*entry].into(), progress));
                self.fold(progress.into_iter().collect(), FoldedThrough::Unchanged).await
            }
            // A store that folds itself has no journal to lose.
            Op::FoldAnew { .. } if self.alike.folds_itself => self.fold_all(through_head).await,
            Op::FoldAnew { is_damaged: true } => {
                self.fold_all(|_| FoldedThrough::Anew(Remembered::Nothing)).await
            }
            Op::FoldAnew { is_damaged: false } => {
                self.fold_all(|_| FoldedThrough::Anew(Remembered::All)).await
            }
            Op::Trim { slots, outcomes } => {
                if self.alike.folds_itself {
                    self.fold_all(through_head).await;
                }
                self.trimmed = true;
                self.leader.trim(*slots, TTL, *outcomes).await.to_string()
            }
            Op::Send { entry, queue, run, place } => {
                let run = (Uuid::from_u128(u128::from(*run) + 1), *place);
                let message = self.leader.manual(ENTRIES[*entry], QUEUES[*queue], run);
                format!("{:?}", self.leader.send(message).await)
            }
            Op::Note { step, run, place } => {
                let run = (Uuid::from_u128(u128::from(*run) + 1), *place);
                let line = self.leader.manual(ENTRIES[0], CARRIED, run).line;
                let note = ManualNote { step: *step, queue: queue_of(CARRIED), line, run };
                format!("{:?}", self.leader.store.note(note).await.unwrap())
            }
            Op::Take { queue } => {
                let queue = QUEUES[*queue];
                let messages = self.leader.rig.messages(queue);
                self.leader.rig.take(queue);
                *self.taken.entry(queue).or_default() += messages.len() as u64;
                format!("{messages:?}")
            }
            Op::EndTasks => {
                for task_id in std::mem::take(&mut self.running) {
                    self.leader.rig.end_task(task_id);
                }
                String::new()
            }
            Op::NewTenure { is_replaced } => {
                let before = Arc::clone(&self.leader.lease);
                if *is_replaced {
                    self.leader.lease = replace(&mut self.leader.store, &before).await;
                } else {
                    self.leader.store.resign(before).await.unwrap();
                    self.leader.lease = acquire(&mut self.leader.store, "next").await;
                }
                self.leader.sequence = self.leader.read().await.sequence;
                self.leader.lease.to_string()
            }
            Op::Pause { entry, request, is_known } => {
                let subject = Subject::Entry(ENTRIES[*entry].into());
                let before = self.leader.read_pauses().await;
                if *is_known {
                    self.leader.pauses = before.mark;
                }
                let (pauses, etag) = before.of(&subject);
                match request.edit(pauses, before.now) {
                    Edit::Unchanged(_) => "unchanged".to_owned(),
                    Edit::Write { pauses, forbids, .. } => {
                        let subjects = vec![SubjectPauses { subject, pauses, etag }];
                        let request = ChangePauses { subjects, forbids };
                        let changed = self.leader.store.change_pauses(request).await.unwrap();
                        assert!(matches!(changed, PausesChanged::Written { .. }), "{changed:?}");
                        forbids.to_string()
                    }
                }
            }
            Op::ReadPauses => {
                let read = self.leader.read_pauses().await;
                self.leader.pauses = read.mark;
                let said = read.subjects.iter().map(|one| {
                    let in_force = one.pauses.iter().filter(|pause| pause.is_in_force(read.now));
                    (one.subject.to_string(), one.pauses.len(), in_force.count())
                });
                format!("{:?}", said.collect::<Vec<_>>())
            }
            Op::Damage { damage } => {
                if self.alike.can_be_damaged {
                    self.leader.rig.damage(*damage);
                }
                String::new()
            }
        }
    }

    /// Everything that is to be the same on both sides.
    async fn known(&mut self) -> String {
        let state = self.leader.state().await;
        let sorted = |values: Vec<String>| {
            let mut values = values;
            values.sort();
            values.join("\n")
        };
        let registrations = state.registrations.iter().map(|one| format!("{one:?}")).collect();
        let progress = state.progress.iter().map(|one| format!("{one:?}")).collect();
        let intents = state.intents.iter().map(|one| format!("{one:?}")).collect();
        let counters = self.leader.store.counters().await.unwrap();
        let history = self.leader.history().await.into_iter();
        let history = history
            .map(|PastEvent { at: _, term, queue, line }| format!("{term:?} {queue:?} {line:?}"));
        let queues = QUEUES.map(|queue| format!("{:?}", self.leader.rig.messages(queue)));
        format!(
            "{} {:?} {}\n{}\n{}\n{}\n{:?}\n{}\n{queues:?}",
            state.sequence,
            state.completeness,
            state.unreadable_count,
            sorted(registrations),
            sorted(progress),
            sorted(intents),
            counters.0,
            sorted(history.collect()),
        )
    }

    /// Counters are what is in queues and journal.
    async fn check_counters(&mut self) {
        let counters = self.leader.store.counters().await.unwrap().0;
        for queue in QUEUES {
            let sent = [Kind::Scheduled, Kind::Manual].map(Outcome::Dispatched);
            let counted = sent.iter().filter_map(|of| counters.get(&(queue.into(), of.as_str())));
            let there = self.leader.rig.messages(queue).len() as u64;
            let taken = self.taken.get(queue).copied().unwrap_or(0);
            assert_eq!(counted.sum::<u64>(), there + taken, "in {queue}");
        }
        if self.trimmed || self.alike.can_be_damaged {
            return;
        }
        let mut recorded = BTreeMap::<(Arc<str>, &str), u64>::new();
        for event in self.leader.history().await {
            let line = event.line;
            *recorded.entry((event.queue.unwrap(), line.outcome.as_str())).or_default() +=
                line.count;
        }
        assert_eq!(recorded, counters);
    }
}

/// A reply without what no two stores have in common: clocks, and words.
fn said(reply: &Reply) -> String {
    match reply {
        Reply::Early { .. } => "Early".to_owned(),
        Reply::Written { now: _, sequence, head, exceptions } => {
            let exceptions = exceptions.iter().map(|(index, why)| match why {
                Exception::Refused(_) => format!("{index} refused"),
                Exception::Skipped(reason) => format!("{index} {reason}"),
            });
            format!("written {sequence} {} {:?}", head.is_some(), exceptions.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

async fn compare<R: Rig>(rig: R, alike: Alike, ops: &[Op]) -> R {
    let twin = MemoryRig::new();
    let mut twin = Side::start(twin, alike).await;
    let mut side = Side::start(rig, alike).await;
    // By the same clock, so that slots and leases are the same.
    side.leader.start = twin.leader.start;
    for (n, op) in ops.iter().enumerate() {
        let (expected, found) = (twin.carry_out(op).await, side.carry_out(op).await);
        assert_eq!(found, expected, "the answer to {n}: {op:?}");
        let (expected, found) = (twin.known().await, side.known().await);
        assert_eq!(found, expected, "after {n}: {op:?}");
        side.check_counters().await;
    }
    side.leader.rig
}

/// So many runs of requests, or `PROPTEST_CASES`.
fn run(cases: u32, check: impl Fn(&[Op])) {
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&ops(), |ops| {
            check(&ops);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_spool_does_what_its_twin_does() {
    let runtime = runtime();
    let alike = Alike { sees_results: false, folds_itself: true, can_be_damaged: false };
    run(48, |ops| drop(runtime.block_on(compare(SpoolRig::new(), alike, ops))));
}

#[test]
fn redis_does_what_its_twin_does() {
    needs!(Redis);
    let runtime = runtime();
    let server = RefCell::new(None);
    for can_be_damaged in [false, true] {
        let alike = Alike { sees_results: true, folds_itself: false, can_be_damaged };
        run(48, |ops| {
            let mut rig = server.take().unwrap_or_else(RedisRig::new);
            rig.damage(Damage::Flushed);
            let rig = runtime.block_on(compare(rig, alike, ops));
            server.replace(Some(rig));
        });
    }
}
