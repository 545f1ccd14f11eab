//! A stream whose first bytes were looked at: it gives them once more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::sniff::{Protocol, SNIFF_LEN, sniff};

/// How long a client may take for the bytes that say what it speaks.
pub(crate) const SNIFF_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads give the bytes that were looked at, then the stream's own; writes go straight through.
pub(crate) struct Replay<S> {
    stream: S,
    first: [u8; SNIFF_LEN],
    /// Of `first`, what was read from the stream and what was given again.
    read: usize,
    given: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Replay<S> {
    /// Reads until it is known what the stream speaks, at most [`SNIFF_LEN`] bytes and [`SNIFF_TIMEOUT`].
    ///
    /// # Errors
    /// The stream broke, ended, or was too slow before that.
    pub(crate) async fn sniff(stream: S) -> io::Result<(Protocol, Self)> {
        let mut replay = Self { stream, first: [0; SNIFF_LEN], read: 0, given: 0 };
        let protocol = timeout(SNIFF_TIMEOUT, replay.decide()).await.map_err(io::Error::from)??;
        Ok((protocol, replay))
    }

    async fn decide(&mut self) -> io::Result<Protocol> {
        loop {
            if let Some(protocol) = sniff(&self.first[..self.read]) {
                return Ok(protocol);
            }
            match self.stream.read(&mut self.first[self.read..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.read += len,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.read {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let len = buf.remaining().min(this.read - this.given);
        buf.put_slice(&this.first[this.given..this.given + len]);
        this.given += len;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_looked_at_is_read_again_in_whatever_pieces() {
        let (mut client, server) = duplex(64);
        client.write_all(b"\x00\x03").await.unwrap();
        let sniffing = tokio::spawn(Replay::sniff(server));
        tokio::task::yield_now().await;
        client.write_all(b"\x00\x00\x21\x12\xa4\x42rest").await.unwrap();
        let (protocol, mut stream) = sniffing.await.unwrap().unwrap();
        assert_eq!(protocol, Protocol::Turn);
        let mut piece = [0; 3];
        stream.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"\x00\x03\x00");
        let mut all = [0; 9];
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"\x00\x21\x12\xa4\x42rest");
        stream.write_all(b"back").await.unwrap();
        let mut back = [0; 4];
        client.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_too_little_is_dropped_in_time() {
        for first in [&b""[..], b"\x00", b"\x00\x03\x00\x00\x21\x12"] {
            let (mut client, server) = duplex(64);
            client.write_all(first).await.unwrap();
            let error = Replay::sniff(server).await.err().expect("undecided");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(client);
        }
        let (client, server) = duplex(64);
        drop(client);
        let error = Replay::sniff(server).await.err().expect("ended");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
