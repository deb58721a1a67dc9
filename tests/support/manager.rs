//! A service manager that receives sd_notify messages.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::downbeat::Place;
use super::wait::{SOON, eventually};

/// The receiving socket, and its name for `NOTIFY_SOCKET`.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    /// Listens on a path.
    pub(crate) fn of_path(place: &Place) -> Manager {
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Manager { socket, name: path.to_str().unwrap().to_owned() }
    }

    /// Listens on an abstract name.
    pub(crate) fn abstract_name() -> Manager {
        let name = format!("downbeat/test/{}", uuid::Uuid::new_v4());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Manager { socket: UnixDatagram::bind_addr(&address).unwrap(), name: format!("@{name}") }
    }

    /// Makes everything started in a place notify it.
    #[must_use]
    pub(crate) fn supervises(&self, place: Place) -> Place {
        place.env("NOTIFY_SOCKET", &self.name)
    }

    /// The next message, if one comes within `limit`.
    pub(crate) fn next(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// The next message for which `is_wanted` is true, and the messages before it.
    pub(crate) fn wait_for(
        &self,
        what: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> (Vec<String>, String) {
        let mut before = Vec::new();
        let found = eventually(SOON, what, || {
            let message = self.next(Duration::from_secs(1))?;
            if is_wanted(&message) {
                return Some(message);
            }
            before.push(message);
            None
        });
        (before, found)
    }
}
