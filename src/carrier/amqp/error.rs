//! Why a broker does nothing, in words that say what to do.

use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
use std::sync::Arc;

use lapin::ErrorKind;

use crate::address::AmqpAddress;
use crate::carrier::CarrierError;
use crate::tls::{self, TlsError};

/// AMQP's code for a refused login.
const ACCESS_REFUSED: u16 = 403;

/// Why a broker did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// There is no connection to the broker.
    #[error("no connection to {address}: {source}{hint}")]
    NotConnected {
        address: Arc<AmqpAddress>,
        source: CallError,
        /// What to do, if the error does not say so itself.
        hint: &'static str,
    },
    /// There is one, but a call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why one call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It was not answered.
    #[error("the broker did not answer in time")]
    TimedOut,
    /// The files for TLS are unusable.
    #[error(transparent)]
    Tls(Arc<TlsError>),
    /// The client library's error.
    #[error("{text}")]
    Amqp { text: String, source: lapin::Error },
}

impl CallError {
    pub(super) fn amqp(source: lapin::Error, over_tls: bool) -> CallError {
        CallError::Amqp { text: in_words(&source, over_tls), source }
    }
}

impl LinkError {
    /// Explains why there is no connection, and what to do.
    pub(super) fn connecting(address: &Arc<AmqpAddress>, source: CallError) -> LinkError {
        let hint = match &source {
            CallError::Amqp { source, .. } => hint(source, address.tls),
            CallError::TimedOut | CallError::Tls(_) => "",
        };
        LinkError::NotConnected { address: Arc::clone(address), source, hint }
    }

    /// Whether there is no way to the broker. One that refuses a login has answered.
    fn is_unreachable(&self) -> bool {
        match self {
            LinkError::NotConnected { source: CallError::Amqp { source, .. }, .. } => {
                !matches!(source.kind(), ErrorKind::ProtocolError(_))
            }
            LinkError::NotConnected { .. } => true,
            LinkError::Call(_) => false,
        }
    }
}

impl From<LinkError> for CarrierError {
    fn from(error: LinkError) -> CarrierError {
        let why = error.to_string();
        match error.is_unreachable() {
            true => CarrierError::Unreachable(why),
            false => CarrierError::Refused(why),
        }
    }
}

/// What to do about a failure to connect.
fn hint(error: &lapin::Error, over_tls: bool) -> &'static str {
    match error.kind() {
        _ if is_cut(error) && !over_tls => {
            "; if the server speaks TLS on that port, write `amqps://`"
        }
        ErrorKind::IOError(io) if tls::is_plain(&**io) => "; write `amqp://`",
        ErrorKind::ProtocolError(said) if said.get_id() == ACCESS_REFUSED => {
            "; compare user and password in the address with those of RabbitMQ, whose `guest` may \
             connect from its own machine only"
        }
        _ => "",
    }
}

/// Whether the server did not speak AMQP, or closed the connection at once.
fn is_cut(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ParsingError(_) => true,
        ErrorKind::IOError(io) => {
            matches!(io.kind(), ConnectionReset | BrokenPipe | ConnectionAborted | UnexpectedEof)
        }
        _ => false,
    }
}

fn in_words(error: &lapin::Error, over_tls: bool) -> String {
    let ErrorKind::IOError(io) = error.kind() else { return error.to_string() };
    tls::explain(&**io).unwrap_or_else(|| match io.kind() {
        // In TLS 1.3 the server asks for a certificate when the connection is already established, and the
        // reset may overtake the alert that says so.
        ConnectionReset | BrokenPipe if over_tls => format!(
            "{error}; if the server requires a client certificate, set `tls: {{cert: FILE, key: FILE}}`"
        ),
        _ => error.to_string(),
    })
}
