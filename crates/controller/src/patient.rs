//! Connections whose peer must take what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// So many bytes count as progress; fewer do not, or a peer could hold an answer in memory for ever by taking a byte
/// now and then.
const PROGRESS: usize = 64 * 1024;

/// A stream that fails when its peer takes nothing for too long.
///
/// No timer runs while the peer keeps up.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    stall: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    over: Pin<Box<Sleep>>,
    /// Taken since.
    bytes: usize,
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
        match (written, &mut self.stall) {
            (Poll::Ready(Ok(bytes)), stall) => {
                if let Some(found) = stall {
                    found.bytes += bytes;
                    if found.bytes >= PROGRESS {
                        *stall = None;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            (Poll::Pending, stall) => {
                let patience = self.patience;
                let stall = stall.get_or_insert_with(|| Stall {
                    over: Box::pin(tokio::time::sleep(patience)),
                    bytes: 0,
                });
                match stall.over.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
            (failed, _) => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
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

    /// Is asked for when all that was to be written is: the peer keeps up again.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stall = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    #[tokio::test(start_paused = true)]
    async fn patience_begins_anew_with_each_answer() {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE);
        for _ in 0..3 {
            let answer = async {
                ours.write_all(&[7; 2048]).await?;
                ours.flush().await
            };
            let mut taken = [0; 2048];
            let slow = async {
                tokio::time::sleep(PATIENCE * 9 / 10).await;
                peer.read_exact(&mut taken).await
            };
            let (sent, got) = tokio::join!(answer, slow);
            sent.unwrap();
            got.unwrap();
        }
    }
}
