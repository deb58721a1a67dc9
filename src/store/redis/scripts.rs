//! The Lua scripts; each file says what it takes and gives.

use std::sync::LazyLock;

use redis::{Cmd, Pipeline, Script};

/// A script's source and, once asked for, the hash that calls it.
pub(super) struct Lua {
    source: &'static str,
    hash: LazyLock<String>,
}

macro_rules! lua {
    ($name:ident, $($file:literal),+) => {
        pub(super) static $name: Lua = {
            const SOURCE: &str = concat!($(include_str!($file)),+);
            fn hash() -> String {
                Script::new(SOURCE).get_hash().to_owned()
            }
            Lua { source: SOURCE, hash: LazyLock::new(hash) }
        };
    };
}

lua!(ACQUIRE, "scripts/acquire.lua");
lua!(RENEW, "scripts/renew.lua");
lua!(RESIGN, "scripts/resign.lua");
lua!(ANNOUNCE, "scripts/announce.lua");
lua!(ADOPT, "scripts/fence.lua", "scripts/adopt.lua");
lua!(
    DISPATCH,
    "scripts/push.lua",
    "scripts/running.lua",
    "scripts/fence.lua",
    "scripts/dispatch.lua"
);
lua!(NOTE, "scripts/running.lua", "scripts/fence.lua", "scripts/note.lua");
lua!(PUBLISH, "scripts/push.lua", "scripts/publish.lua");
lua!(PEEK, "scripts/peek.lua");

/// Loads every script; a connection does so once, and calls them by hash from then on.
pub(super) fn load_all() -> Pipeline {
    let mut pipeline = Pipeline::new();
    let fenced = [&ACQUIRE, &RENEW, &RESIGN, &ANNOUNCE, &ADOPT, &DISPATCH, &NOTE];
    for script in fenced.into_iter().chain([&PUBLISH, &PEEK]) {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source).ignore();
    }
    pipeline
}

/// The call of a loaded script with its keys; the caller adds the arguments.
pub(super) fn call(script: &Lua, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(&*script.hash).arg(keys.len()).arg(keys);
    command
}
