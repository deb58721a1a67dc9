//! The lease, and what replicas say of themselves.

use super::*;
use crate::support::tools::needs;

#[tokio::test]
async fn a_term_that_redis_gave_out_twice_is_still_another_lease() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.redis().del(&["test:lease", "test:term"]).unwrap();
    let successor = acquire(&mut store(&leader.server), "two").await;
    assert_eq!((&*leader.lease, &*successor), ("1 one", "1 two"));
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    assert_eq!(reply, Ok(Reply::Fenced));
    assert_eq!(leader.queued("q").len(), 0);
}
