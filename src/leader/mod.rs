//! Who may dispatch: one leader among any number of replicas.
//!
//! ```text
//!              acquired                       resign, or asked to
//!  follower ──────────────► leader ─────────────────────────────► follower (holds back a while)
//!     ▲                        │
//!     └────────────────────────┘  steps down: lease lost, or not renewed before `trusted_until`
//! ```
//!
//! The lease only saves work. What keeps slots from being sent twice is that every write names the
//! lease and is refused by the store itself when it is another's.
//!
//! - `trusted_until = asked at + ttl − margin`, on a clock that counts suspend.
//! - A follower asks again when the lease can run out, or when told of a resignation.
//! - Where nothing is known of the namespace (flushed, or new), a replica that led last asks at
//!   once; others first leave it one TTL.
//! - Losing the lease or the store makes a leader a follower, and never ends the process.
//! - A lease whose process is known to be gone is replaced at once; see `tenure_file`.
//! - A replica that has said nothing for a TTL is shown as dead, and nobody makes way for it.
//! - A store that only one process can use has one leader for as long as that runs.

pub mod campaign;
pub mod lease;
pub mod peer;
mod tenure_file;

pub use campaign::Campaign;
pub use lease::{Lease, LeaseTimes};
pub use peer::Peer;
pub use tenure_file::TenureFile;
