//! Connections whose peer must take what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// So many bytes count as progress; fewer do not, or a peer could hold an answer in memory for ever by taking a byte
/// now and then.
const PROGRESS: usize = 64 * 1024;

/// A stream that fails when its peer takes nothing for too long.
///
/// The time begins anew with 64 KiB taken and with the next request, not with parts of an answer that are flushed one
/// by one. No timer runs while the peer keeps up.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    stall: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    /// What may still be waited.
    left: Duration,
    /// Taken since the first wait.
    bytes: usize,
    /// The wait that goes on, and when it began.
    wait: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Stall {
    /// Notes that the peer took something; returns false if that is enough to forget the stall.
    fn goes_on(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        if let Some((_, began)) = self.wait.take() {
            self.left = self.left.saturating_sub(began.elapsed());
        }
        self.bytes < PROGRESS
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.left;
        let wait = || (Box::pin(tokio::time::sleep(left)), Instant::now());
        let (over, _) = self.wait.get_or_insert_with(wait);
        over.as_mut().poll(cx)
    }
}

impl<S> Patient<S> {
    /// Wraps a stream; `patience` is how long 64 KiB, or the end of a shorter answer, may take.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stall: None,
        }
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.stall.take_if(|stall| !stall.goes_on(bytes));
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let patience = self.patience;
                let stall = self.stall.get_or_insert_with(|| Stall {
                    left: patience,
                    bytes: 0,
                    wait: None,
                });
                let timed_out = || Err(io::ErrorKind::TimedOut.into());
                stall.poll_over(cx).map(|()| timed_out())
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            // The server reads no request before the answer to the last one is out.
            self.stall = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn peer_that_takes_nothing_is_given_up() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE);
        let failure = ours.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        let mut taken = Vec::new();
        peer.read_to_end(&mut taken).await.unwrap();
        assert_eq!(taken.len(), 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_takes_a_byte_now_and_then_is_given_up() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE);
        let reader = tokio::spawn(async move {
            while peer.read_u8().await.is_ok() {
                tokio::time::sleep(PATIENCE / 2).await;
            }
        });
        let failure = ours.write_all(&[0; 1 << 20]).await.unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        reader.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn slow_peer_gets_everything() {
        let (mut peer, ours) = tokio::io::duplex(PROGRESS);
        let mut ours = Patient::new(ours, PATIENCE);
        let writer = tokio::spawn(async move { ours.write_all(&[7; 10 * PROGRESS]).await });
        let mut taken = vec![0; PROGRESS];
        for _ in 0..10 {
            tokio::time::sleep(PATIENCE * 9 / 10).await;
            peer.read_exact(&mut taken).await.unwrap();
        }
        writer.await.unwrap().unwrap();
    }

    /// Sends an answer of 2 KiB to a peer that takes it late, but within the patience.
    async fn answer_slow_peer(
        ours: &mut Patient<DuplexStream>,
        peer: &mut DuplexStream,
    ) -> io::Result<()> {
        let answer = async {
            ours.write_all(&[7; 2048]).await?;
            ours.flush().await
        };
        let mut taken = [0; 2048];
        let slow = async {
            tokio::time::sleep(PATIENCE * 9 / 10).await;
            peer.read_exact(&mut taken).await
        };
        tokio::try_join!(answer, slow).map(|_| ())
    }

    #[tokio::test(start_paused = true)]
    async fn patience_begins_anew_with_each_request() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE);
        for _ in 0..3 {
            peer.write_all(b"GET").await.unwrap();
            ours.read_exact(&mut [0; 3]).await.unwrap();
            answer_slow_peer(&mut ours, &mut peer).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_does_not_begin_anew_with_each_part_of_an_answer() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE);
        answer_slow_peer(&mut ours, &mut peer).await.unwrap();
        let second = answer_slow_peer(&mut ours, &mut peer).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// The time in which the server has nothing to send is not the peer's.
    #[tokio::test(start_paused = true)]
    async fn time_without_anything_to_send_does_not_count() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE * 2);
        for _ in 0..2 {
            answer_slow_peer(&mut ours, &mut peer).await.unwrap();
            tokio::time::sleep(PATIENCE * 10).await;
        }
    }
}
