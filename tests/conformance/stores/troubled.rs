//! Redis in trouble at every step: before each request somebody has removed the scripts and the memory is
//! full. What that refuses is asked for again when there is room.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use downbeat::store::contract::{
    Acquire, Acquired, Announced, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold,
    History, HistoryQuery, Intend, ManualMessage, ManualNote, Noted, OpenBackfill, PausesChanged,
    PausesRead, PrunePauses, Register, Renewed, Reply, Sent, Settle, Snapshot, Store, StoreError,
    Trim, Trimmed,
};
use downbeat::store::redis::RedisStore;
use redis::Client;
use tokio::sync::Mutex;

/// The store, and who makes its trouble.
pub(in crate::conformance) struct TroubledStore {
    store: Arc<Mutex<RedisStore>>,
    admin: Client,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

impl TroubledStore {
    pub(in crate::conformance) fn new(store: RedisStore, admin: Client) -> TroubledStore {
        TroubledStore { store: Arc::new(Mutex::new(store)), admin }
    }

    /// One request. Those that can be carried out only where there is room are `written` to tell.
    fn step<T: Debug + Send + 'static>(
        &self,
        written: fn(&T) -> bool,
        mut ask: impl FnMut(&mut RedisStore) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (store, admin) = (Arc::clone(&self.store), self.admin.clone());
        // Now, and in the order in which requests are made, whether or not somebody waits.
        let step = tokio::spawn(async move {
            let mut store = store.lock().await;
            let run = |words: &[&str]| {
                let mut connection = admin.get_connection().unwrap();
                redis::cmd(words[0]).arg(&words[1..]).exec(&mut connection).unwrap();
            };
            run(&["SCRIPT", "FLUSH"]);
            run(&["CONFIG", "SET", "maxmemory", "1"]);
            let answer = ask(&mut store).await;
            run(&["CONFIG", "SET", "maxmemory", "0"]);
            match answer {
                Err(StoreError::Refused(why)) if why.contains("OOM") => {
                    run(&["SCRIPT", "FLUSH"]);
                    ask(&mut store).await
                }
                Ok(answer) => {
                    assert!(!written(&answer), "written where there is no room: {answer:?}");
                    Ok(answer)
                }
                Err(error) => Err(error),
            }
        });
        Box::pin(async { step.await.unwrap() })
    }
}

macro_rules! steps {
    ($($name:ident($($request:ident: $type:ty),*) -> $answer:ty, $written:expr;)+) => {$(
        fn $name(
            &mut self
            $(, $request: $type)*
        ) -> impl Future<Output = Result<$answer, StoreError>> + Send + 'static {
            self.step($written, move |store| Box::pin(store.$name($($request.clone()),*)))
        }
    )+};
}

fn is_written(reply: &Reply) -> bool {
    matches!(reply, Reply::Written { .. })
}

impl Store for TroubledStore {
    const CAPABILITIES: Capabilities = RedisStore::CAPABILITIES;

    steps! {
        read() -> Snapshot, |_| false;
        register(request: Register) -> Reply, is_written;
        dispatch(request: Batch) -> Reply, is_written;
        intend(request: Intend) -> Reply, is_written;
        settle(request: Settle) -> Reply, is_written;
        fold(request: Fold) -> Reply, is_written;
        trim(request: Trim) -> Trimmed, |_| false;
        send(request: ManualMessage) -> Sent, |sent| *sent == Sent::Now;
        // Giving up needs no room.
        note(note: ManualNote) -> Noted, |_| false;
        note_backfill(note: BackfillNote) -> Option<OpenBackfill>, |_| false;
        history(query: HistoryQuery) -> History, |_| false;
        pauses() -> PausesRead, |_| false;
        change_pauses(request: ChangePauses) -> PausesChanged, |changed| matches!(changed, PausesChanged::Written { .. });
        // Dropping needs no room.
        prune_pauses(request: PrunePauses) -> usize, |_| false;
        open_intents(entries: Vec<Arc<str>>) -> Vec<Arc<str>>, |_| false;
        counters() -> Counters, |_| false;
        acquire(request: Acquire) -> Acquired, |acquired| matches!(acquired, Acquired::Ours { .. });
        renew(lease: Arc<str>, ttl: Duration) -> Renewed, |_| false;
        resign(lease: Arc<str>) -> (), |_| false;
        probe() -> (), |_| false;
        announce(replica: Arc<str>, said: String, forgotten_after: Duration) -> Announced, |_| false;
    }

    async fn resigned(&mut self) -> Arc<str> {
        self.store.lock().await.resigned().await
    }

    fn reconnect(&mut self) {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move { store.lock().await.reconnect() });
    }
}
