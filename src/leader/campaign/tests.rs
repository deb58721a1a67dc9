use std::collections::VecDeque;
use std::future;
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::store::contract::{
    Announcement, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold, History,
    HistoryQuery, Intend, ManualMessage, ManualNote, Noted, OpenBackfill, PausesChanged,
    PausesRead, PrunePauses, Register, Renewed, Reply, Sent, Settle, Snapshot, Trim, Trimmed,
};

const TTL: Duration = Duration::from_secs(6);
const ELSEWHERE: &str = "7 there:1:00000000";

/// What a store with a script answers, and what it was asked.
#[derive(Default)]
struct Script {
    /// Used up from the front; the last is given again and again.
    acquired: VecDeque<Answer>,
    renewed: VecDeque<Result<bool, StoreError>>,
    peers: Vec<(Peer, Duration)>,
    /// The store's clock less ours.
    ahead_ms: i64,
    asked: Vec<(Duration, String)>,
    /// When, by our own clock.
    asked_at: Vec<SinceBoot>,
    /// Every answer takes so much longer by our own clock.
    slow: Duration,
    resigned: Arc<Notify>,
}

#[derive(Clone)]
enum Answer {
    Ours,
    /// Carried out, and the answer is lost.
    Lost,
    Held(&'static str, Duration),
    /// By whoever asks.
    HeldByCaller,
    Unmarked,
    Unreadable,
}

struct Scripted<const SHARED: bool> {
    script: Arc<Mutex<Script>>,
    started_at: Instant,
}

impl<const SHARED: bool> Scripted<SHARED> {
    fn ask(&self, what: String) -> (std::sync::MutexGuard<'_, Script>, UnixMs) {
        let mut script = self.script.lock().unwrap();
        script.asked.push((self.started_at.elapsed(), what));
        let now = UnixMs(clock::wall().0 + script.ahead_ms);
        script.asked_at.push(SinceBoot::now());
        std::thread::sleep(script.slow);
        (script, now)
    }
}

/// The front one, which stays if it is the last.
fn next<T: Clone>(answers: &mut VecDeque<T>, usual: T) -> T {
    if answers.len() > 1 {
        return answers.pop_front().unwrap();
    }
    answers.front().cloned().unwrap_or(usual)
}

macro_rules! never_asked {
    ($($name:ident($($request:ty)?) -> $answer:ty;)+) => {$(
        fn $name(
            &mut self
            $(, _: $request)?
        ) -> impl Future<Output = Result<$answer, StoreError>> + Send + 'static {
            future::pending()
        }
    )+};
}

impl<const SHARED: bool> Store for Scripted<SHARED> {
    const CAPABILITIES: Capabilities =
        Capabilities { shared: SHARED, sees_results: false, folds_itself: false };

    never_asked! {
        read() -> Snapshot;
        register(Register) -> Reply;
        dispatch(Batch) -> Reply;
        intend(Intend) -> Reply;
        settle(Settle) -> Reply;
        fold(Fold) -> Reply;
        trim(Trim) -> Trimmed;
        send(ManualMessage) -> Sent;
        note(ManualNote) -> Noted;
        note_backfill(BackfillNote) -> Option<OpenBackfill>;
        history(HistoryQuery) -> History;
        pauses() -> PausesRead;
        change_pauses(ChangePauses) -> PausesChanged;
        prune_pauses(PrunePauses) -> usize;
        open_intents(Vec<Arc<str>>) -> Vec<Arc<str>>;
        counters() -> Counters;
    }

    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static {
        let Acquire { holder, even_unmarked, .. } = request;
        let (mut script, now) = self.ask(format!("acquire {holder} {even_unmarked}"));
        let lease = format!("8 {holder}");
        future::ready(match next(&mut script.acquired, Answer::Ours) {
            Answer::Ours => Ok(Acquired::Ours { lease: lease.into(), now }),
            Answer::Lost => Err(StoreError::Unanswered("no answer".to_owned())),
            Answer::Held(lease, left) => Ok(Acquired::Held { lease: lease.to_owned(), left, now }),
            Answer::HeldByCaller => Ok(Acquired::Held { lease, left: TTL, now }),
            Answer::Unmarked => Ok(Acquired::Unmarked { now }),
            Answer::Unreadable => {
                Ok(Acquired::Unreadable { why: "it never runs out".to_owned(), now })
            }
        })
    }

    fn renew(
        &mut self,
        lease: Arc<str>,
        _: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static {
        let (mut script, now) = self.ask(format!("renew {lease}"));
        let kept = next(&mut script.renewed, Ok(true));
        future::ready(kept.map(|kept| Renewed { kept, now }))
    }

    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        drop(self.ask(format!("resign {lease}")));
        future::ready(Ok(()))
    }

    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        _: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static {
        let (script, _) = self.ask(if said.is_empty() { "leave" } else { "announce" }.to_owned());
        let mut replicas: Vec<_> = script
            .peers
            .iter()
            .map(|(peer, age)| Announcement {
                replica: peer.holder.clone(),
                said: serde_json::to_string(peer).unwrap(),
                age: *age,
            })
            .collect();
        let replica = replica.to_string();
        replicas.push(Announcement { replica, said, age: Duration::ZERO });
        let count = replicas.len() + 60_000;
        future::ready(Ok(Announced { replicas, count }))
    }

    fn resigned(&mut self) -> impl Future<Output = ()> + Send {
        let resigned = Arc::clone(&self.script.lock().unwrap().resigned);
        async move { resigned.notified().await }
    }

    fn reconnect(&mut self) {}
}

/// A campaign that runs over a store with a script.
struct Running {
    script: Arc<Mutex<Script>>,
    reports: Reports,
    ended: JoinHandle<Result<(), StoreError>>,
}

impl Running {
    fn start<const SHARED: bool>(script: Script) -> Running {
        let script = Arc::new(Mutex::new(script));
        let store = Scripted::<SHARED> { script: Arc::clone(&script), started_at: Instant::now() };
        let schedule = watch::channel("hash".to_owned()).1;
        let myself = Peer::myself("here");
        let (campaign, reports) = Campaign::new(store, LeaseTimes::new(TTL), myself, schedule);
        Running { script, reports, ended: tokio::spawn(campaign.run()) }
    }

    fn shared(acquired: impl IntoIterator<Item = Answer>) -> Running {
        Running::start::<true>(Script {
            acquired: acquired.into_iter().collect(),
            ..Script::default()
        })
    }

    async fn lease(&mut self) -> Lease {
        self.reports.leadership.wait_for(Option::is_some).await.unwrap().clone().unwrap()
    }

    async fn loses_the_lease(&mut self) {
        self.reports.leadership.wait_for(Option::is_none).await.unwrap();
    }

    async fn resign(&self) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.reports.requests.send(Request::Resign(answer)).await.unwrap();
        answered.await.unwrap()
    }

    async fn leave(self) -> Vec<String> {
        self.reports.requests.send(Request::Leave).await.unwrap();
        self.ended.await.unwrap().unwrap();
        let script = self.script.lock().unwrap();
        script.asked.iter().map(|(_, what)| what.clone()).collect()
    }

    /// What was asked that begins so, and when.
    fn asked(&self, what: &str) -> Vec<(Duration, String)> {
        let script = self.script.lock().unwrap();
        script.asked.iter().filter(|(_, asked)| asked.starts_with(what)).cloned().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_says_under_which_lease_it_leads() {
    let mut running = Running::shared([Answer::Ours]);
    let lease = running.lease().await;
    let name = running.reports.identity.clone().unwrap();
    running.reports.peers.wait_for(|peers| !peers.is_empty()).await.unwrap();
    let peers = running.reports.peers.borrow().clone();
    assert_eq!(peers[0].holder, name);
    assert!(peers[0].leads(Some(&lease.text)), "{peers:?}");
    assert_eq!(*running.reports.peer_count.borrow(), 60_001);
    let asked = running.leave().await;
    assert_eq!(asked[asked.len() - 2..], [format!("resign {}", lease.text), "leave".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_announces_itself_often_enough_not_to_be_taken_for_dead() {
    let running = Running::shared([Answer::Held(ELSEWHERE, TTL)]);
    tokio::time::sleep(TTL * 10).await;
    let announced = running.asked("announce");
    assert!(announced.len() > 20, "{announced:?}");
    assert!(announced.windows(2).all(|pair| pair[1].0 - pair[0].0 <= TTL / 2), "{announced:?}");
    assert_eq!(running.reports.leader.borrow().as_deref(), Some(ELSEWHERE));
}

#[tokio::test(start_paused = true)]
async fn a_follower_asks_as_soon_as_the_lease_can_have_run_out() {
    let left = Duration::from_millis(700);
    let mut running = Running::shared([Answer::Held(ELSEWHERE, left), Answer::Ours]);
    let started_at = Instant::now();
    running.lease().await;
    let waited = started_at.elapsed();
    assert!(left < waited && waited <= left + Duration::from_millis(60), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resignation_wakes_a_follower() {
    let mut running = Running::shared([Answer::Held(ELSEWHERE, TTL), Answer::Ours]);
    running.reports.leader.wait_for(Option::is_some).await.unwrap();
    let resigned_at = Instant::now();
    running.script.lock().unwrap().resigned.notify_one();
    running.lease().await;
    assert!(resigned_at.elapsed() <= Duration::from_millis(40), "{:?}", resigned_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn trust_counts_from_before_a_lease_is_asked_for_however_late_the_answer() {
    let slow = Duration::from_millis(40);
    // The first renewal fails, so that the lease is seen before it is renewed.
    let away = Err(StoreError::Unavailable("away".to_owned()));
    let renewed = [away, Ok(true)].into();
    let mut running = Running::start::<true>(Script { slow, renewed, ..Script::default() });
    let first = running.lease().await;
    running.reports.leadership.changed().await.unwrap();
    let renewed = running.lease().await;
    let script = running.script.lock().unwrap();
    let times = LeaseTimes::new(TTL);
    for (lease, asked) in [(first, "acquire"), (renewed, "renew")] {
        let at = script.asked.iter().rposition(|(_, what)| what.starts_with(asked)).unwrap();
        let limit = times.trusted_until(script.asked_at[at]);
        assert!(lease.trusted_until <= limit, "{asked}: {:?} {limit:?}", lease.trusted_until);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_answer_was_lost_is_kept_and_not_waited_out() {
    let mut running = Running::shared([Answer::Lost, Answer::HeldByCaller]);
    let started_at = Instant::now();
    let lease = running.lease().await;
    assert!(started_at.elapsed() < TTL / 3, "{:?}", started_at.elapsed());
    assert_eq!(running.asked("renew")[0].1, format!("renew {}", lease.text));
    assert_eq!(running.asked("acquire").len(), 2);
    assert_eq!(running.reports.errors.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn each_tenure_has_a_holder_of_its_own_and_the_replica_keeps_its_name() {
    let mut running = Running::shared([Answer::Ours]);
    let first = running.lease().await;
    assert_eq!(running.resign().await, Ok(()));
    running.loses_the_lease().await;
    let resigned_at = Instant::now();
    let second = running.lease().await;
    assert!(resigned_at.elapsed() >= TTL / 2, "it holds back");
    assert_ne!(first.text, second.text);
    assert!(second.continues, "nobody led meanwhile");
    let names: Vec<_> = running.reports.peers.borrow().iter().map(|p| p.holder.clone()).collect();
    assert_eq!(names, running.reports.identity.clone().into_iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_was_told_that_the_lease_is_anothers_steps_down() {
    let mut running = Running::start::<true>(Script {
        acquired: [Answer::Ours, Answer::Held(ELSEWHERE, TTL)].into(),
        renewed: [Ok(true), Ok(true), Ok(false)].into(),
        ..Script::default()
    });
    running.lease().await;
    running.loses_the_lease().await;
    running.reports.leader.wait_for(|leader| leader.as_deref() == Some(ELSEWHERE)).await.unwrap();
    assert_eq!(running.resign().await, Err("this replica does not lead".to_owned()));
    assert!(running.asked("resign").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unmarked_namespace_is_first_left_to_those_who_remember() {
    let mut running = Running::shared([Answer::Unmarked]);
    running.reports.waits_until.wait_for(Option::is_some).await.unwrap();
    tokio::time::sleep(TTL + Duration::from_secs(1)).await;
    let asked = running.asked("acquire");
    let (early, late): (Vec<_>, Vec<_>) = asked.iter().partition(|(at, _)| *at < TTL);
    assert!(early.iter().all(|(_, asked)| asked.ends_with(" false")), "{early:?}");
    assert!(late[0].1.ends_with(" true"), "{late:?}");
    assert_eq!(late.len(), 1, "nor is it asked without a pause");
}

#[tokio::test(start_paused = true)]
async fn who_led_last_does_not_wait_in_an_unmarked_namespace() {
    let mut running = Running::shared([Answer::Ours]);
    running.lease().await;
    running.resign().await.unwrap();
    running.loses_the_lease().await;
    running.lease().await;
    let asked = running.asked("acquire");
    assert!(asked[0].1.ends_with(" false") && asked[1].1.ends_with(" true"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_never_runs_out_is_reported_and_asked_for_under_the_same_name() {
    let answers = [Answer::Unreadable, Answer::Unreadable, Answer::Unreadable, Answer::Ours];
    let mut running = Running::shared(answers);
    let trouble = running.reports.lease_trouble.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(trouble.as_deref(), Some("it never runs out"));
    assert_eq!(*running.reports.trouble.borrow(), None, "the broker answers");
    running.lease().await;
    assert_eq!(*running.reports.lease_trouble.borrow(), None);
    let asked = running.asked("acquire");
    assert!(asked.windows(2).all(|pair| pair[0].1 == pair[1].1), "{asked:?}");
}

fn peer(skew_ms: i64) -> Peer {
    Peer { skew_ms, schedule: "hash".to_owned(), ..Peer::myself("there") }
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_clock_is_off_makes_way_only_for_a_living_one_whose_clock_is_right() {
    let (fresh, stale) = (Duration::ZERO, TTL + Duration::from_millis(1));
    for (peers, ahead_ms, makes_way) in [
        (vec![(peer(0), fresh)], 6_000, true),
        (vec![(peer(0), fresh)], -6_000, true),
        (vec![(peer(0), fresh)], 4_000, false),
        (vec![(peer(0), stale)], 6_000, false),
        (vec![(peer(-6_000), fresh)], 6_000, false),
        (vec![], 6_000, false),
    ] {
        let running =
            Running::start::<true>(Script { peers: peers.clone(), ahead_ms, ..Script::default() });
        tokio::time::sleep(TTL / 4).await;
        assert!(!running.asked("renew").is_empty(), "it led");
        let resigned = !running.asked("resign").is_empty();
        assert_eq!(resigned, makes_way, "{peers:?} {ahead_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_only_one_process_can_lead_nothing_is_asked_again_and_nobody_resigns() {
    let mut running = Running::start::<false>(Script::default());
    let lease = running.lease().await;
    assert_eq!((&*lease.text, lease.trusted_until), ("8 sole", SinceBoot::NEVER));
    assert!(lease.broker_clock.is_none() && running.reports.identity.is_none());
    tokio::time::sleep(TTL * 100).await;
    let refused = running.resign().await.unwrap_err();
    assert!(refused.starts_with("only one process can use a spool; "), "{refused}");
    assert!(running.reports.leadership.borrow().is_some());
    assert_eq!(running.leave().await, ["acquire sole true", "resign 8 sole"]);
}
