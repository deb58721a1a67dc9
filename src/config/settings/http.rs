//! `http`: where health and metrics are served.

use std::net::{Ipv4Addr, SocketAddr};

use super::refusal::Refusal;
use super::sources::{Names, Sources};

/// `PORT` counts unless our own setting is there: a hosting platform that sets it forwards outside
/// requests to that port.
pub(super) fn read(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Option<SocketAddr> {
    let names = Names { key: "http", flag: "--http", env: "DOWNBEAT_HTTP" };
    if let Some(given) = from.setting(names, flag) {
        return from.check(Some(&given), parse);
    }
    let port = from.variable(names.key, "PORT");
    from.check(port.as_ref(), |text| match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        Err(_) => {
            let hint = "unset it, or set `http`, which goes before it";
            Err(Refusal::new("this is not a port", hint))
        }
    })
}

/// An address to listen on; a port alone means loopback.
fn parse(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        let hint = "write `127.0.0.1:9632`, `[::1]:9632`, or a port alone; `0.0.0.0:9632` listens \
                    on every interface";
        Refusal::new("this is not an address to listen on", hint)
    })
}
