//! What a server's own report says of its fitness.

/// Reads `INFO`: gives warnings, or why the server cannot be used.
pub(super) fn inspect(info: &str) -> Result<Vec<String>, String> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    if field("cluster_enabled") == Some("1") {
        return Err("the broker is a Redis Cluster, which cannot hold queues and progress in one \
                    step; use a standalone server or Sentinel"
            .to_owned());
    }
    if let Some(version) = field("redis_version")
        && !is_supported(version)
    {
        return Err(format!("redis {version} is too old; 6.2 or newer is needed"));
    }
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
            "redis has neither an append-only file nor a replica: what it forgets in a crash is \
             sent again"
                .to_owned(),
        );
    }
    Ok(warnings)
}

fn is_supported(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (6, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_and_an_old_server_are_refused() {
        assert!(inspect("cluster_enabled:1\r\n").is_err());
        assert!(inspect("redis_version:6.0.16\r\n").is_err());
        assert_eq!(inspect("redis_version:6.2.0\r\n"), Ok(vec![]));
        assert_eq!(inspect("redis_version:10.0.1\r\n"), Ok(vec![]));
    }

    #[test]
    fn eviction_and_missing_persistence_are_warned_of() {
        let info = "maxmemory_policy:allkeys-lru\r\naof_enabled:0\r\nconnected_slaves:0\r\n";
        assert_eq!(inspect(info).map(|warnings| warnings.len()), Ok(2));
        let info = "maxmemory_policy:noeviction\r\naof_enabled:0\r\nconnected_slaves:1\r\n";
        assert_eq!(inspect(info), Ok(vec![]));
    }
}
