//! A network between downbeat and a server that can be made to fail.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::rabbitmq::RabbitMq;
use super::redis::RedisServer;

/// A port of 127.0.0.1 that leads to a server's socket.
#[derive(Debug)]
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

/// What does not get through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Silence {
    Nothing,
    Answers,
    Everything,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct Line {
    target: Target,
    silence: Mutex<Silence>,
    changed: Condvar,
    replies_to_lose: AtomicUsize,
    replies_lost: AtomicUsize,
    /// Reads that were passed on to the client.
    answers: AtomicUsize,
    is_closing: AtomicBool,
}

impl Proxy {
    /// Passes everything on to `server`, which may be restarted meanwhile.
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
            target,
            silence: Mutex::new(Silence::Nothing),
            changed: Condvar::new(),
            replies_to_lose: AtomicUsize::new(0),
            replies_lost: AtomicUsize::new(0),
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

    /// For downbeat.
    pub(crate) fn url(&self) -> String {
        match self.line.target {
            Target::Redis(_) => format!("redis://127.0.0.1:{}/0", self.port),
            Target::Amqp(_) => format!("amqp://guest:guest@127.0.0.1:{}//", self.port),
        }
    }

    /// Nothing gets through any more, either way, and no connection is closed: what is sent
    /// meanwhile arrives after [`mend`](Self::mend), as over a network that was cut.
    pub(crate) fn cut(&self) {
        self.line.set_silence(Silence::Everything);
    }

    /// The server hears everything, and no answer of its gets through until [`mend`](Self::mend).
    pub(crate) fn cut_answers(&self) {
        self.line.set_silence(Silence::Answers);
    }

    /// How often the client was passed on something.
    pub(crate) fn answers(&self) -> usize {
        self.line.answers.load(Ordering::SeqCst)
    }

    /// Everything gets through again.
    pub(crate) fn mend(&self) {
        self.line.set_silence(Silence::Nothing);
    }

    /// The next batch of slots is carried out, but its reply is lost with the connection.
    pub(crate) fn lose_a_reply(&self) {
        self.line.replies_to_lose.fetch_add(1, Ordering::SeqCst);
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
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The two ends of one connection.
struct Pair {
    client: TcpStream,
    server: Stream,
    loses_replies: AtomicBool,
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
        *self.silence.lock().unwrap() = silence;
        self.changed.notify_all();
    }

    fn wait_while(&self, is_silent: impl Fn(Silence) -> bool) {
        let silence = self.silence.lock().unwrap();
        drop(self.changed.wait_while(silence, |silence| is_silent(*silence)).unwrap());
    }

    fn connect(self: Arc<Line>, client: TcpStream) {
        self.wait_while(|silence| silence == Silence::Everything);
        let server = match &self.target {
            Target::Redis(socket) => UnixStream::connect(socket).map(Stream::Unix),
            Target::Amqp(port) => TcpStream::connect(("127.0.0.1", *port)).map(Stream::Tcp),
        };
        // Without a server the client's connection is closed, which is what it would see.
        let Ok(server) = server else { return };
        let pair = Arc::new(Pair { client, server, loses_replies: AtomicBool::new(false) });
        let (line, requests) = (Arc::clone(&self), Arc::clone(&pair));
        thread::spawn(move || {
            line.pass(&requests.client, &requests.server, |request| {
                line.wait_while(|silence| silence == Silence::Everything);
                if is_batch(request) && line.takes_one_to_lose() {
                    requests.loses_replies.store(true, Ordering::SeqCst);
                }
                true
            });
            requests.close();
        });
        self.pass(&pair.server, &pair.client, |_| {
            self.wait_while(|silence| silence != Silence::Nothing);
            self.answers.fetch_add(1, Ordering::SeqCst);
            let loses = pair.loses_replies.load(Ordering::SeqCst);
            self.replies_lost.fetch_add(usize::from(loses), Ordering::SeqCst);
            !loses
        });
        pair.close();
    }

    fn takes_one_to_lose(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.replies_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// Until one side closes, or `look` says that it has seen enough.
    fn pass(&self, mut from: impl Read, mut to: impl Write, mut look: impl FnMut(&[u8]) -> bool) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if !look(&bytes[..length]) || to.write_all(&bytes[..length]).is_err() {
                return;
            }
        }
    }
}

/// A call that sends or is about to has records in it: `<slot> dispatched <task id>`, or
/// `<slot> intended -`.
fn is_batch(request: &[u8]) -> bool {
    let holds = |mark: &[u8]| request.windows(mark.len()).any(|bytes| bytes == mark);
    holds(b" dispatched ") || holds(b" intended -")
}
