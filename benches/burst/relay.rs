//! A network between downbeat and Redis that adds delay, or records what is sent.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// A port of 127.0.0.1 that leads to another. It lives as long as the program.
pub(crate) struct Relay {
    port: u16,
    /// What clients have sent, a tape for each connection.
    tapes: Arc<Mutex<Vec<Tape>>>,
}

type Tape = Arc<Mutex<Vec<u8>>>;

impl Relay {
    /// Passes on everything, each way after `delay`: only how long it takes changes, not how much
    /// gets through. With `records`, it keeps what clients send.
    pub(crate) fn start(server: u16, delay: Duration, records: bool) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay { port: listener.local_addr().unwrap().port(), tapes: Arc::default() };
        let tapes = Arc::clone(&relay.tapes);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Without a server the client's connection is closed, which is what it would see.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let tape = records.then(Tape::default);
                tapes.lock().unwrap().extend(tape.clone());
                let (requests, answers) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(requests, server, delay, tape));
                thread::spawn(move || pass(answers, client, delay, None));
            }
        });
        relay
    }

    /// For downbeat.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// How much was sent over each connection so far.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.tapes.lock().unwrap().iter().map(|tape| tape.lock().unwrap().len()).collect()
    }

    /// What was sent after `lengths` over the connection over which most was.
    pub(crate) fn longest_since(&self, lengths: &[usize]) -> Vec<u8> {
        let tapes = self.tapes.lock().unwrap();
        let starts = lengths.iter().copied().chain(std::iter::repeat(0));
        let since = |(tape, start): (&Tape, usize)| tape.lock().unwrap()[start..].to_vec();
        tapes.iter().zip(starts).map(since).max_by_key(Vec::len).unwrap()
    }
}

/// Until one side closes.
fn pass(mut from: TcpStream, to: TcpStream, delay: Duration, tape: Option<Tape>) {
    let (sender, receiver) = channel();
    thread::spawn(move || deliver(to, &receiver));
    let mut bytes = vec![0; 256 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if let Some(tape) = &tape {
            tape.lock().unwrap().extend_from_slice(&bytes[..length]);
        }
        if sender.send((Instant::now() + delay, bytes[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn deliver(mut to: TcpStream, pieces: &Receiver<(Instant, Vec<u8>)>) {
    for (at, bytes) in pieces {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // It may be closed already.
    let _ = to.shutdown(Shutdown::Both);
}
