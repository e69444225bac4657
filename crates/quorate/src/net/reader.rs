//! Frames that come in over one connection, still encoded.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_core::frame::LENGTH_BYTES;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::time::timeout;

use super::stream::ReadHalf;
use super::traffic::Counted;

/// Whoever sends a frame more slowly than this holds what others need.
const BYTES_PER_S: f64 = 64.0 * 1024.0;

/// Reads one frame after the other.
pub(super) struct Reader {
    bytes: BufReader<Counted<ReadHalf>>,
    /// The longest that is read.
    longest: usize,
    /// How long nothing may come where the rest of a frame is due.
    stall: Duration,
}

impl Reader {
    /// Of frames that are no longer than `longest`.
    pub(super) fn new(read: Counted<ReadHalf>, longest: usize, stall: Duration) -> Reader {
        Reader { bytes: BufReader::new(read), longest, stall }
    }

    /// Reads longer frames from now on.
    pub(super) fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The length of the next frame, behind which its bytes come; `None` where
    /// the other side has ended.
    pub(super) async fn length(&mut self) -> io::Result<Option<usize>> {
        let mut length = [0; LENGTH_BYTES];
        if self.bytes.read(&mut length[..1]).await? == 0 {
            return Ok(None);
        }
        let rest = timeout(self.stall, self.bytes.read_exact(&mut length[1..]));
        rest.await.map_err(|_| stalled(self.stall))??;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.longest {
            let words = format!("a frame of {length} bytes, limit {}", self.longest);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(Some(length))
    }

    /// The bytes of the frame whose length has come.
    pub(super) async fn body(&mut self, length: usize) -> io::Result<Bytes> {
        let stall = self.stall;
        let longest = stall * 2 + Duration::from_secs_f64(length as f64 / BYTES_PER_S);
        // Memory is only touched as bytes come.
        let mut body = BytesMut::with_capacity(length);
        let mut rest = (&mut self.bytes).take(length as u64);
        let read = async {
            while body.len() < length {
                let read = timeout(stall, rest.read_buf(&mut body));
                if read.await.map_err(|_| stalled(stall))?? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            io::Result::Ok(())
        };
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "a frame came too slowly");
        timeout(longest, read).await.map_err(|_| too_slow())??;
        Ok(body.freeze())
    }
}

fn stalled(stall: Duration) -> io::Error {
    let words = format!("nothing of a frame came for {} ms", stall.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, words)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::net::stream::{Stream, WriteHalf};
    use crate::net::traffic::{Total, Traffic};

    const STALL: Duration = Duration::from_millis(200);

    fn pair() -> (Reader, WriteHalf) {
        let (one, other) = Stream::pair();
        let (read, _) = one.into_halves();
        let (_, write) = other.into_halves();
        let traffic = Arc::new(Traffic::new(Arc::new(Total::default())));
        (Reader::new(Counted::new(read, traffic), 100, STALL), write)
    }

    /// The frame, or why there is none.
    async fn next(reader: &mut Reader) -> Result<Option<Bytes>, String> {
        let read = async {
            let Some(length) = reader.length().await? else { return Ok(None) };
            reader.body(length).await.map(Some)
        };
        read.await.map_err(|error: io::Error| error.to_string())
    }

    #[tokio::test]
    async fn frames_of_any_length_come_one_after_the_other() {
        let (mut reader, mut write) = pair();
        let sent = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d";
        write.write_all(sent).await.unwrap();
        drop(write);
        for expected in [&b"abc"[..], b"", b"d"] {
            assert_eq!(next(&mut reader).await, Ok(Some(Bytes::from_static(expected))));
        }
        assert_eq!(next(&mut reader).await, Ok(None));
    }

    #[tokio::test]
    async fn what_is_too_long_or_has_no_end_is_an_error() {
        for (sent, said) in [
            (&b"\0\0\x01\0"[..], "a frame of 256 bytes, limit 100"),
            (b"\0\0\0\x03ab", "unexpected end of file"),
            (b"\0\0", "early eof"),
        ] {
            let (mut reader, mut write) = pair();
            write.write_all(sent).await.unwrap();
            drop(write);
            assert_eq!(next(&mut reader).await, Err(said.to_owned()));
        }
    }

    #[tokio::test]
    async fn who_stops_in_the_middle_is_not_waited_for() {
        for sent in [&b"\0\0"[..], b"\0\0\0\x03ab"] {
            let (mut reader, mut write) = pair();
            write.write_all(sent).await.unwrap();
            let said = next(&mut reader).await.unwrap_err();
            assert_eq!(said, "nothing of a frame came for 200 ms");
            drop(write);
        }
    }
}
