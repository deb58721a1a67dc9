//! Reads a body of a request or response, up to a maximum size.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::{Body, Bytes};

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum ReadError<E> {
    /// It is longer than allowed.
    TooLarge,
    /// The connection broke.
    Broken(E),
}

/// Reads a body; refuses it as soon as it is known to be longer than `max_bytes`.
pub(super) async fn read<B>(mut body: B, max_bytes: usize) -> Result<Vec<u8>, ReadError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // Trailers carry nothing of interest.
        if let Ok(part) = frame.map_err(ReadError::Broken)?.into_data() {
            if part.len() > max_bytes - bytes.len() {
                return Err(ReadError::TooLarge);
            }
            bytes.extend_from_slice(&part);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound_and_no_byte_further() {
        for (text, max_bytes, fits) in [("", 0, true), ("abc", 3, true), ("abcd", 3, false)] {
            let bytes = read(Body::from(text), max_bytes).await;
            assert_eq!(bytes.as_deref().ok(), fits.then_some(text.as_bytes()));
        }
    }
}
