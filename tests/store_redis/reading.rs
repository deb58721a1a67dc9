//! Whatever stands in the keys, reading ends and concerns what is meant alone.

use super::*;
use crate::support::tools::needs;

#[tokio::test]
async fn an_unreadable_value_concerns_its_own_entry() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    for (hash, value) in [("registrations", "garbage"), ("progress", "nan"), ("intents", "1e3")] {
        let _: () = leader.redis().hset(format!("test:{hash}"), "b", value).unwrap();
    }
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.completeness, Completeness::Whole);
    assert_eq!(snapshot.registrations.len(), 1);
    let named: Vec<_> = snapshot.unreadable.iter().map(|(entry, _)| &**entry).collect();
    assert_eq!((named, snapshot.unreadable_count), (vec!["b", "b", "b"], 3));
}
