//! Work on large texts, which would hold up every other request on the serving thread.

use bytes::Bytes;
use oxwhisk_entity::Json;

use crate::http::ApiError;

/// Longer texts are worked on elsewhere. Below, the work takes less time than most requests and the way to another
/// thread would cost more.
const LARGE: usize = 256 * 1024;

/// Does work on so many bytes: here if they are few, else on a thread for that.
///
/// # Errors
/// 500 if the work panics.
pub(crate) async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= LARGE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on a large text ended badly");
        ApiError::internal()
    })
}

/// Reads a body that must be JSON.
pub(crate) async fn parse(body: &Bytes) -> Result<Json, ApiError> {
    if body.len() <= LARGE {
        return parse_here(body);
    }
    let body = body.clone();
    work(body.len(), move || parse_here(&body)).await?
}

fn parse_here(body: &Bytes) -> Result<Json, ApiError> {
    Json::parse(body).map_err(|error| ApiError::malformed(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_here(bytes: usize) -> bool {
        let here = std::thread::current().id();
        let there = work(bytes, move || std::thread::current().id()).await;
        there.is_ok_and(|there| there == here)
    }

    #[tokio::test]
    async fn only_large_texts_leave_the_serving_thread() {
        assert!(is_here(LARGE).await);
        assert!(!is_here(LARGE + 1).await);
    }

    #[tokio::test]
    async fn large_bodies_are_read_like_small_ones() {
        for size in [10, LARGE, 2 * LARGE] {
            let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(size));
            let parsed = parse(&Bytes::from(text.clone())).await;
            assert!(parsed.is_ok_and(|json| json.text() == text));
            let broken = Bytes::from(text.replace('}', ""));
            assert!(parse(&broken).await.is_err());
        }
    }
}
