//! A master, its replica, and the Sentinels that monitor both.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use redis::{Client, Connection};
use tempfile::TempDir;

use super::process::Process;
use super::redis::{Options, RedisServer, free_port};
use super::wait::{SOON, eventually};

/// The Sentinels' name for the master.
pub(crate) const NAME: &str = "tasks";

/// Three Sentinels, and the servers they monitor.
#[derive(Debug)]
pub(crate) struct Sentinels {
    // Dropped first, so that they notice no failure.
    nodes: Vec<Node>,
    /// The master, until the other one takes over.
    pub(crate) first: RedisServer,
    /// Its replica.
    pub(crate) second: RedisServer,
}

/// One Sentinel.
#[derive(Debug)]
pub(crate) struct Node {
    // Dropped before the directory that it writes to.
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Sentinels {
    /// When this returns, the replica follows and all Sentinels know each other.
    pub(crate) fn start() -> Sentinels {
        let options = |args: &[&str]| {
            let args = [&["--repl-diskless-sync-delay", "0"], args].concat();
            let args = args.iter().map(ToString::to_string).collect();
            Options { appendonly: true, tcp: true, args, ..Options::default() }
        };
        let first = RedisServer::start_with(options(&[]));
        let login = ["SETUSER", "replica", "on", ">p", "~*", "&*", "+@all"];
        redis::cmd("ACL").arg(&login).exec(&mut first.connect()).unwrap();
        let port = first.port().to_string();
        let login = ["--masteruser", "replica", "--masterauth", "p"];
        let args = [&["--replicaof", "127.0.0.1", &port], &login[..]].concat();
        let second = RedisServer::start_with(options(&args));
        let nodes = (0..3).map(|_| Node::start(first.port(), 2, "")).collect();
        let group = Sentinels { nodes, first, second };
        group.wait_until_complete();
        group
    }

    /// The URL for downbeat.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(Node::address).collect();
        format!("sentinel://{}/0?master={NAME}", hosts.join(","))
    }

    /// A Sentinel by number.
    pub(crate) fn node(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number]
    }

    /// From now on, the first has data that the second never gets.
    pub(crate) fn cut_off_the_second(&self) {
        redis::cmd("ACL").arg("DELUSER").arg("replica").exec(&mut self.first.connect()).unwrap();
    }

    /// Waits until the second is the master.
    pub(crate) fn wait_for_the_second(&self) {
        wait_for_role(&self.second, "master");
    }

    fn wait_until_complete(&self) {
        wait_for_link(&self.second);
        for node in &self.nodes {
            eventually(SOON, "the Sentinels know each other and the replica", || {
                let mut ask = redis::cmd("INFO");
                let info: String = ask.arg("sentinel").query(&mut node.connect()).unwrap();
                info.contains("status=ok,").then_some(())?;
                (info.contains("slaves=1,") && info.contains("sentinels=3")).then_some(())
            });
        }
    }
}

impl Node {
    /// Monitors the server on this port; `quorum` Sentinels have to agree that it is down. `more` are
    /// additional lines of its configuration.
    pub(crate) fn start(master: u16, quorum: usize, more: &str) -> Node {
        let folder = tempfile::Builder::new().prefix("sentinel").tempdir().unwrap();
        let (port, config) = (free_port(), folder.path().join("sentinel.conf"));
        let listen = if more.contains("tls-") {
            format!("port 0\ntls-port {port}")
        } else {
            format!("port {port}")
        };
        let text = format!(
            "{listen}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {master} {quorum}\n\
             sentinel down-after-milliseconds {NAME} 500\nsentinel failover-timeout {NAME} 3000\n\
             {more}",
            folder.path().display()
        );
        fs::write(&config, text).unwrap();
        let log = File::create(folder.path().join("sentinel.log")).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&config).arg("--sentinel");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::spawn("redis-sentinel", &mut command);
        let node = Node { process, port, _folder: folder };
        eventually(SOON, "the Sentinel listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        node
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes the master hand over to the replica.
    pub(crate) fn fail_over(&self) {
        eventually(SOON, "the Sentinel begins a failover", || {
            redis::cmd("SENTINEL").arg("FAILOVER").arg(NAME).exec(&mut self.connect()).ok()
        });
    }

    /// The process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A blocking connection to one without password and TLS.
    pub(crate) fn connect(&self) -> Connection {
        Client::open(format!("redis://{}", self.address())).unwrap().get_connection().unwrap()
    }
}

fn wait_for_link(replica: &RedisServer) {
    eventually(SOON, "the replica has everything", || {
        let mut ask = redis::cmd("INFO");
        let info: String = ask.arg("replication").query(&mut replica.try_connect()?).ok()?;
        info.contains("master_link_status:up").then_some(())
    });
}

fn wait_for_role(server: &RedisServer, wanted: &str) {
    eventually(SOON, &format!("a server becomes {wanted}"), || {
        let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut server.try_connect()?).ok()?;
        let role: String = redis::from_redis_value_ref(&role[0]).unwrap();
        (role == wanted).then_some(())
    });
}
