//! Panics of backends: a fault of one container or one read must not take the invoker's books with it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The backend's code panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the backend panicked")]
pub(crate) struct Panicked;

/// Awaits a call of a backend; a panic of it is logged and returned as an error.
///
/// What the future touched is not used again after a panic, except through the backend's own handles: a container is
/// given up, a store is asked anew.
pub(crate) async fn caught<T>(call: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut call = pin!(call);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => {
                tracing::error!(panic = text_of(&*payload), "a backend panicked");
                Poll::Ready(Err(Panicked))
            }
        },
    )
    .await
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_becomes_an_error_and_a_value_stays_one() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let panics = caught(async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "broken");
        });
        assert_eq!(panics.await, Err(Panicked));
    }
}
