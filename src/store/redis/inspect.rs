//! Checks whether a server can be used, and warns about its settings.

use std::collections::HashMap;

use redis::Value;

use super::connect::Connection;
use super::failure::explain;
use crate::store::contract::StoreError;

/// Refuses a server that no retry makes usable. Uses HELLO, which no ACL forbids.
pub(super) async fn inspect(connection: &mut Connection) -> Result<(), StoreError> {
    let hello = redis::cmd("HELLO").query_async(connection).await;
    let hello: HashMap<String, Value> = hello.map_err(explain)?;
    let field = |name: &str| {
        let value = hello.get(name)?;
        redis::from_redis_value_ref::<String>(value).ok()
    };
    let [mode, version] = ["mode", "version"].map(|name| field(name).unwrap_or_default());
    check(&mode, &version).map_err(|unfit| StoreError::Unusable(unfit.to_string()))
}

/// Why no retry makes a server usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error(
        "it is a Redis Cluster, which cannot hold queues and progress in one step; use a standalone server \
         or Sentinel"
    )]
    Cluster,
    #[error("it is a Sentinel; write `sentinel://HOST,HOST,HOST/0?master=NAME`")]
    Sentinel,
    /// The server is older than what `is_supported` asks for.
    #[error("{0} is too old; 6.2 or newer is needed")]
    TooOld(String),
}

fn check(mode: &str, version: &str) -> Result<(), Unfit> {
    match mode {
        "cluster" => Err(Unfit::Cluster),
        "sentinel" => Err(Unfit::Sentinel),
        _ if !version.is_empty() && !is_supported(version) => {
            Err(Unfit::TooOld(format!("redis {version}")))
        }
        _ => Ok(()),
    }
}

fn is_supported(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (6, 2)
}

/// Warnings about settings, from `INFO`, that lose messages.
pub(super) fn warnings(info: &str) -> Vec<String> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let mut warnings = Vec::new();
    if let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
    {
        warnings.push(format!(
            "redis may evict schedule state: maxmemory-policy is {policy}; set noeviction"
        ));
    }
    if field("aof_enabled") == Some("0") && field("connected_slaves") == Some("0") {
        warnings.push(
            "redis has neither an append-only file nor a replica: what it loses in a crash is sent \
             again"
                .to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_a_sentinel_and_an_old_server_are_refused() {
        let refusal = |mode, version| check(mode, version).unwrap_err().to_string();
        assert!(refusal("cluster", "7.0.0").contains("Redis Cluster"));
        assert!(refusal("sentinel", "7.0.0").contains("sentinel://"));
        assert!(refusal("standalone", "6.0.16").contains("too old"));
        for version in ["6.2.0", "10.0.1", "255.255.255", ""] {
            assert_eq!(check("standalone", version), Ok(()));
        }
    }

    #[test]
    fn eviction_and_missing_persistence_are_warned_of() {
        let info = "maxmemory_policy:allkeys-lru\r\naof_enabled:0\r\nconnected_slaves:0\r\n";
        assert_eq!(warnings(info).len(), 2);
        let info = "maxmemory_policy:noeviction\r\naof_enabled:0\r\nconnected_slaves:1\r\n";
        assert_eq!(warnings(info), [""; 0]);
    }
}
