//! What replicas know of each other.

use serde::{Deserialize, Serialize};

/// From this skew on, replicas are warned of.
const SKEW_WARNED_MS: i64 = 1_000;

/// What a replica says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name: host, pid and a random number.
    #[serde(default)]
    pub holder: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Of downbeat.
    pub version: String,
    /// The content hash of its schedule.
    pub schedule: String,
    /// Its wall clock less the broker's.
    pub skew_ms: i64,
}

impl Peer {
    /// This process, before it has read any clock but its own.
    #[must_use]
    pub fn myself(host: &str) -> Peer {
        let peer = Peer {
            holder: String::new(),
            host: host.to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schedule: String::new(),
            skew_ms: 0,
        };
        Peer { holder: peer.new_holder(), ..peer }
    }

    /// What a replica said under its name; `None` when it is not understood.
    #[must_use]
    pub fn read((holder, said): (String, String)) -> Option<Peer> {
        let peer: Peer = serde_json::from_str(&said).ok()?;
        Some(Peer { holder, ..peer })
    }

    /// Its clock is so far off that people should know.
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        self.skew_ms.abs() > SKEW_WARNED_MS
    }

    /// Host, pid and a fresh random number.
    pub(super) fn new_holder(&self) -> String {
        format!("{}:{}:{:08x}", self.host, self.pid, fastrand::u32(..))
    }
}
