//! Numbers in sentences, and where sentences go.

use std::io::{self, Write};

/// `1 spare`, `2 spares`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Writes a line to standard output, whose reader may have gone.
pub(crate) fn print(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a line to standard error. What cannot be told there is no reason to
/// stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
