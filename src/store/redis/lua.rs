//! The store's Lua scripts; each file documents its arguments and results.

use std::sync::LazyLock;

use redis::{Cmd, Pipeline};

/// A script's source and, computed on first use, its hash.
pub(super) struct Script {
    source: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(pub(super) static $name: Script = {
            const SOURCE: &str = concat!($(include_str!(concat!("lua/", $file, ".lua"))),+);
            fn hash() -> String {
                redis::Script::new(SOURCE).get_hash().to_owned()
            }
            Script { source: SOURCE, hash: LazyLock::new(hash) }
        };)+

        /// Loads every script; each connection does so once, and then calls scripts by hash.
        pub(super) fn load_all() -> Pipeline {
            let mut pipeline = Pipeline::new();
            for script in [$(&$name),+] {
                pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source).ignore();
            }
            pipeline
        }
    };
}

scripts! {
    ACQUIRE = "weigh" "acquire";
    RENEW = "renew";
    RESIGN = "resign";
    ANNOUNCE = "weigh" "announce";
    OVERVIEW = "overview";
    SCAN = "weigh" "scan";
    RANGE = "weigh" "range";
    FIELDS = "weigh" "fields";
    REGISTER = "fence" "journal" "records" "register";
    FOLD = "fence" "weigh" "journal" "records" "fold";
    DISPATCH = "fence" "revision" "revised" "journal" "push" "running" "dispatch";
    INTEND = "fence" "revision" "revised" "journal" "records" "running" "intend";
    SETTLE = "fence" "journal" "records" "settle";
    SEND = "journal" "push" "run" "send";
    NOTE = "journal" "run" "note";
    OPEN = "open";
    PAUSES = "revision" "pauses";
    PAUSE = "revision" "subjects" "pause";
    PRUNE = "subjects" "prune";
    TRIM = "journal" "trim";
    CONVERT = "convert";
    PEEK = "peek";
    PROBE = "probe";
}

/// A call of a loaded script with its keys; the caller adds the arguments.
pub(super) fn call(script: &Script, keys: &[String]) -> Cmd {
    large_call(script, keys, 0)
}

/// The same with capacity for this many bytes of arguments.
pub(super) fn large_call(script: &Script, keys: &[String], bytes: usize) -> Cmd {
    let mut command = Cmd::with_capacity(0, bytes);
    command.arg("EVALSHA").arg(&*script.hash).arg(keys.len()).arg(keys);
    command
}
