//! A private redis-server on its own socket.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;

use downbeat::address::{Address, RedisAddress};
use downbeat::worker::{CeleryQueue, celery};
use redis::{Client, Commands as _, Connection};
use tempfile::TempDir;

use super::preload::compiled;
use super::process::Process;
use super::sent::Sent;
use super::wait::{SOON, eventually};

/// What a test may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Whether to keep every write in an append-only file, synced each time.
    pub(crate) appendonly: bool,
    /// `maxmemory` (`10mb`), beyond which writes are refused; nothing is evicted.
    pub(crate) maxmemory: Option<&'static str>,
    /// Whether to listen on a free port of 127.0.0.1, too.
    pub(crate) tcp: bool,
    /// The password that `args` sets.
    pub(crate) password: &'static str,
    /// Whether its clock can be set; see [`RedisServer::set_clock`].
    pub(crate) settable_clock: bool,
    /// Additional arguments of redis-server.
    pub(crate) args: Vec<String>,
}

/// A server with its data; both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct RedisServer {
    // Dropped before the directory that it writes to.
    process: Process,
    options: Options,
    port: u16,
    folder: TempDir,
}

/// All data that a server had at some instant.
#[derive(Debug)]
pub(crate) struct Snapshot {
    folder: TempDir,
}

impl RedisServer {
    /// An empty server that saves nothing to disk by itself.
    pub(crate) fn start() -> RedisServer {
        RedisServer::start_with(Options::default())
    }

    /// An empty server, which is ready when this returns.
    pub(crate) fn start_with(options: Options) -> RedisServer {
        let folder = tempfile::Builder::new().prefix("redis").tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let port = if options.tcp { free_port() } else { 0 };
        if options.settable_clock {
            fs::write(folder.path().join("offset"), 0_i64.to_ne_bytes()).unwrap();
        }
        let process = spawn(folder.path(), port, &options);
        let mut server = RedisServer { process, options, port, folder };
        server.wait_until_ready();
        server
    }

    /// The server's process, to pause or to signal.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The socket it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// The URL for downbeat and the redis crate, over the socket.
    pub(crate) fn url(&self) -> String {
        let socket = self.socket();
        match self.options.password {
            "" => format!("redis+unix://{}", socket.display()),
            password => format!("redis+unix://{}?pass={password}", socket.display()),
        }
    }

    /// The same as a parsed address.
    pub(crate) fn address(&self) -> RedisAddress {
        redis_address(&self.url())
    }

    /// The URL for Celery, over the socket.
    pub(crate) fn celery_url(&self) -> String {
        format!("redis+socket://{}", self.socket().display())
    }

    /// The URL over TCP; needs [`Options::tcp`].
    pub(crate) fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port())
    }

    /// Its port on 127.0.0.1; needs [`Options::tcp`].
    pub(crate) fn port(&self) -> u16 {
        assert!(self.options.tcp, "started without a port");
        self.port
    }

    /// A blocking connection for assertions.
    pub(crate) fn connect(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// A client for it.
    pub(crate) fn client(&self) -> Client {
        Client::open(self.url()).unwrap()
    }

    /// The same if connections may be refused or closed: Sentinels do that to a server whose role they
    /// change.
    pub(crate) fn try_connect(&self) -> Option<Connection> {
        self.client().get_connection().ok()
    }

    /// The messages in `queue`, in the order in which a worker would take them.
    pub(crate) fn queue(&self, queue: &str) -> Vec<Sent> {
        let mut connection = self.connect();
        let mut list = |key: String| -> Vec<Vec<u8>> { connection.lrange(key, 0, -1).unwrap() };
        let keys = celery::list_keys(queue, &CeleryQueue::default()).into_iter();
        keys.flat_map(|key| list(key).into_iter().rev()).map(|item| Sent::decode(&item)).collect()
    }

    /// Waits until at least `count` messages are in `queue`, and returns all of them.
    pub(crate) fn wait_for_queue(&self, queue: &str, count: usize) -> Vec<Sent> {
        let what = format!("{count} messages in {queue}");
        eventually(SOON, &what, || Some(self.queue(queue)).filter(|sent| sent.len() >= count))
    }

    /// Saves everything and ends the server.
    pub(crate) fn stop_cleanly(&mut self) -> ExitStatus {
        // The server closes the connection instead of replying.
        let _ = redis::cmd("SHUTDOWN").arg("SAVE").query::<()>(&mut self.connect());
        self.process.wait(SOON)
    }

    /// Sets its clock this far ahead of ours; needs [`Options::settable_clock`].
    pub(crate) fn set_clock(&self, ahead_ms: i64) {
        let offset = File::options().write(true).open(self.folder.path().join("offset")).unwrap();
        offset.write_all_at(&ahead_ms.to_ne_bytes(), 0).unwrap();
    }

    /// Ends the server at once: what is not on disk is lost.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with its data, after [`stop_cleanly`](Self::stop_cleanly) or
    /// [`kill`](Self::kill).
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.exited().is_some(), "still running");
        // A killed server leaves its socket behind.
        let _ = fs::remove_file(self.socket());
        self.process = spawn(self.folder.path(), self.port, &self.options);
        self.wait_until_ready();
    }

    /// Ends it cleanly and starts it again with its data.
    pub(crate) fn restart_with_data(&mut self) {
        self.stop_cleanly();
        self.start_again();
    }

    /// Ends it and starts it empty.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        empty(&self.data());
        self.start_again();
    }

    /// Everything in the server now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        redis::cmd("SAVE").query::<()>(&mut self.connect()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(&self.data(), folder.path());
        Snapshot { folder }
    }

    /// Ends it and starts it with the data of the snapshot, like a failover to an old replica.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.kill();
        empty(&self.data());
        copy(snapshot.folder.path(), &self.data());
        self.start_again();
    }

    /// Another, unknown server with the data that this one has on disk.
    pub(crate) fn start_from_same_data(&self) -> RedisServer {
        let options = Options { appendonly: self.options.appendonly, ..Options::default() };
        let mut server = RedisServer::start_with(options);
        server.kill();
        empty(&server.data());
        copy(&self.data(), &server.data());
        server.start_again();
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn wait_until_ready(&mut self) {
        let url = self.url();
        let process = &mut self.process;
        let log = self.folder.path().join("redis.log");
        eventually(SOON, "redis-server answers", || {
            if let Some(status) = process.exited() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("redis-server ended with {status}:\n{log}");
            }
            let mut connection = Client::open(url.as_str()).unwrap().get_connection().ok()?;
            // Refused while a large data set is being loaded.
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }
}

fn spawn(folder: &Path, port: u16, options: &Options) -> Process {
    let log = File::options().create(true).append(true).open(folder.join("redis.log")).unwrap();
    let mut command = Command::new("redis-server");
    command.arg("--unixsocket").arg(folder.join("redis.sock"));
    command.arg("--dir").arg(folder.join("data"));
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", if options.appendonly { "yes" } else { "no" }]);
    command.args(["--appendfsync", "always"]);
    if let Some(maxmemory) = options.maxmemory {
        command.args(["--maxmemory", maxmemory, "--maxmemory-policy", "noeviction"]);
    }
    command.args(&options.args);
    if options.settable_clock {
        command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", folder.join("offset"));
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Process::spawn("redis-server", &mut command)
}

fn clock() -> &'static Path {
    static CLOCK: LazyLock<PathBuf> = LazyLock::new(|| compiled("clock"));
    &CLOCK
}

/// Parses a Redis address.
pub(crate) fn redis_address(text: &str) -> RedisAddress {
    match Address::parse(text) {
        Ok(Address::Redis(address)) => address,
        other => panic!("{other:?} is no address of Redis"),
    }
}

/// A free port. Another process may take it before the server does, which then fails to start; that is
/// rarer than a fixed port being taken.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn empty(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), &target).unwrap();
        }
    }
}
