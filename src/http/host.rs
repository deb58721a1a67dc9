//! Restricts a loopback listener to requests for this machine.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const REFUSAL: &str = "This listener is on a loopback address and answers requests for localhost only, \
                       whatever the port. Ask for http://localhost/, have the proxy in front send \
                       `Host: localhost`, or let downbeat listen on another address (`http:` or \
                       --http).\n";

/// The names that a loopback listener answers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    address: IpAddr,
}

impl Allowed {
    /// `None` if other machines can reach `address`, under names that are unknown here.
    pub(super) fn on(address: SocketAddr) -> Option<Allowed> {
        let address = address.ip().to_canonical();
        address.is_loopback().then_some(Allowed { address })
    }

    /// Whether a `Host` header names this machine.
    fn names(self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let host = authority.host();
        // Allow neither a login before it, nor anything but a port after it.
        let behind = authority.as_str().strip_prefix(host);
        let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
        if !behind.is_some_and(|it| it.is_empty() || it.strip_prefix(':').is_some_and(is_port)) {
            return false;
        }
        let address =
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match address.parse::<IpAddr>() {
            Ok(address) => {
                let loopback = [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()];
                loopback.contains(&address) || address == self.address
            }
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// Passes on requests for this machine. Requests without `Host`, which no browser sends, come from
/// health checkers that speak HTTP/1.0.
pub(super) async fn check(
    State(allowed): State<Allowed>,
    request: Request,
    next: Next,
) -> Response {
    let names = |host: &HeaderValue| host.to_str().is_ok_and(|host| allowed.names(host));
    let target = request.uri().authority().is_none_or(|target| allowed.names(target.as_str()));
    if target && request.headers().get_all(HOST).iter().all(names) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, REFUSAL).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_answers_to_its_own_names_only() {
        let allowed = |address: &str| Allowed::on(address.parse().unwrap());
        let here = allowed("127.0.0.1:9632").unwrap();
        for host in ["localhost", "LocalHost:9632", "127.0.0.1", "127.0.0.1:1", "[::1]:9632"] {
            assert!(here.names(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9632",
            "localhost.evil.example",
            "evil.localhost",
            "evil-localhost:9632",
            "127.0.0.2",
            "127.0.0.1.evil.example",
            "evil@localhost.example",
            "evil@localhost",
            "evil.example@127.0.0.1:9632",
            "localhost:evil.example",
            "127.0.0.1:9632.evil.example",
            "[::1].evil",
            "[::1]evil:80",
            "[::2]",
            "0.0.0.0",
            "localhost:x:y",
            "local host",
        ] {
            assert!(!here.names(host), "{host}");
        }
        assert!(allowed("127.0.0.2:80").unwrap().names("127.0.0.2:80"));
        assert!(allowed("[::ffff:127.0.0.1]:80").is_some());
        for elsewhere in ["0.0.0.0:80", "[::]:80", "10.1.2.3:80"] {
            assert!(allowed(elsewhere).is_none(), "{elsewhere}");
        }
    }
}
