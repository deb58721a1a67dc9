//! What happens to the connection, and to scripts that the server forgets.

use super::*;
use crate::support::proxy::Proxy;
use crate::support::tools::needs;

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again_and_nothing_is_lost() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut leader.redis()).unwrap();
    // Both were on their way before the first answer came.
    let first = leader.fence();
    let second = Fence::after(&leader.lease, first.next);
    let sequence = second.next;
    let first =
        Batch { pauses: PausesMark::default(), fence: first, writes: vec![send("a", ago(2), "q")] };
    let second = Batch {
        pauses: PausesMark::default(),
        fence: second,
        writes: vec![send("a", ago(1), "q")],
    };
    let (first, second) = (leader.store.dispatch(first), leader.store.dispatch(second));
    assert_eq!((exceptions(first.await), exceptions(second.await)), (vec![], vec![]));
    leader.sequence = sequence;
    assert_eq!(leader.queued("q").len(), 2);
    for _ in 0..3 {
        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut leader.redis()).unwrap();
        assert_eq!(exceptions(leader.dispatch(vec![send("b", ago(1), "q")]).await), []);
    }
    let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut leader.redis()).unwrap();
    let lease = Arc::clone(&leader.lease);
    assert!(leader.store.renew(lease, TTL).await.unwrap().kept);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_open_what_was_done() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let mut leader = Leader::at(server, &redis_address(&proxy.url())).await;
    let slot = ago(1);
    proxy.lose_the_reply_to(&["EVALSHA", "flat"]);
    let reply = leader.dispatch(vec![send("a", slot, "q")]).await;
    assert!(matches!(reply, Err(StoreError::Unanswered(_))), "{reply:?}");
    assert_eq!(leader.queued("q").len(), 1);
    // The number that the leader knows is an old one.
    assert_eq!(leader.dispatch(vec![send("a", slot, "q")]).await, Ok(Reply::Stale));
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.recorded_in(1).len(), 1);
    leader.sequence = snapshot.sequence;
    assert_eq!(exceptions(leader.dispatch(vec![send("b", slot, "q")]).await), []);
}

#[tokio::test]
async fn without_a_server_nothing_is_done_and_that_is_said() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    leader.server.kill();
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    // What was written to a connection nobody reads may have been read.
    assert!(reply.is_err());
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    assert!(matches!(reply, Err(StoreError::Unavailable(_))), "{reply:?}");
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_costs_no_request() {
    needs!(Redis);
    let options = Options { args: vec!["--timeout".into(), "1".into()], ..Options::default() };
    let mut leader = Leader::on(RedisServer::start_with(options)).await;
    let clients = |leader: &Leader| -> Vec<String> {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut leader.redis()).unwrap();
        let id = |line: &str| line.split(' ').next().map(str::to_owned);
        // The asking one is among them.
        list.lines().filter(|line| !line.contains("cmd=client")).filter_map(id).collect()
    };
    let kept = clients(&leader);
    assert_eq!(kept.len(), 2);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(clients(&leader), kept);
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
    assert_eq!(clients(&leader), kept);
    // Whoever does not lead lets the server have its way, and notices it before anything is written.
    // The other connection listens for resignations; such are never closed.
    leader.store.resign(Arc::clone(&leader.lease)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while clients(&leader).len() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    // The server has closed it; while this sleeps, the one thread of the runtime reads that from the socket.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(leader.dispatch(vec![send("a", ago(1), "q")]).await, Ok(Reply::Fenced));
}

#[tokio::test]
async fn a_new_connection_is_made_when_that_is_asked_for() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let id = |leader: &Leader| -> String {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut leader.redis()).unwrap();
        let ours = list.lines().rfind(|line| line.contains("cmd=evalsha"));
        ours.unwrap().split(' ').next().unwrap().to_owned()
    };
    leader.dispatch(vec![send("a", ago(1), "q")]).await.unwrap();
    let before = id(&leader);
    leader.store.reconnect();
    leader.dispatch(vec![send("a", ago(1), "q")]).await.unwrap();
    assert_ne!(id(&leader), before);
}
