//! NumPy's archives of several arrays: `.npy` files in a ZIP file, read into
//! tensors and written from them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use quorate_model::tensor::{DType, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::limits::FILE_BYTES_MAX;
use super::npy;

/// Most arrays of one archive.
const ARRAYS_MAX: usize = 10_000;

/// The arrays of the archive at `path` by their names, each of its own type.
pub fn read_npz(path: &Path) -> anyhow::Result<Vec<(String, Tensor)>> {
    let read = || arrays(BufReader::new(File::open(path)?));
    read().with_context(|| format!("cannot read arrays {}", path.display()))
}

/// The arrays of the archive in `bytes` by their names, each of its own type.
pub fn read_npz_bytes(bytes: &[u8]) -> anyhow::Result<Vec<(String, Tensor)>> {
    arrays(std::io::Cursor::new(bytes))
}

fn arrays(file: impl Read + Seek) -> anyhow::Result<Vec<(String, Tensor)>> {
    let mut archive = ZipArchive::new(file).context("it is no ZIP file, which .npz files are")?;
    ensure!(archive.len() <= ARRAYS_MAX, "{} arrays, limit {ARRAYS_MAX}", archive.len());
    let (mut tensors, mut left) = (Vec::new(), FILE_BYTES_MAX);
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let name = entry.name()?.trim_end_matches(".npy").to_owned();
        // The size that the archive tells may be a lie.
        let mut bytes = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut bytes)? as u64;
        let Some(rest) = left.checked_sub(read) else {
            bail!("its arrays are over {FILE_BYTES_MAX} bytes, the limit");
        };
        left = rest;
        let tensor = npy::tensor(&bytes).with_context(|| format!("array {name}"))?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

/// Writes arrays under their names as an archive that NumPy reads.
pub fn write_npz(path: &Path, arrays: &[(String, Tensor)]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let mut archive = ZipWriter::new(BufWriter::new(File::create(path)?));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        for (name, tensor) in arrays {
            archive.start_file(format!("{name}.npy"), options)?;
            archive.write_all(&npy::header(descr(tensor.dtype()), tensor.shape()))?;
            archive.write_all(tensor.data())?;
        }
        archive.finish()?.flush()?;
        Ok(())
    };
    write().with_context(|| format!("cannot write arrays {}", path.display()))
}

/// NumPy's word for an element type.
fn descr(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "<f4",
        DType::F16 => "<f2",
        DType::F64 => "<f8",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::I16 => "<i2",
        DType::U16 => "<u2",
        DType::I32 => "<i4",
        DType::U32 => "<u4",
        DType::I64 => "<i8",
        DType::U64 => "<u8",
        DType::Bool => "|b1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let kinds = [DType::F32, DType::F16, DType::F64, DType::I8, DType::U8, DType::I16];
        let more = [DType::U16, DType::I32, DType::U32, DType::I64, DType::U64, DType::Bool];
        let kinds = kinds.into_iter().chain(more);
        let arrays: Vec<(String, Tensor)> = kinds
            .map(|kind| {
                let data: Vec<u8> = (0..6 * kind.size()).map(|i| (i % 2) as u8).collect();
                let tensor = Tensor::new(kind, vec![2, 1, 3], data.into()).unwrap();
                (format!("a/{kind}:0"), tensor)
            })
            .chain([("scalar".to_owned(), Tensor::from_f32(Vec::new(), &[2.5]).unwrap())])
            .collect();
        write_npz(&path, &arrays).unwrap();
        assert_eq!(read_npz(&path).unwrap(), arrays);
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        std::fs::write(&path, b"PK\x03\x04 and no more").unwrap();
        let error = format!("{:#}", read_npz(&path).unwrap_err());
        assert!(error.contains("no ZIP file"), "{error}");
    }
}
