//! Decodes what waits in a queue, for display only.
//!
//! Anybody may have written it, so this code trusts nothing, runs nothing, and says what it cannot read.

use std::borrow::Cow;

use downbeat_time::UnixMs;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::{Map, Value};

use super::location::MAX_PEEK_BYTES;
use super::msgpack::MsgpackError;
use super::python::UnpickleError;

/// Why a waiting message, or a part of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// It is in neither of the formats that RQ's workers can be configured to read.
    #[error("neither JSON nor a pickle of protocol 2 or later: {0}")]
    NeitherPickleNorJson(#[source] serde_json::Error),
    /// It is a pickle that is broken or refused.
    #[error(transparent)]
    Pickle(#[from] UnpickleError),
    /// It is MessagePack that is broken or refused.
    #[error(transparent)]
    Msgpack(#[from] MsgpackError),
    /// It would be larger than [`MAX_PEEK_BYTES`].
    #[error("larger than {} MiB when unpacked", MAX_PEEK_BYTES >> 20)]
    TooLarge,
    /// Its body should be base64, and is not.
    #[error("a body that is not base64: {0}")]
    BodyNotBase64(#[source] base64::DecodeError),
    /// Its body should be JSON, and is not.
    #[error("a body that is not JSON: {0}")]
    BodyNotJson(#[source] serde_json::Error),
    /// Its body is compressed in a way that is not supported.
    #[error("a body compressed as {0}")]
    Compressed(String),
    /// Its body is of a type that is not supported.
    #[error("a body of the type {0}")]
    BodyType(String),
    /// Only its id is left; the text says what is gone.
    #[error("{0}: workers pass over the id")]
    Gone(&'static str),
    /// It has a form that workers of its kind do not take; the text says which.
    #[error("{0}")]
    Malformed(&'static str),
    /// A field of it cannot be read.
    #[error("{field}: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Why.
        #[source]
        error: Box<DecodeError>,
    },
}

/// A JSON object.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(DecodeError::NotAnObject),
        Err(error) => Err(DecodeError::NotJson(error)),
    }
}

/// Removes a member that is a text.
pub(super) fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.get(name) {
        Some(Value::String(_)) => match members.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Parses an instant in RFC 3339; without an offset it is UTC.
pub(super) fn instant(text: &str) -> Option<UnixMs> {
    let timestamp = text.parse::<jiff::Timestamp>();
    let timestamp = timestamp.or_else(|error| {
        let reading = text.parse::<jiff::civil::DateTime>().map_err(|_| error)?;
        reading.to_zoned_datetime(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    timestamp.ok().map(UnixMs::from)
}

/// Unpacks `packed` if it is in zlib's format; else returns it unchanged.
///
/// # Errors
/// If it would be larger than [`MAX_PEEK_BYTES`].
pub(super) fn inflated(packed: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    use miniz_oxide::inflate::TINFLStatus;
    match decompress_to_vec_zlib_with_limit(packed, MAX_PEEK_BYTES) {
        Ok(whole) => Ok(Cow::Owned(whole)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => Err(DecodeError::TooLarge),
        Err(_) => Ok(Cow::Borrowed(packed)),
    }
}
