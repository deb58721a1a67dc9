//! What replicas announce to each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::contract::Announcement;

/// From this skew on, there are warnings.
const SKEW_WARNED_MS: u64 = 1_000;
/// The maximum length of a text in an announcement, in bytes.
const MAX_TEXT: usize = 255;

/// A replica's announcement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name: host, pid and a random number.
    #[serde(default)]
    pub holder: String,
    /// The machine's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// The version of downbeat.
    pub version: String,
    /// The content hash of its schedule.
    pub schedule: String,
    /// Its wall clock minus the broker's.
    pub skew_ms: i64,
    /// `"<term> <holder>"` while it leads.
    #[serde(default)]
    pub tenure: Option<String>,
    /// Whether it leads and its writes time out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stuck: bool,
    /// Whether it follows a leader whose writes time out, and its own probe has passed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ready: bool,
    /// The time since its announcement, by the store's clock.
    #[serde(default)]
    pub silent_ms: u64,
    /// Whether it has been silent for longer than a lease lasts.
    #[serde(default)]
    pub dead: bool,
}

impl Peer {
    /// This process, before it has read another clock.
    #[must_use]
    pub fn myself(host: &str) -> Peer {
        let peer = Peer {
            host: host.to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Peer::default()
        };
        Peer { holder: peer.new_holder(&mut fastrand::Rng::new()), ..peer }
    }

    /// Reads a replica's announcement, if it is understood; leases last `ttl`.
    #[must_use]
    pub fn read(announcement: &Announcement, ttl: Duration) -> Option<Peer> {
        let Announcement { replica, said, age } = announcement;
        let said: Peer = serde_json::from_str(said).ok()?;
        let peer = Peer { holder: replica.clone(), ..said }.with_age(*age, ttl);
        let texts = [&peer.holder, &peer.host, &peer.version, &peer.schedule];
        let is_bounded = texts.into_iter().chain(&peer.tenure).all(|text| text.len() <= MAX_TEXT);
        is_bounded.then_some(peer)
    }

    /// The same peer as of an announcement of this age.
    #[must_use]
    pub fn with_age(self, age: Duration, ttl: Duration) -> Peer {
        let silent_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Peer { silent_ms, dead: age > ttl, ..self }
    }

    /// Whether its clock is off by so much that people should know.
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        self.skew_ms.unsigned_abs() > SKEW_WARNED_MS
    }

    /// Whether it leads under the current lease.
    #[must_use]
    pub fn leads(&self, leader: Option<&str>) -> bool {
        self.tenure.is_some() && self.tenure.as_deref() == leader
    }

    /// Makes a holder's name: host, pid and a new random number.
    pub(crate) fn new_holder(&self, rng: &mut fastrand::Rng) -> String {
        format!("{}:{}:{:08x}", self.host, self.pid, rng.u32(..))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(is_true: &bool) -> bool {
    !is_true
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(6);

    fn announced(said: &str, age: Duration) -> Option<Peer> {
        let (replica, said) = ("a:1:00000000".to_owned(), said.to_owned());
        Peer::read(&Announcement { replica, said, age }, TTL)
    }

    fn said(peer: &Peer) -> String {
        serde_json::to_string(peer).unwrap()
    }

    #[test]
    fn a_replica_is_dead_once_it_was_silent_for_longer_than_a_lease() {
        let said = said(&Peer { dead: true, silent_ms: 77, ..Peer::myself("a") });
        let alive = announced(&said, TTL).unwrap();
        assert_eq!((alive.dead, alive.silent_ms), (false, 6_000), "whatever it says itself");
        assert!(announced(&said, TTL + Duration::from_millis(1)).unwrap().dead);
    }

    #[test]
    fn a_replica_leads_only_under_the_current_lease() {
        let peer = Peer { tenure: Some("7 a:1:ffffffff".to_owned()), ..Peer::myself("a") };
        let peer = announced(&said(&peer), Duration::ZERO).unwrap();
        assert!(peer.leads(Some("7 a:1:ffffffff")));
        assert!(!peer.leads(Some("8 b:2:ffffffff")) && !peer.leads(None));
        assert!(!Peer::myself("a").leads(None), "nobody leads");
    }

    #[test]
    fn an_unreadable_announcement_is_not_a_peer() {
        let long = said(&Peer { host: "h".repeat(MAX_TEXT + 1), ..Peer::myself("a") });
        for hostile in ["", "nan", "[]", "{}", "{\"pid\": -1}", long.as_str()] {
            assert_eq!(announced(hostile, Duration::ZERO), None, "{hostile}");
        }
        let skewed = Peer { skew_ms: i64::MIN, ..Peer::myself("a") };
        assert!(announced(&said(&skewed), Duration::ZERO).unwrap().is_skewed());
        // The form that older versions announce.
        let older =
            r#"{"holder":"x","host":"a","pid":1,"version":"0.1.0","schedule":"","skew_ms":0}"#;
        assert_eq!(announced(older, Duration::ZERO).unwrap().holder, "a:1:00000000");
    }
}
