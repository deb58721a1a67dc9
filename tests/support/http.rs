//! An HTTP client that sends one request per connection, as probes do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::downbeat::Downbeat;
use super::wait::SOON;

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) code: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// What follows them.
    pub(crate) body: String,
}

/// The address of a service started with `--http 127.0.0.1:0`, from its log.
pub(crate) fn address(downbeat: &Downbeat) -> String {
    let line = downbeat.wait_for_log("serving health and metrics");
    line.split_once("address=").unwrap().1.trim().to_owned()
}

/// `GET path`.
pub(crate) fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

/// The page that Prometheus scrapes.
pub(crate) fn scrape(address: &str) -> String {
    let answer = get(address, "/metrics");
    assert_eq!(answer.code, 200, "{answer:?}");
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{answer:?}");
    answer.body
}

/// The value of a series, named as on the page.
pub(crate) fn sample(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// Sends `request` and reads until the server closes.
pub(crate) fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    Answer::read(&text)
}

/// The same over a control socket; `request` must ask to close the connection.
pub(crate) fn ask_socket(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

impl Answer {
    /// Parses a response.
    pub(crate) fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { code, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
