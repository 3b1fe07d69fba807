//! Replies on the wire.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::limits::AUTH_LINE;
use crate::net::wire::{Buffers, Wire};
use crate::smtp::reply::Reply;

/// Room for the longest line, and for a TLS record's 16 KiB. Nobody idles here for long: it's there from the beginning.
pub(super) const BUFFERS: Buffers = Buffers {
    idle: 16 * 1024,
    most: 16 * 1024,
    output: 8 * 1024,
};
const _: () = assert!(BUFFERS.most > AUTH_LINE);

/// Puts a reply behind those that wait. They go out together, when all input is used up (RFC 2920 §3.2).
pub(super) async fn queue<S>(wire: &mut Wire<S>, reply: &Reply) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    reply.write_to(wire.output());
    wire.relieve().await
}

/// Says the last reply and closes.
pub(super) async fn close<S>(wire: Wire<S>, last: Option<&Reply>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut text = Vec::new();
    if let Some(reply) = last {
        reply.write_to(&mut text);
    }
    wire.close(&text).await
}
