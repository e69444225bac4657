//! What a file is that is no model.

/// Files that are taken for models by mistake: how they begin, and what they
/// are.
const KINDS: &[(&[u8], &str)] = &[
    (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull` where it came from"),
    (b"PK\x03\x04", "a ZIP archive (a PyTorch file or a packed folder): unpack or export it"),
    (b"\x1f\x8b", "compressed by gzip: unpack it"),
    (b"\x89HDF", "an HDF5 file (a Keras model): export it to ONNX"),
    (b"\x80\x02", "a Python pickle (a PyTorch file): export it to ONNX"),
    (b"\x80\x04", "a Python pickle: export it to ONNX"),
    (b"GGUF", "a GGUF file"),
    (b"ORTM", "in ONNX Runtime's own format (.ort): take the ONNX file that it was made of"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x7fELF", "a program"),
];

/// What `bytes`, which are no model, are.
pub(super) fn of(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("empty".to_owned());
    }
    if let Some((_, kind)) = KINDS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Some((*kind).to_owned());
    }
    // TensorFlow Lite has its mark behind four bytes.
    if bytes.get(4..8) == Some(b"TFL3") {
        return Some("a TensorFlow Lite model: export it to ONNX".to_owned());
    }
    let head = &bytes[..bytes.len().min(512)];
    let text = std::str::from_utf8(head).ok()?;
    let printable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    let start: String = text.chars().take(40).collect();
    text.chars().all(printable).then(|| format!("a text, which begins {:?}", start.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_models_are_known() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "empty"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"PK\x03\x04....", "ZIP"),
            (b"import torch\n", "a text, which begins \"import torch\""),
            (b"....TFL3", "TensorFlow Lite"),
            (b"<!DOCTYPE html>", "web page"),
        ];
        for (bytes, word) in cases {
            let kind = of(bytes).unwrap();
            assert!(kind.contains(word), "{kind}");
        }
        assert_eq!(of(include_bytes!("../../../../assets/lenet5.onnx")), None);
    }
}
