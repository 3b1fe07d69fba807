//! Answers that the HTTP library writes by itself, to a head that it can't read or that is too long: they come from
//! beneath every handler, and it has no place to say what else stands in them. So they are met on their way out, and get
//! the headers of every other answer. Over HTTP/2 its one such answer (431) is compressed and goes as it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How they begin.
const BEGINNINGS: [&[u8]; 3] = [b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];
/// How they end: they have no body.
const END: &[u8] = b"\r\n\r\n";
/// What stands in each answer of ours.
const OURS: &[u8] = b"x-content-type-options";

/// A connection on which no answer goes out bare.
pub(super) struct Covered<I> {
    io: I,
    /// The lines that are added.
    lines: Arc<[u8]>,
    /// An answer with its lines, of which so many bytes are written.
    answer: Option<(Vec<u8>, usize)>,
}

impl<I> Covered<I> {
    pub(super) fn new(io: I, lines: Arc<[u8]>) -> Self {
        Self {
            io,
            lines,
            answer: None,
        }
    }
}

/// Whether this is a whole answer without a header of ours.
fn is_bare(bytes: &[u8]) -> bool {
    BEGINNINGS.iter().any(|start| bytes.starts_with(start))
        && bytes.ends_with(END)
        && memchr::memmem::find(bytes, OURS).is_none()
}

impl<I: AsyncWrite + Unpin> Covered<I> {
    /// Writes the covered answer, all of it.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, written)) = &mut self.answer {
            let rest = answer.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.answer = None;
                break;
            }
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Covered<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.answer.is_none() {
            if !is_bare(bytes) {
                return Pin::new(&mut self.io).poll_write(cx, bytes);
            }
            // The last line's end stays, the empty line goes behind ours.
            let (head, empty) = bytes.split_at(bytes.len() - 2);
            let answer = [head, &self.lines, empty].concat();
            self.answer = Some((answer, 0));
        }
        // Until it is written the caller comes back with the same bytes.
        ready!(self.poll_answer(cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        match first {
            Some(first) if self.answer.is_some() || is_bare(first) => self.poll_write(cx, first),
            _ => Pin::new(&mut self.io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Covered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const BARE: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    /// What arrives of these writes, over a wire that takes few bytes at a time.
    async fn arrives(writes: &[&[u8]]) -> String {
        let (near, mut far) = tokio::io::duplex(7);
        let mut near = Covered::new(near, b"x-ours: 1\r\n".as_slice().into());
        let writes: Vec<Vec<u8>> = writes.iter().map(|bytes| bytes.to_vec()).collect();
        let writing = tokio::spawn(async move {
            for bytes in writes {
                near.write_all(&bytes).await.expect("writes");
            }
        });
        let mut text = String::new();
        far.read_to_string(&mut text).await.expect("reads");
        writing.await.expect("ends");
        text
    }

    #[tokio::test]
    async fn a_bare_answer_gets_our_lines_and_nothing_else_does() {
        let covered = arrives(&[BARE]).await;
        let expected = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\nx-ours: 1\r\n\r\n";
        assert_eq!(covered, expected);
        let ours =
            b"HTTP/1.1 400 Bad Request\r\nx-content-type-options: nosniff\r\n\r\n".as_slice();
        let fine = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".as_slice();
        let longer = [BARE, b"more"].concat();
        for plain in [ours, fine, &longer, b"", b"any bytes"] {
            assert_eq!(arrives(&[plain]).await.as_bytes(), plain);
        }
        let both = arrives(&[fine, BARE]).await;
        assert!(both.starts_with("HTTP/1.1 200") && both.ends_with(expected));
    }
}
