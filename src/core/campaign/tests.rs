use std::collections::VecDeque;

use super::*;
use crate::schedule::sample::HOUR;
use crate::store::contract::{Announced, Announcement};

const TTL: Duration = Duration::from_secs(6);
const SECOND: Duration = Duration::from_secs(1);
const ELSEWHERE: &str = "7 there:1:00000000";
const UPTIME: Duration = Duration::from_secs(1_000);
const WALL: UnixMs = UnixMs::from_secs(1_800_000_000);

/// A store's answer to a request for the lease.
#[derive(Clone)]
enum Reply {
    Ours,
    /// The request is carried out, and the answer is lost.
    Lost,
    Held(&'static str, Duration),
    /// The lease is the caller's own.
    HeldByCaller,
    Unmarked,
    Unreadable,
}

/// A campaign over a scripted store, with its own time.
struct Rig {
    campaign: Campaign,
    /// Since the start.
    time: Duration,
    /// Taken from the front; the last one is repeated.
    acquired: VecDeque<Reply>,
    renewed: VecDeque<Result<bool, StoreError>>,
    probed: Result<(), StoreError>,
    peers: Vec<(Peer, Duration)>,
    /// Holders whose processes are gone.
    gone: Arc<[String]>,
    /// The store's clock minus ours.
    ahead_ms: i64,
    /// The time that every answer takes.
    latency: Duration,
    /// Answers in flight.
    answers: VecDeque<(Duration, RequestId, Result<Answer, StoreError>)>,
    asked: Vec<(Duration, String)>,
    leases: Vec<(Duration, Option<Lease>)>,
    answered: Vec<Result<(), ResignError>>,
    logs: Vec<Log>,
    end: Option<Result<(), StoreError>>,
}

/// Takes the front answer, or repeats it if it is the last.
fn next<T: Clone>(answers: &mut VecDeque<T>, usual: T) -> T {
    if answers.len() > 1 {
        return answers.pop_front().unwrap();
    }
    answers.front().cloned().unwrap_or(usual)
}

fn myself() -> Peer {
    Peer { schedule: "hash".to_owned(), ..Peer::myself("here") }
}

fn away() -> StoreError {
    StoreError::Unavailable("away".to_owned())
}

impl Rig {
    fn new(shared: bool, acquired: impl IntoIterator<Item = Reply>) -> Rig {
        let (times, myself) = (LeaseTimes::new(TTL), myself());
        Rig {
            campaign: Campaign::new(Parts { shared, times, myself, seed: 7 }),
            time: Duration::ZERO,
            acquired: acquired.into_iter().collect(),
            renewed: VecDeque::new(),
            probed: Ok(()),
            peers: Vec::new(),
            gone: Arc::default(),
            ahead_ms: 0,
            latency: Duration::from_millis(1),
            answers: VecDeque::new(),
            asked: Vec::new(),
            leases: Vec::new(),
            answered: Vec::new(),
            logs: Vec::new(),
            end: None,
        }
    }

    fn shared(acquired: impl IntoIterator<Item = Reply>) -> Rig {
        Rig::new(true, acquired)
    }

    fn now(&self) -> Now {
        Now { since_boot: SinceBoot(UPTIME + self.time), wall: WALL + self.time }
    }

    fn handle(&mut self, event: Event) {
        for action in self.campaign.handle(event, self.now()) {
            match action {
                Action::Request(id, request) => {
                    let answer = self.answer(request);
                    self.answers.push_back((self.time + self.latency, id, answer));
                }
                Action::Lease(lease) => self.leases.push((self.time, lease)),
                Action::Answer(answer) => self.answered.push(answer),
                Action::Log(log) => self.logs.push(log),
                Action::End(end) => self.end = Some(end),
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<Answer, StoreError> {
        let store_now = UnixMs(self.now().wall.0 + self.ahead_ms);
        let what = match &request {
            Request::Name(_) => "name".to_owned(),
            Request::Acquire(it) => match &it.replaces {
                None => format!("acquire {} {}", it.holder, it.even_unmarked),
                Some(replaced) => format!("replace {replaced}"),
            },
            Request::Renew(lease) => format!("renew {lease}"),
            Request::Resign(lease) => format!("resign {lease}"),
            Request::Announce(said) if said.is_empty() => "leave".to_owned(),
            Request::Announce(said) => format!("announce {said}"),
            Request::Probe => "probe".to_owned(),
        };
        self.asked.push((self.time, what));
        Ok(match request {
            Request::Name(holder) => Answer::Named(Named { holder, gone: Arc::clone(&self.gone) }),
            Request::Acquire(Acquire { holder, .. }) => {
                let lease = format!("8 {holder}");
                let held = |lease, left| Acquired::Held { lease, left, now: store_now };
                Answer::Acquired(match next(&mut self.acquired, Reply::Ours) {
                    Reply::Ours => Acquired::Ours { lease: lease.into(), now: store_now },
                    Reply::Lost => return Err(StoreError::Unanswered("no answer".to_owned())),
                    Reply::Held(lease, left) => held(lease.to_owned(), left),
                    Reply::HeldByCaller => held(lease, TTL),
                    Reply::Unmarked => Acquired::Unmarked { now: store_now },
                    Reply::Unreadable => {
                        Acquired::Unreadable { why: "it never runs out".to_owned(), now: store_now }
                    }
                })
            }
            Request::Renew(_) => {
                let kept = next(&mut self.renewed, Ok(true))?;
                Answer::Renewed(Renewed { kept, now: store_now })
            }
            Request::Resign(_) => Answer::Resigned,
            Request::Announce(said) => {
                let announcement = |(peer, age): &(Peer, Duration)| Announcement {
                    replica: peer.holder.clone(),
                    said: serde_json::to_string(peer).unwrap(),
                    age: *age,
                };
                let mut replicas: Vec<_> = self.peers.iter().map(announcement).collect();
                let replica = self.campaign.peers.myself.holder.clone();
                replicas.push(Announcement { replica, said, age: Duration::ZERO });
                let count = replicas.len() + 60_000;
                Answer::Announced(Announced { replicas, count })
            }
            Request::Probe => {
                self.probed.clone()?;
                Answer::Probed
            }
        })
    }

    /// Lets time pass until a condition holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Rig) -> bool) {
        let mut turns = 0;
        while !holds(self) {
            turns += 1;
            assert!(turns < 100_000 && self.time < HOUR, "never: {what}: {:?}", self.asked);
            self.step();
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.time + time;
        while self.next_at() <= until {
            self.step();
        }
        self.time = until;
    }

    /// When something happens next.
    fn next_at(&self) -> Duration {
        let wake = self.campaign.wake().since(SinceBoot(UPTIME)).max(self.time);
        self.answers.front().map_or(wake, |(at, ..)| wake.min(*at))
    }

    fn step(&mut self) {
        self.time = self.next_at();
        if self.answers.front().is_none_or(|(at, ..)| *at > self.time) {
            return self.handle(Event::Wake);
        }
        let (_, id, answer) = self.answers.pop_front().unwrap();
        self.handle(Event::Answered(id, answer));
    }

    fn leads(&mut self) -> Lease {
        self.until("it leads", |rig| rig.campaign.lease.is_some());
        self.campaign.lease.clone().unwrap()
    }

    fn loses_the_lease(&mut self) {
        self.until("it steps down", |rig| rig.campaign.lease.is_none());
    }

    fn is_announced(&mut self) {
        let count = self.asked("announce").len();
        self.until("it is announced", |rig| {
            rig.asked("announce").len() > count && rig.answers.is_empty()
        });
    }

    fn resign(&mut self) -> Result<(), ResignError> {
        self.handle(Event::Resign);
        self.until("an answer", |rig| !rig.answered.is_empty());
        self.answered.pop().unwrap()
    }

    fn leave(mut self) -> Vec<String> {
        self.handle(Event::Leave);
        self.until("the end", |rig| rig.end.is_some());
        assert_eq!(self.end, Some(Ok(())));
        self.asked.into_iter().map(|(_, what)| what).collect()
    }

    /// The requests that begin with `what`, and their times.
    fn asked(&self, what: &str) -> Vec<(Duration, String)> {
        self.asked.iter().filter(|(_, asked)| asked.starts_with(what)).cloned().collect()
    }
}

#[test]
fn a_leader_announces_its_lease() {
    let mut rig = Rig::shared([Reply::Ours]);
    let lease = rig.leads();
    rig.is_announced();
    let status = rig.campaign.status();
    assert_eq!(status.peers[0].holder, rig.campaign.peers.myself.holder);
    assert!(status.peers[0].leads(Some(&lease.text)), "{status:?}");
    assert_eq!((status.peer_count, status.leader.clone()), (60_001, Some(lease.text.clone())));
    let asked = rig.leave();
    assert_eq!(asked[asked.len() - 2..], [format!("resign {}", lease.text), "leave".to_owned()]);
}

#[test]
fn a_follower_announces_itself_often_enough_not_to_be_taken_for_dead() {
    let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL)]);
    rig.pass(TTL * 10);
    let announced = rig.asked("announce");
    assert!(announced.len() > 20, "{announced:?}");
    assert!(announced.windows(2).all(|pair| pair[1].0 - pair[0].0 <= TTL / 2), "{announced:?}");
    assert_eq!(rig.campaign.status().leader.as_deref(), Some(ELSEWHERE));
}

#[test]
fn a_follower_asks_as_soon_as_the_lease_can_have_run_out() {
    let left = Duration::from_millis(700);
    let mut rig = Rig::shared([Reply::Held(ELSEWHERE, left), Reply::Ours]);
    rig.leads();
    assert!(left < rig.time && rig.time <= left + Duration::from_millis(60), "{:?}", rig.time);
}

#[test]
fn a_resignation_wakes_only_replicas_that_know_the_lease() {
    for (given_up, wakes) in [(ELSEWHERE, true), ("", true), ("6 there:1:00000000", false)] {
        let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL), Reply::Ours]);
        rig.is_announced();
        let (at, asked) = (rig.time, rig.asked("acquire").len());
        for _ in 0..1_000 {
            rig.handle(Event::Resigned(given_up.into()));
        }
        rig.leads();
        assert_eq!(rig.time - at <= Duration::from_millis(40), wakes, "{given_up}");
        assert_eq!(rig.asked("acquire").len(), asked + 1, "a thousand are as one");
    }
}

#[test]
fn trust_counts_from_before_a_lease_is_asked_for_however_late_the_answer() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.latency = SECOND;
    rig.leads();
    rig.until("two renewals", |rig| rig.leases.len() == 3);
    let asked: Vec<_> =
        [rig.asked("acquire"), rig.asked("renew")].concat().into_iter().map(|(at, _)| at).collect();
    for ((_, lease), asked_at) in rig.leases.iter().zip(asked) {
        let trusted_until = lease.as_ref().unwrap().trusted_until;
        assert_eq!(trusted_until, SinceBoot(UPTIME + asked_at + TTL * 5 / 6));
    }
}

#[test]
fn a_lease_whose_answer_was_lost_is_adopted_at_once() {
    let mut rig = Rig::shared([Reply::Lost, Reply::HeldByCaller]);
    let lease = rig.leads();
    assert!(rig.time < TTL / 3, "{:?}", rig.time);
    assert_eq!(rig.asked("renew")[0].1, format!("renew {}", lease.text));
    assert_eq!(rig.asked("acquire").len(), 2);
    assert_eq!(rig.campaign.status().errors, 1);
}

#[test]
fn a_leader_whose_process_is_gone_is_replaced_at_once() {
    let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL), Reply::Ours]);
    rig.gone = ["there:1:00000000".to_owned()].into();
    rig.leads();
    assert!(rig.time < SECOND / 10, "{:?}", rig.time);
    assert_eq!(rig.asked("replace")[0].1, format!("replace {ELSEWHERE}"));
    // Another replica was faster.
    let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL)]);
    rig.gone = ["there:1:00000000".to_owned()].into();
    rig.pass(SECOND);
    assert_eq!(rig.asked("replace").len(), 1, "it asks again in a while");
}

#[test]
fn each_tenure_has_a_holder_of_its_own_and_the_replica_keeps_its_name() {
    let mut rig = Rig::shared([Reply::Ours]);
    let first = rig.leads();
    rig.is_announced();
    let name = rig.campaign.status().peers[0].holder.clone();
    assert_eq!(rig.resign(), Ok(()));
    let resigned_at = rig.time;
    let second = rig.leads();
    assert!(rig.time - resigned_at >= TTL / 2, "it holds back");
    assert_ne!(first.text, second.text);
    assert!(second.continues, "nobody led meanwhile");
    rig.is_announced();
    assert_eq!(rig.campaign.status().peers[0].holder, name);
    assert!(rig.asked("probe").is_empty());
}

#[test]
fn a_leader_that_learns_of_another_lease_steps_down() {
    let mut rig = Rig::shared([Reply::Ours, Reply::Held(ELSEWHERE, TTL)]);
    rig.renewed = [Ok(true), Ok(true), Ok(false)].into();
    rig.leads();
    rig.loses_the_lease();
    rig.is_announced();
    assert_eq!(rig.campaign.status().leader.as_deref(), Some(ELSEWHERE));
    assert_eq!(rig.resign(), Err(ResignError::NotLeading));
    assert!(rig.asked("resign").is_empty());
}

#[test]
fn a_lease_that_cannot_be_renewed_is_not_trusted_beyond_its_ttl() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.renewed = [Err(away())].into();
    let lease = rig.leads();
    rig.loses_the_lease();
    assert!(SinceBoot(UPTIME + rig.time) <= lease.trusted_until + Duration::from_millis(1));
    assert!(rig.logs.contains(&Log::NotRenewed(lease.text)), "{:?}", rig.logs);
    // An answer that never comes is no reason to trust the lease either.
    let mut rig = Rig::shared([Reply::Ours]);
    let lease = rig.leads();
    rig.latency = HOUR;
    rig.loses_the_lease();
    assert!(SinceBoot(UPTIME + rig.time) <= lease.trusted_until);
}

#[test]
fn in_an_unmarked_namespace_replicas_that_remember_go_first() {
    let mut rig = Rig::shared([Reply::Unmarked]);
    rig.pass(SECOND);
    assert!(rig.campaign.status().waits_until.is_some());
    rig.pass(TTL);
    let asked = rig.asked("acquire");
    let (early, late): (Vec<_>, Vec<_>) = asked.iter().partition(|(at, _)| *at < TTL);
    assert!(early.iter().all(|(_, asked)| asked.ends_with(" false")), "{early:?}");
    assert!(late[0].1.ends_with(" true"), "{late:?}");
    assert_eq!(late.len(), 1, "nor is it asked without a pause");
}

#[test]
fn the_last_leader_does_not_wait_in_an_unmarked_namespace() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.leads();
    rig.resign().unwrap();
    rig.leads();
    let asked = rig.asked("acquire");
    assert!(asked[0].1.ends_with(" false") && asked[1].1.ends_with(" true"), "{asked:?}");
}

#[test]
fn a_lease_that_never_expires_is_reported_and_asked_for_under_the_same_name() {
    let unreadable = || Reply::Unreadable;
    let mut rig = Rig::shared([unreadable(), unreadable(), unreadable(), Reply::Ours]);
    rig.is_announced();
    let status = rig.campaign.status();
    assert_eq!(status.lease_trouble.as_deref(), Some("it never runs out"));
    assert_eq!(status.trouble, None, "the store answers");
    rig.leads();
    assert_eq!(rig.campaign.status().lease_trouble, None);
    let asked = rig.asked("acquire");
    assert!(asked.windows(2).all(|pair| pair[0].1 == pair[1].1), "{asked:?}");
}

fn peer(skew_ms: i64) -> Peer {
    Peer { skew_ms, schedule: "hash".to_owned(), ..Peer::myself("there") }
}

const JUST_NOW: Duration = Duration::ZERO;
const LONG_AGO: Duration = Duration::from_millis(6_001);

#[test]
fn a_leader_whose_clock_is_off_resigns_only_for_a_living_replica_whose_clock_is_right() {
    for (peers, ahead_ms, makes_way) in [
        (vec![(peer(0), JUST_NOW)], 6_000, true),
        (vec![(peer(0), JUST_NOW)], -6_000, true),
        (vec![(peer(0), JUST_NOW)], 4_000, false),
        (vec![(peer(0), LONG_AGO)], 6_000, false),
        (vec![(peer(-6_000), JUST_NOW)], 6_000, false),
        (vec![], 6_000, false),
    ] {
        let mut rig = Rig::shared([Reply::Ours]);
        (rig.peers, rig.ahead_ms) = (peers, ahead_ms);
        rig.leads();
        rig.pass(TTL);
        assert_eq!(!rig.asked("resign").is_empty(), makes_way, "{:?} {ahead_ms}", rig.peers);
    }
}

fn ready() -> Peer {
    Peer { ready: true, ..peer(0) }
}

#[test]
fn a_leader_whose_writes_time_out_resigns_for_a_living_replica_whose_probe_has_passed() {
    for (peers, makes_way) in [
        (vec![(ready(), JUST_NOW)], true),
        (vec![(peer(0), JUST_NOW)], false),
        (vec![(ready(), LONG_AGO)], false),
        (vec![], false),
    ] {
        let mut rig = Rig::shared([Reply::Ours]);
        rig.peers = peers;
        rig.leads();
        rig.pass(TTL);
        let since = SinceBoot(UPTIME + rig.time - SECOND * 5);
        rig.handle(Event::Writes(Writes::TimeOut(since)));
        rig.is_announced();
        assert!(rig.asked("announce").last().unwrap().1.contains(r#""stuck":true"#));
        assert!(rig.asked("resign").is_empty(), "too soon");
        rig.pass(SECOND * 3);
        assert_eq!(!rig.asked("resign").is_empty(), makes_way, "{:?}", rig.peers);
    }
}

#[test]
fn a_leader_whose_writes_get_through_again_stays() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.peers = vec![(ready(), JUST_NOW)];
    rig.leads();
    rig.handle(Event::Writes(Writes::TimeOut(rig.now().since_boot)));
    rig.pass(TTL / 2);
    rig.handle(Event::Writes(Writes::Succeed));
    rig.pass(TTL * 3);
    assert!(rig.asked("resign").is_empty());
}

/// How long it holds back after each of `times` tenures in which nothing gets through.
fn times_away(rig: &mut Rig, times: usize) -> Vec<Duration> {
    let mut away = Vec::new();
    for _ in 0..times {
        rig.handle(Event::Writes(Writes::TimeOut(rig.now().since_boot)));
        rig.loses_the_lease();
        let resigned_at = rig.time;
        // Another replica leads meanwhile.
        rig.peers = vec![(Peer { tenure: Some(ELSEWHERE.to_owned()), ..ready() }, JUST_NOW)];
        rig.leads();
        away.push((rig.time - resigned_at).div_f64(TTL.as_secs_f64()));
    }
    away
}

#[test]
fn a_replica_that_cannot_publish_holds_back_twice_as_long_each_time_until_a_write_succeeds() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.peers = vec![(ready(), JUST_NOW)];
    rig.leads();
    let in_ttls =
        |away: Vec<Duration>| -> Vec<u64> { away.iter().map(Duration::as_secs).collect() };
    assert_eq!(in_ttls(times_away(&mut rig, 9)), [1, 2, 4, 8, 16, 32, 64, 100, 100]);
    rig.handle(Event::Writes(Writes::Succeed));
    assert_eq!(in_ttls(times_away(&mut rig, 2)), [1, 2]);
    assert!(rig.asked("probe").is_empty(), "somebody led all the time");
}

#[test]
fn a_replica_that_could_not_publish_asks_again_once_nobody_leads_and_its_probe_passes() {
    let mut rig = Rig::shared([Reply::Ours]);
    rig.peers = vec![(ready(), JUST_NOW)];
    rig.leads();
    times_away(&mut rig, 7);
    rig.handle(Event::Writes(Writes::TimeOut(rig.now().since_boot)));
    rig.loses_the_lease();
    let resigned_at = rig.time;
    // It does not lead, and is gone.
    (rig.peers, rig.probed) = (vec![(ready(), LONG_AGO)], Err(away()));
    rig.pass(TTL * 5);
    assert!(rig.campaign.lease.is_none() && rig.asked("probe").len() > 10);
    rig.probed = Ok(());
    rig.leads();
    assert!(rig.time - resigned_at < TTL * 6, "{:?}", rig.time - resigned_at);
}

#[test]
fn followers_probe_while_the_leader_is_stuck_and_announce_the_result() {
    let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL)]);
    let leader = Peer { tenure: Some(ELSEWHERE.to_owned()), ..peer(0) };
    rig.peers = vec![(leader.clone(), JUST_NOW)];
    rig.pass(TTL * 2);
    assert!(rig.asked("probe").is_empty());
    rig.peers = vec![(Peer { stuck: true, ..leader.clone() }, LONG_AGO)];
    rig.pass(TTL * 2);
    assert!(rig.asked("probe").is_empty(), "it is dead");
    rig.peers = vec![(Peer { stuck: true, ..leader.clone() }, JUST_NOW)];
    let last = |rig: &Rig| rig.asked("announce").last().unwrap().1.contains(r#""ready":true"#);
    for (probed, is_ready) in [(Ok(()), true), (Err(away()), false), (Ok(()), true)] {
        rig.probed = probed;
        let probes = rig.asked("probe").len();
        rig.pass(TTL);
        assert!((2..=5).contains(&(rig.asked("probe").len() - probes)), "once a renewal");
        assert_eq!(last(&rig), is_ready);
    }
    rig.peers = vec![(leader, JUST_NOW)];
    rig.pass(TTL);
    assert!(!last(&rig));
}

#[test]
fn after_a_stuck_leader_resigns_replicas_whose_probe_failed_hold_back() {
    for (probed, apart) in [(Ok(()), Duration::ZERO), (Err(away()), TTL / 3)] {
        let mut rig = Rig::shared([Reply::Held(ELSEWHERE, TTL * 2)]);
        let tenure = Some(ELSEWHERE.to_owned());
        rig.peers = vec![(Peer { tenure, stuck: true, ..peer(0) }, JUST_NOW)];
        rig.probed = probed;
        rig.pass(TTL + SECOND);
        rig.acquired = [Reply::Ours].into();
        let (at, next_at) = (rig.time, rig.campaign.next_at);
        rig.handle(Event::Resigned(ELSEWHERE.into()));
        rig.leads();
        let waited = rig.time - at;
        let latest = next_at.since(SinceBoot(UPTIME + at)).min(apart + Duration::from_millis(40));
        assert!(waited <= latest + Duration::from_millis(5), "{waited:?}");
        assert_eq!(waited <= Duration::from_millis(40), apart.is_zero(), "{waited:?}");
    }
}

#[test]
fn the_only_process_leads_at_once_and_never_resigns() {
    let mut rig = Rig::new(false, [Reply::Ours]);
    let lease = rig.leads();
    assert_eq!((&*lease.text, lease.trusted_until), ("8 sole", SinceBoot::NEVER));
    rig.pass(HOUR / 2);
    assert_eq!(rig.resign(), Err(ResignError::Alone));
    let asked = rig.leave();
    assert_eq!(asked, ["acquire sole true".to_owned(), format!("resign {}", lease.text)]);
}

#[test]
fn an_unusable_store_ends_the_campaign() {
    let unusable = || StoreError::Unusable("too old".to_owned());
    let mut rig = Rig::shared([Reply::Ours]);
    rig.renewed = [Err(unusable())].into();
    rig.leads();
    rig.until("the end", |rig| rig.end.is_some());
    assert_eq!(rig.end, Some(Err(unusable())));
}

#[test]
fn of_many_replicas_with_another_schedule_a_few_are_named_once() {
    let mut rig = Rig::shared([Reply::Ours]);
    let other = |n: u32| Peer { holder: format!("there:{n}:0"), schedule: "x".into(), ..peer(0) };
    rig.peers = (0..100).map(|n| (other(n), JUST_NOW)).collect();
    rig.pass(TTL * 3);
    let is_named = |log: &&Log| matches!(log, Log::DifferentSchedule { .. });
    assert_eq!(rig.logs.iter().filter(is_named).count(), peers::MAX_WARNINGS);
    rig.handle(Event::Schedule("x".to_owned()));
    rig.pass(TTL);
    assert!(rig.asked("announce").last().unwrap().1.contains(r#""schedule":"x""#));
}
