//! Where answers go. They are collected and written in large pieces; between two of them a slow peer is waited for.

use std::fmt::Arguments;
use std::future::Future;
use std::io::{self, Write as _};

/// Where answers go.
pub(in crate::imap) trait Sink: Send {
    /// What is collected. Whoever has written much calls [`Sink::relieve`].
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Writes what was collected, if it is much.
    fn relieve(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until nobody is there any more to hear it. What comes meanwhile is kept.
    fn gone(&mut self) -> impl Future<Output = io::Error> + Send {
        std::future::pending()
    }

    /// One line.
    fn line(&mut self, line: Arguments<'_>) {
        let out = self.buffer();
        // A buffer takes all.
        let _ = out.write_fmt(line);
        out.extend_from_slice(b"\r\n");
    }
}
