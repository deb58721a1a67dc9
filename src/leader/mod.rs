//! Leader election: one leader among any number of replicas may dispatch. `core::campaign` decides what to do,
//! and `service::campaign` does it.
//!
//! ```text
//!              acquired                       resign, or asked to
//!  follower ──────────────► leader ─────────────────────────────► follower (holds back a while)
//!     ▲                        │
//!     └────────────────────────┘  steps down: lease lost, or not renewed before `trusted_until`
//! ```
//!
//! The lease only saves work. What keeps slots from being sent twice is that every write names the lease, and
//! that the store itself refuses it if the lease is another's.
//!
//! - `trusted_until = asked at + ttl − margin`, on a clock that includes suspend.
//! - A follower asks again when the lease can expire, or after a resignation.
//! - In a flushed or new namespace, a replica that led last asks at once; others first wait for one TTL.
//! - A leader that loses the lease or the store becomes a follower; the process never ends for this.
//! - A lease whose process is known to be gone is replaced at once; see `tenure_file`.
//! - A replica that is silent for a TTL is shown as dead, and no leader resigns in favour of it.
//! - A store that only one process can use has one leader as long as the process runs.

pub mod lease;
pub mod peer;
mod tenure_file;

pub use lease::{Lease, LeaseTimes};
pub use peer::Peer;
pub use tenure_file::TenureFile;
