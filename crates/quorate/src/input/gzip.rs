//! Gzipped files, unpacked up to a limit.

use std::borrow::Cow;
use std::io::Read;

use anyhow::{Context, ensure};

/// `bytes` as they are, or unpacked if they are gzipped. A small file may
/// unpack to a very large one: over `limit` bytes it is an error.
pub(super) fn unpack(bytes: &[u8], limit: u64) -> anyhow::Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .context("its gzip data is damaged")?;
    ensure!(unpacked.len() as u64 <= limit, "it unpacks to more than {limit} bytes, the limit");
    Ok(Cow::Owned(unpacked))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn unpacks_up_to_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(&[7; 1000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(&packed, 1000).unwrap(), vec![7; 1000]);
        let error = unpack(&packed, 999).unwrap_err().to_string();
        assert_eq!(error, "it unpacks to more than 999 bytes, the limit");
        assert!(unpack(&packed[..20], 1000).is_err());
        assert_eq!(unpack(b"plain", 1).unwrap(), &b"plain"[..]);
    }
}
