//! Answers on the wire.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::desk::Sink;
use crate::net::wire::{Buffers, Wire};

/// Most connections of mail programs are idle; a message that is put into a folder comes in large pieces.
pub(super) const BUFFERS: Buffers = Buffers {
    idle: 1024,
    most: 64 * 1024,
    output: 32 * 1024,
};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Wire<S> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.output()
    }

    async fn relieve(&mut self) -> io::Result<()> {
        Self::relieve(self).await
    }

    async fn gone(&mut self) -> io::Error {
        // Who says as much as is held at once waits for an answer.
        while self.input().len() < BUFFERS.most {
            if let Err(gone) = self.read().await {
                return gone;
            }
        }
        std::future::pending().await
    }
}
