//! A network between downbeat and a server that can be made to fail.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::rabbitmq::RabbitMq;
use super::redis::RedisServer;

/// A port of 127.0.0.1 that forwards to a server's socket.
pub(crate) struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// A server behind a proxy.
#[derive(Debug)]
enum Target {
    Redis(PathBuf),
    Amqp(u16),
}

/// What the proxy holds back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Silence {
    Nothing,
    /// Responses arrive later.
    Answers,
    /// Everything arrives later.
    Everything,
    /// Responses are lost.
    LostAnswers,
    /// Everything is lost.
    LostEverything,
    /// The client's large packets are lost, and everything after one on its connection.
    LostPackets,
}

/// Minimum bytes of a large packet.
const LARGE: usize = 1_400;

/// What happens to forwarded bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Transfer {
    Pass,
    Lose,
    /// They are dropped, and the connection is closed.
    Close,
}

/// Selects requests whose reply is to be lost.
type IsMeant = Box<dyn Fn(&[u8]) -> bool + Send>;

/// Maximum bytes of lost data that are kept for inspection.
const MAX_LOST: usize = 4 << 20;

/// What all connections of a proxy share.
struct Line {
    target: Mutex<Target>,
    silence: Mutex<Silence>,
    changed: Condvar,
    replies_to_lose: Mutex<Vec<IsMeant>>,
    replies_lost: AtomicUsize,
    /// How many bytes of requests per second each connection forwards; 0 means no limit.
    bytes_per_second: AtomicUsize,
    /// Lost requests.
    lost: Mutex<Vec<u8>>,
    pairs: Mutex<Vec<Weak<Pair>>>,
    /// How many reads were forwarded to the client.
    answers: AtomicUsize,
    is_closing: AtomicBool,
}

impl Proxy {
    /// Forwards everything to `server`, which may be restarted meanwhile.
    pub(crate) fn start(server: &RedisServer) -> Proxy {
        Proxy::to(Target::Redis(server.socket()))
    }

    /// The same for a RabbitMQ.
    pub(crate) fn amqp(server: &RabbitMq) -> Proxy {
        Proxy::to(Target::Amqp(server.port()))
    }

    fn to(target: Target) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line {
            target: Mutex::new(target),
            silence: Mutex::new(Silence::Nothing),
            changed: Condvar::new(),
            replies_to_lose: Mutex::default(),
            replies_lost: AtomicUsize::new(0),
            bytes_per_second: AtomicUsize::new(0),
            lost: Mutex::default(),
            pairs: Mutex::default(),
            answers: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
        });
        let ours = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ours.is_closing.load(Ordering::SeqCst) {
                    break;
                }
                let line = Arc::clone(&ours);
                thread::spawn(move || line.connect(client));
            }
        });
        Proxy { port, line }
    }

    /// The URL for downbeat.
    pub(crate) fn url(&self) -> String {
        match *self.line.target.lock().unwrap() {
            Target::Redis(_) => format!("redis://127.0.0.1:{}/0", self.port),
            Target::Amqp(_) => format!("amqp://guest:guest@127.0.0.1:{}//", self.port),
        }
    }

    /// Forwards nothing any more, in either direction, without closing connections: what is sent
    /// meanwhile arrives after [`mend`](Self::mend), as over an interrupted network.
    pub(crate) fn cut(&self) {
        self.line.set_silence(Silence::Everything);
    }

    /// The server receives everything, and its responses are held back until [`mend`](Self::mend).
    pub(crate) fn cut_answers(&self) {
        self.line.set_silence(Silence::Answers);
    }

    /// Loses everything sent from now on, in either direction; connections close only at
    /// [`mend`](Self::mend), as behind a firewall that drops packets.
    pub(crate) fn lose_everything(&self) {
        self.line.set_silence(Silence::LostEverything);
    }

    /// Loses the client's large packets from now on; connections close only at [`mend`](Self::mend), as
    /// over a tunnel that silently drops them.
    pub(crate) fn lose_large_packets(&self) {
        self.line.set_silence(Silence::LostPackets);
    }

    /// The server receives everything, and its responses are lost; connections close only at
    /// [`mend`](Self::mend).
    pub(crate) fn lose_answers(&self) {
        self.line.set_silence(Silence::LostAnswers);
    }

    /// Limits each connection to this many bytes of requests per second.
    pub(crate) fn slow_down_to(&self, bytes_per_second: usize) {
        self.line.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    /// How many lost requests contain `mark`.
    pub(crate) fn lost(&self, mark: &str) -> usize {
        holds(&self.line.lost.lock().unwrap(), mark)
    }

    /// Forwards new connections to another server.
    pub(crate) fn lead_to(&self, server: &RedisServer) {
        *self.line.target.lock().unwrap() = Target::Redis(server.socket());
    }

    /// Closes all connections.
    pub(crate) fn hang_up(&self) {
        self.line.hang_up();
    }

    /// How often something was forwarded to the client.
    pub(crate) fn answers(&self) -> usize {
        self.line.answers.load(Ordering::SeqCst)
    }

    /// Forwards everything again; closes connections on which something was lost.
    pub(crate) fn mend(&self) {
        self.line.set_silence(Silence::Nothing);
    }

    /// The server executes the next batch of slots, but its reply is lost with the connection.
    pub(crate) fn lose_a_reply(&self) {
        self.line.lose_a_reply(Box::new(is_batch));
    }

    /// The same for the next request that contains all `marks`.
    pub(crate) fn lose_the_reply_to(&self, marks: &'static [&'static str]) {
        let is_meant = |request: &[u8]| marks.iter().all(|mark| holds(request, mark) > 0);
        self.line.lose_a_reply(Box::new(is_meant));
    }

    /// How many replies were lost so far.
    pub(crate) fn replies_lost(&self) -> usize {
        self.line.replies_lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.is_closing.store(true, Ordering::SeqCst);
        self.mend();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The two ends of one connection.
struct Pair {
    client: TcpStream,
    server: Stream,
    loses_replies: AtomicBool,
    /// Whether a packet of the client was lost.
    has_gap: AtomicBool,
}

impl Pair {
    fn close(&self) {
        // Either end may be gone already.
        let _ = self.client.shutdown(Shutdown::Both);
        self.server.close();
    }
}

/// The connection to a server.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn close(&self) {
        let _ = match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for &Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).read(bytes),
            Stream::Tcp(stream) => (&*stream).read(bytes),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::Tcp(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line {
    fn set_silence(&self, silence: Silence) {
        let before = std::mem::replace(&mut *self.silence.lock().unwrap(), silence);
        let lost = [Silence::LostAnswers, Silence::LostEverything, Silence::LostPackets];
        if lost.contains(&before) {
            self.hang_up();
        }
        self.changed.notify_all();
    }

    fn hang_up(&self) {
        let pairs = std::mem::take(&mut *self.pairs.lock().unwrap());
        pairs.iter().filter_map(Weak::upgrade).for_each(|pair| pair.close());
    }

    fn silence(&self) -> Silence {
        *self.silence.lock().unwrap()
    }

    fn lose_a_reply(&self, is_meant: IsMeant) {
        self.replies_to_lose.lock().unwrap().push(is_meant);
    }

    fn wait_while(&self, is_silent: impl Fn(Silence) -> bool) {
        let silence = self.silence.lock().unwrap();
        drop(self.changed.wait_while(silence, |silence| is_silent(*silence)).unwrap());
    }

    fn connect(self: Arc<Line>, client: TcpStream) {
        self.wait_while(|silence| silence == Silence::Everything);
        let server = match &*self.target.lock().unwrap() {
            Target::Redis(socket) => UnixStream::connect(socket).map(Stream::Unix),
            Target::Amqp(port) => TcpStream::connect(("127.0.0.1", *port)).map(Stream::Tcp),
        };
        // Without a server, the client's connection is closed, as it would be without a proxy.
        let Ok(server) = server else { return };
        let pair = Arc::new(Pair {
            client,
            server,
            loses_replies: AtomicBool::new(false),
            has_gap: AtomicBool::new(false),
        });
        let mut pairs = self.pairs.lock().unwrap();
        pairs.retain(|pair| pair.strong_count() > 0);
        pairs.push(Arc::downgrade(&pair));
        drop(pairs);
        let (line, requests) = (Arc::clone(&self), Arc::clone(&pair));
        thread::spawn(move || {
            line.pass(&requests.client, &requests.server, |request| {
                line.wait_while(|silence| silence == Silence::Everything);
                let rate = line.bytes_per_second.load(Ordering::SeqCst);
                if let Some(micros) = (request.len() * 1_000_000).checked_div(rate) {
                    thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap()));
                }
                let is_large = line.silence() == Silence::LostPackets && request.len() > LARGE;
                if is_large || requests.has_gap.load(Ordering::SeqCst) {
                    requests.has_gap.store(true, Ordering::SeqCst);
                    return Transfer::Lose;
                }
                if line.silence() == Silence::LostEverything {
                    let mut lost = line.lost.lock().unwrap();
                    let room = MAX_LOST.saturating_sub(lost.len());
                    lost.extend(&request[..request.len().min(room)]);
                    return Transfer::Lose;
                }
                if line.is_to_lose(request) {
                    requests.loses_replies.store(true, Ordering::SeqCst);
                }
                Transfer::Pass
            });
            requests.close();
        });
        self.pass(&pair.server, &pair.client, |_| {
            let waits = [Silence::Answers, Silence::Everything];
            self.wait_while(|silence| waits.contains(&silence));
            if ![Silence::Nothing, Silence::LostPackets].contains(&self.silence()) {
                return Transfer::Lose;
            }
            self.answers.fetch_add(1, Ordering::SeqCst);
            let loses = pair.loses_replies.load(Ordering::SeqCst);
            self.replies_lost.fetch_add(usize::from(loses), Ordering::SeqCst);
            if loses { Transfer::Close } else { Transfer::Pass }
        });
        pair.close();
    }

    fn is_to_lose(&self, request: &[u8]) -> bool {
        let mut meant = self.replies_to_lose.lock().unwrap();
        let found = meant.iter().position(|is_meant| is_meant(request));
        found.map(|at| meant.swap_remove(at)).is_some()
    }

    /// Forwards until one side closes, or `look` decides to.
    fn pass(
        &self,
        mut from: impl Read,
        mut to: impl Write,
        mut look: impl FnMut(&[u8]) -> Transfer,
    ) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            match look(&bytes[..length]) {
                Transfer::Pass if to.write_all(&bytes[..length]).is_ok() => {}
                Transfer::Lose => {}
                Transfer::Pass | Transfer::Close => return,
            }
        }
    }
}

/// How often `mark` occurs in `bytes`.
fn holds(bytes: &[u8], mark: &str) -> usize {
    bytes.windows(mark.len()).filter(|bytes| *bytes == mark.as_bytes()).count()
}

/// A call that sends, or is about to, names what runs; so does a change of registrations.
fn is_batch(request: &[u8]) -> bool {
    holds(request, ":running\r\n") > 0 && holds(request, ":registrations\r\n") == 0
}
