//! `leader.ttl` and `grace`, which depend on each other.

use std::time::Duration;

use super::keys::LEADER;
use super::refusal::Refusal;
use super::sources::{Names, Sources};
use crate::text::duration;

/// The default `leader.ttl`.
const DEFAULT_TTL: Duration = Duration::from_secs(6);
/// A slow network would lose shorter leases; longer ones leave the service without a leader.
const TTL_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

pub(super) fn ttl(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Duration {
    let names = Names { key: "leader.ttl", flag: "--leader-ttl", env: "DOWNBEAT_LEADER_TTL" };
    let inner = from.inner("leader", &LEADER, "ttl");
    let given = from.setting_at(names, flag, inner);
    let (least, greatest) = TTL_RANGE;
    let ttl = from.check(given.as_ref(), |text| {
        let ttl = duration::parse(text)?;
        if (least..=greatest).contains(&ttl) {
            return Ok(ttl);
        }
        let (least, greatest) = (duration::format(least), duration::format(greatest));
        let message = format!("a lease of {}", duration::format(ttl));
        Err(Refusal::new(message, format!("choose one from {least} to {greatest}")))
    });
    ttl.unwrap_or(DEFAULT_TTL)
}

/// A slot that is due just after a leader died must still be in time when the next one has taken over,
/// which takes up to the lease plus 2 s.
pub(super) fn grace(
    flag: Option<String>,
    ttl: Duration,
    from: &mut Sources<'_, '_, '_>,
) -> Duration {
    let names = Names { key: "grace", flag: "--grace", env: "DOWNBEAT_GRACE" };
    let least = ttl + Duration::from_secs(2);
    let given = from.setting(names, flag);
    let grace = from.check(given.as_ref(), |text| {
        let grace = duration::parse(text)?;
        if grace >= least {
            return Ok(grace);
        }
        let message = format!(
            "a grace of {} is shorter than a takeover, which can take {}",
            duration::format(grace),
            duration::format(least)
        );
        Err(Refusal::new(message, "raise `grace`, or lower `leader: {ttl: …}`"))
    });
    grace.unwrap_or(Duration::from_secs(15).max(2 * ttl + Duration::from_secs(3)))
}
