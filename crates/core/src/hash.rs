//! SHA-256, written as hexadecimal digits.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`: 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
