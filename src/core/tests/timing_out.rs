//! What the campaign learns about writes that are not answered.

use std::time::Duration;

use super::rig::{Fault, Rig};
use super::secondly;
use crate::core::campaign::Writes;

#[test]
fn writes_time_out_from_when_the_first_was_asked_until_a_batch_is_carried_out() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    assert_eq!(std::mem::take(&mut leader.writes), [Writes::Succeed], "once");
    leader.fail_next([Fault::LostRequest, Fault::Unavailable]);
    let asked_at = rig.since_boot() + Duration::from_secs(1);
    rig.pass(&mut leader, 20);
    assert_eq!(std::mem::take(&mut leader.writes), [Writes::TimeOut(asked_at), Writes::Succeed]);
    rig.assert_every_second("celery", "a", 1, 22);
}

#[test]
fn a_refusal_by_the_store_is_not_a_time_out() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    rig.pass(&mut leader, 2);
    leader.fail_next([Fault::Refused; 3]);
    rig.pass(&mut leader, 10);
    assert_eq!(leader.writes, [Writes::Succeed]);
    rig.assert_every_second("celery", "a", 1, 12);
}

#[test]
fn each_tenure_reports_anew() {
    let mut rig = Rig::new();
    let mut leader = rig.replica([secondly("a")]);
    rig.elect(&mut leader, false);
    leader.fail_next([Fault::LostRequest; 2]);
    rig.pass(&mut leader, 2);
    rig.depose(&mut leader);
    leader.writes.clear();
    leader.fail_next([Fault::LostRequest]);
    rig.elect(&mut leader, true);
    rig.pass(&mut leader, 10);
    assert!(
        matches!(leader.writes[..], [Writes::TimeOut(_), Writes::Succeed]),
        "{:?}",
        leader.writes
    );
}
