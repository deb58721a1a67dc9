//! A private RabbitMQ: its own node, ports, directories and port mapper, on 127.0.0.1 only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tempfile::TempDir;

use super::certificates::{Authority, Pair};
use super::process::Process;
use super::redis::free_port;
use super::tools::rabbitmq;
use super::wait::{START, eventually};

/// A server with its data; both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct RabbitMq {
    // Dropped before the directory that they write to.
    server: Process,
    mapper: Process,
    ports: Ports,
    authority: Authority,
    /// The server's certificate.
    pair: Pair,
    folder: TempDir,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    tls: u16,
    nodes: u16,
    mapper: u16,
}

impl RabbitMq {
    /// The server shared by all tests that do not disturb it, as it starts slowly. It ends with the
    /// last of them.
    pub(crate) fn shared() -> Arc<RabbitMq> {
        static SHARED: OnceLock<Mutex<Weak<RabbitMq>>> = OnceLock::new();
        let shared: &Mutex<Weak<RabbitMq>> = SHARED.get_or_init(Mutex::default);
        let mut shared: MutexGuard<'_, _> = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(RabbitMq::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// An empty server, which accepts messages when this returns.
    pub(crate) fn start() -> RabbitMq {
        let folder = tempfile::Builder::new().prefix("rabbitmq").tempdir().unwrap();
        let [amqp, tls, nodes, mapper] = [(); 4].map(|()| free_port());
        let (ports, authority) = (Ports { amqp, tls, nodes, mapper }, Authority::new());
        let pair = authority.sign("127.0.0.1");
        configure(folder.path(), ports, &authority, &pair);
        let mapper = spawn_mapper(ports);
        let server = spawn_server(folder.path(), ports);
        let mut server = RabbitMq { server, mapper, ports, authority, pair, folder };
        server.wait_until_ready(1);
        server
    }

    /// The AMQP port.
    pub(crate) fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The URL for downbeat and Celery.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}//", self.ports.amqp)
    }

    /// The URL over TLS, for clients with a certificate of [`RabbitMq::authority`].
    pub(crate) fn tls_url(&self) -> String {
        format!("amqps://guest:guest@127.0.0.1:{}//", self.ports.tls)
    }

    /// The authority that signed the server's certificate, and that the server trusts.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The text that pins the server's certificate.
    pub(crate) fn server_pin(&self) -> String {
        self.pair.pin()
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again with its data.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.exited().is_some(), "still running");
        // The port mapper forgets a node when its connection ends, or soon after.
        self.mapper.kill();
        self.mapper = spawn_mapper(self.ports);
        let before = self.starts();
        self.server = spawn_server(self.folder.path(), self.ports);
        self.wait_until_ready(before + 1);
    }

    fn starts(&self) -> usize {
        self.log().matches("Server startup complete").count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self, starts: usize) {
        eventually(START, "rabbitmq-server is up", || {
            if let Some(status) = self.server.exited() {
                panic!("rabbitmq-server ended with {status}:\n{}", self.log());
            }
            (self.starts() >= starts).then_some(())
        });
    }
}

fn configure(folder: &Path, ports: Ports, authority: &Authority, pair: &Pair) {
    let (Pair { cert, key }, ca) = (pair, authority.ca());
    let mut config = File::create(folder.join("rabbitmq.conf")).unwrap();
    writeln!(config, "disk_free_limit.absolute = 1MB").unwrap();
    writeln!(config, "listeners.ssl.default = 127.0.0.1:{}", ports.tls).unwrap();
    writeln!(config, "ssl_options.cacertfile = {}", ca.display()).unwrap();
    writeln!(config, "ssl_options.certfile = {}", cert.display()).unwrap();
    writeln!(config, "ssl_options.keyfile = {}", key.display()).unwrap();
    writeln!(config, "ssl_options.verify = verify_peer").unwrap();
    writeln!(config, "ssl_options.fail_if_no_peer_cert = true").unwrap();
}

fn spawn_mapper(ports: Ports) -> Process {
    let mut command = Command::new(rabbitmq().join("usr/lib/erlang/bin/epmd"));
    command.args(["-port", &ports.mapper.to_string(), "-address", "127.0.0.1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn("epmd", &mut command)
}

fn spawn_server(folder: &Path, ports: Ports) -> Process {
    let home = rabbitmq();
    let scripts = fs::read_dir(home.join("usr/lib/rabbitmq/lib")).unwrap().next().unwrap().unwrap();
    let mut command = Command::new(scripts.path().join("sbin/rabbitmq-server"));
    let erlang = home.join("usr/lib/erlang/bin");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", erlang.display())).env("HOME", folder);
    command.env("ERL_EPMD_PORT", ports.mapper.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
    command.env("RABBITMQ_NODENAME", format!("downbeat{}@localhost", ports.amqp));
    command.env("RABBITMQ_NODE_PORT", ports.amqp.to_string());
    command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
    command.env("RABBITMQ_DIST_PORT", ports.nodes.to_string());
    let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback);
    command.env("RABBITMQ_LOGS", "-");
    for (name, file) in [
        ("RABBITMQ_MNESIA_BASE", "data"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_CONF_ENV_FILE", "none"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
        ("RABBITMQ_SCHEMA_DIR", "schema"),
    ] {
        command.env(name, folder.join(file));
    }
    // The script becomes the server itself, so that its process id is the one known here.
    command.env("RABBITMQ_ALLOW_INPUT", "1").arg("-noinput");
    let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Process::spawn("rabbitmq-server", &mut command)
}
