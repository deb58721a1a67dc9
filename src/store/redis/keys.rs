//! The names of all keys; each begins with the namespace.

use uuid::Uuid;

/// The keys of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Keys {
        Keys { namespace: namespace.to_owned() }
    }

    fn key(&self, name: &str) -> String {
        [&*self.namespace, ":", name].concat()
    }

    /// String `"<term> <holder>"` with a TTL: the lease.
    pub(super) fn lease(&self) -> String {
        self.key("lease")
    }

    /// Counter: the newest term.
    pub(super) fn term(&self) -> String {
        self.key("term")
    }

    /// Number that each fenced write replaces with a larger one.
    pub(super) fn sequence(&self) -> String {
        self.key("sequence")
    }

    /// Hash: entry → its progress, in the format of `text`.
    pub(super) fn progress(&self) -> String {
        self.key("progress")
    }

    /// Hash: entry → the slot that a carrier may have taken, until its outcome is recorded.
    pub(super) fn intents(&self) -> String {
        self.key("intents")
    }

    /// In the first format. Hash: entry with a limit → the number of dispatched slots of its registration.
    pub(super) fn sent(&self) -> String {
        self.key("sent")
    }

    /// Hash: entry that must not overlap → its last task, see `running.lua`.
    pub(super) fn running(&self) -> String {
        self.key("running")
    }

    /// In the first format. Hash: entry → `"<since>\t<timing>"`; the timing is `-` once the entry has left.
    pub(super) fn lives(&self) -> String {
        self.key("lives")
    }

    /// String: the number of the format, while the namespace's records are complete.
    pub(super) fn marker(&self) -> String {
        self.key("marker")
    }

    /// Hash: holder → `"<seen at> <JSON>"`.
    pub(super) fn replicas(&self) -> String {
        self.key("replicas")
    }

    /// Channel for leaders' resignations.
    pub(super) fn resigned(&self) -> String {
        self.key("resigned")
    }

    /// String `"<record id> <total slots of the chain>"`: the newest record of the journal.
    pub(super) fn head(&self) -> String {
        self.key("head")
    }

    /// String: the id of the newest record that is folded into progress.
    pub(super) fn folded(&self) -> String {
        self.key("folded")
    }

    /// Stream: a record per batch and queue, with the fields before, term, queue, total and lines.
    pub(super) fn journal(&self) -> String {
        self.key("journal")
    }

    /// Hash: entry → `"<since>\t<timing>"`, in the format of `text`.
    pub(super) fn registrations(&self) -> String {
        self.key("registrations")
    }

    /// String `"<revision> <version>"`: the version of the pauses.
    pub(super) fn revision(&self) -> String {
        self.key("revision")
    }

    /// Hash: `all`, `tag:NAME` or `entry:NAME` → its pauses, in the format of `schedule::pause`.
    pub(super) fn pauses(&self) -> String {
        self.key("pauses")
    }

    /// Hash: `"<queue>\t<word of the outcome>"` → number of slots.
    pub(super) fn counters(&self) -> String {
        self.key("counters")
    }

    /// Hash: entry → the last outcomes that trimming dropped from the journal, see `last_outcomes`.
    pub(super) fn outcomes(&self) -> String {
        self.key("outcomes")
    }

    /// String that lasts a day: the last place sent of a manual run, see `run.lua`.
    pub(super) fn run(&self, run: Uuid) -> String {
        self.key(&format!("run:{run}"))
    }

    /// String that lasts some seconds: the place of the run whose message a carrier is publishing.
    pub(super) fn intended_run(&self, run: Uuid) -> String {
        self.key(&format!("run:{run}:intended"))
    }

    /// String that expires after an hour: the unfinished backfills of one entry by one person, see `open.lua`.
    pub(super) fn open_backfills(&self, scope: Uuid) -> String {
        self.key(&format!("open:{scope}"))
    }
}
