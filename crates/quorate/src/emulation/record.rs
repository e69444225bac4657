//! A message on its way between two emulated processes.
//!
//! ```text
//! magic u32 | length u32 | start u64 | end u64 | length bytes     big endian
//! ```

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use quorate_core::cluster::Span;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAGIC: u32 = 0x5152_6d75;
/// Bytes before the message.
pub(super) const HEAD_BYTES: usize = 24;
/// Longest message.
const LENGTH_MAX: usize = 1 << 30;

/// The head of a message of `length` bytes that leaves its sender so.
pub(super) fn head(length: usize, left: Span) -> io::Result<[u8; HEAD_BYTES]> {
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= LENGTH_MAX);
    let length = length.ok_or_else(|| io::Error::other("message over 1 GiB"))?;
    let mut head = [0; HEAD_BYTES];
    let mut to = &mut head[..];
    to.put_u32(MAGIC);
    to.put_u32(length);
    to.put_u64(left.start);
    to.put_u64(left.end);
    Ok(head)
}

/// The next message, and when it left its sender; `None` at the end. Memory
/// grows with what has come, not with what is announced.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Span, Bytes)>> {
    let magic = match from.read_u32().await {
        Ok(magic) => magic,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let invalid = |words: &str| Err(io::Error::new(io::ErrorKind::InvalidData, words));
    if magic != MAGIC {
        return invalid("the other side is on no emulated network");
    }
    let length = from.read_u32().await? as usize;
    if length > LENGTH_MAX {
        return invalid("message over 1 GiB");
    }
    let left = Span { start: from.read_u64().await?, end: from.read_u64().await? };
    let mut bytes = BytesMut::new();
    let mut part = from.take(length as u64);
    while part.read_buf(&mut bytes).await? > 0 {}
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((left, bytes.freeze())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> io::Result<Option<(Span, Bytes)>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(read(&mut bytes))
    }

    #[test]
    fn there_and_back() {
        let left = Span { start: 5, end: 9 };
        let message = [&head(3, left).unwrap()[..], b"abc"].concat();
        let read = read_all(&message).unwrap();
        assert_eq!(read, Some((left, Bytes::from_static(b"abc"))));
        assert_eq!(read_all(&[]).unwrap(), None);
    }

    #[test]
    fn bad_bytes_are_told_apart() {
        let whole = [&head(3, Span { start: 0, end: 0 }).unwrap()[..], b"ab"].concat();
        assert_eq!(read_all(&whole).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let said = read_all(&[0; 64]).unwrap_err().to_string();
        assert_eq!(said, "the other side is on no emulated network");
        let mut long = head(3, Span { start: 0, end: 0 }).unwrap();
        long[4] = 0xff;
        assert_eq!(read_all(&long).unwrap_err().to_string(), "message over 1 GiB");
        assert!(head(LENGTH_MAX + 1, Span { start: 0, end: 0 }).is_err());
    }
}
