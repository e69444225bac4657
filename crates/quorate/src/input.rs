//! What a user hands in: pictures, arrays and data sets, as tensors of the
//! model's input.
//!
//! ```text
//! file -> gunzip -> format (by its first bytes) -> items -> preprocess -> tensors
//! ```
//!
//! A file's sizes are held against its true length and against fixed limits
//! before anything is allocated for them.

mod cifar;
mod gzip;
mod idx;
mod items;
mod limits;
mod npy;
mod npz;
mod picture;
mod preprocess;
#[cfg(not(fuzzing))]
mod request;
mod seeded;
mod target;

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use quorate_model::tensor::{DType, Tensor};

pub use npz::{read_npz, read_npz_bytes, write_npz};
pub use preprocess::{Preprocess, parse_fraction};
#[cfg(not(fuzzing))]
pub use request::{Requests, requests, seeded_requests};
pub use seeded::{seeded, seeded_typed};

use items::Items;
use limits::{FILE_BYTES_MAX, TENSOR_BYTES_MAX};
use target::Target;

/// What an input file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A PNG or JPEG picture: one input.
    Picture,
    /// A NumPy array: one input, or a batch of them.
    Npy,
    /// A data set in MNIST's format.
    Idx,
    /// A CIFAR-10 binary batch, which carries labels.
    Cifar,
}

/// The inputs that a file holds.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// One tensor an input, of the model's shape.
    pub tensors: Vec<Tensor>,
    /// The right class of each input, where the file tells.
    pub labels: Option<Vec<u8>>,
    /// What the file turned out to be.
    pub kind: InputKind,
}

/// Reads the first `limit` inputs of `path` for a model whose f32 input has
/// `shape`; all of them without a limit.
pub fn read(
    path: &Path,
    shape: &[usize],
    pre: &Preprocess,
    limit: Option<usize>,
) -> anyhow::Result<Inputs> {
    read_typed(path, DType::F32, shape, pre, limit)
}

/// As [`read`], for an input of any element type. Preprocessing is for floats;
/// other numbers are taken as they come, the bytes of pictures too.
pub fn read_typed(
    path: &Path,
    dtype: DType,
    shape: &[usize],
    pre: &Preprocess,
    limit: Option<usize>,
) -> anyhow::Result<Inputs> {
    let name = path.display().to_string();
    let read = || convert(&name, &read_file(path)?, &Target::new(dtype, shape)?, pre, limit);
    read().with_context(|| format!("cannot read input {name}"))
}

/// As [`read`], for bytes that are already here; `name` stands for the path.
pub fn read_bytes(
    name: &str,
    bytes: &[u8],
    shape: &[usize],
    pre: &Preprocess,
    limit: Option<usize>,
) -> anyhow::Result<Inputs> {
    let read = || convert(name, bytes, &Target::new(DType::F32, shape)?, pre, limit);
    read().with_context(|| format!("cannot read input {name}"))
}

/// Reads the labels that go with an IDX data set.
pub fn read_labels(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display().to_string();
    let bytes = read_file(path).with_context(|| format!("cannot read labels {name}"))?;
    read_labels_bytes(&name, &bytes)
}

/// As [`read_labels`], for bytes that are already here.
pub fn read_labels_bytes(name: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    gzip::unpack(bytes, FILE_BYTES_MAX)
        .and_then(|bytes| idx::labels(&bytes))
        .with_context(|| format!("cannot read labels {name}"))
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(read as u64 <= FILE_BYTES_MAX, "more than {FILE_BYTES_MAX} bytes, the limit");
    Ok(bytes)
}

fn convert(
    name: &str,
    bytes: &[u8],
    target: &Target,
    pre: &Preprocess,
    limit: Option<usize>,
) -> anyhow::Result<Inputs> {
    let (dtype, shape) = (target.dtype, target.shape);
    let float = matches!(dtype, DType::F32 | DType::F16 | DType::F64);
    pre.check(target.channels)?;
    ensure!(
        float || *pre == Preprocess::default(),
        "the model's input is {dtype}: --scale, --mean and --std are for floats"
    );
    let bytes: Cow<[u8]> = gzip::unpack(bytes, FILE_BYTES_MAX)?;
    let (kind, items) = open(name, &bytes, target)?;
    let count = items.count().min(limit.unwrap_or(usize::MAX));
    ensure!(count > 0, "it holds no inputs");
    let needed = target.elements.saturating_mul(dtype.size()).saturating_mul(count);
    ensure!(
        needed <= TENSOR_BYTES_MAX,
        "{count} inputs of {shape:?} take {needed} bytes, limit {TENSOR_BYTES_MAX}: read fewer"
    );
    let tensor = |index| {
        if let Some(data) = items.exact(index, dtype).filter(|_| *pre == Preprocess::default()) {
            return Tensor::new(dtype, shape.to_vec(), data.into()).map_err(anyhow::Error::from);
        }
        let mut values = items.values(index);
        if float {
            pre.apply(&mut values, target.channels, items.scale());
        }
        if dtype == DType::F32 {
            return Tensor::from_f32(shape.to_vec(), &values).map_err(anyhow::Error::from);
        }
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        Ok(Tensor::from_numbers(dtype, shape.to_vec(), &values)?)
    };
    let tensors = (0..count).map(tensor).collect::<anyhow::Result<Vec<_>>>()?;
    let labels = (0..count).map(|index| items.label(index)).collect();
    Ok(Inputs { tensors, labels, kind })
}

/// Finds out what `bytes` are. CIFAR batches have no mark of their own and
/// are known by their name.
fn open<'a>(
    name: &str,
    bytes: &'a [u8],
    target: &Target,
) -> anyhow::Result<(InputKind, Box<dyn Items + 'a>)> {
    let stem = name.strip_suffix(".gz").unwrap_or(name);
    Ok(if picture::is_picture(bytes) {
        (InputKind::Picture, Box::new(picture::Picture::new(bytes, target)?))
    } else if npy::is_npy(bytes) {
        (InputKind::Npy, Box::new(npy::Npy::new(bytes, target)?))
    } else if stem.ends_with(".bin") {
        (InputKind::Cifar, Box::new(cifar::Cifar::new(bytes, target)?))
    } else if idx::is_idx(bytes) {
        (InputKind::Idx, Box::new(idx::Idx::new(bytes, target)?))
    } else {
        bail!(
            "it is none of PNG, JPEG, NumPy (.npy), IDX and CIFAR-10 (.bin), nor one of them gzipped"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use image::ImageFormat;

    use super::*;

    const DIGITS: &[u8] = include_bytes!("../../../assets/mnist-t10k-images-idx3-ubyte.gz");
    const LABELS: &[u8] = include_bytes!("../../../assets/mnist-t10k-labels-idx1-ubyte.gz");

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// One small file of each kind, with the shape it fits.
    fn samples() -> Vec<(&'static str, Vec<u8>, Vec<usize>, InputKind)> {
        let colours = picture::tests::colours();
        let png = picture::tests::encode(&colours, ImageFormat::Png);
        let jpeg = picture::tests::encode(&colours, ImageFormat::Jpeg);
        let npy = npy::tests::file("<f4", "(2, 3)", &[0; 24]);
        let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        idx.extend([0, 51, 102, 255]);
        vec![
            ("a.png", png, vec![1, 3, 1, 2], InputKind::Picture),
            ("a.jpg", jpeg, vec![1, 1, 2, 2], InputKind::Picture),
            ("a.npy", npy, vec![1, 3], InputKind::Npy),
            ("a-idx3-ubyte.gz", gzipped(&idx), vec![1, 1, 1, 2], InputKind::Idx),
            ("a-idx3-ubyte", idx, vec![1, 2], InputKind::Idx),
            ("a.bin", vec![5; 2 * 3073], vec![1, 3, 32, 32], InputKind::Cifar),
        ]
    }

    #[test]
    fn each_kind_is_known() {
        for (name, bytes, shape, kind) in samples() {
            let inputs = read_bytes(name, &bytes, &shape, &Preprocess::default(), None).unwrap();
            assert_eq!(inputs.kind, kind, "{name}");
            let labels = (kind == InputKind::Cifar).then(|| vec![5, 5]);
            assert_eq!(inputs.labels, labels, "{name}");
            assert!(inputs.tensors.iter().all(|t| t.shape() == shape), "{name}");
            let one = read_bytes(name, &bytes, &shape, &Preprocess::default(), Some(1)).unwrap();
            assert_eq!(one.tensors, inputs.tensors[..1], "{name}");
        }
    }

    #[test]
    fn the_mnist_test_digits() {
        let pre = Preprocess::default();
        let inputs = read_bytes("digits", DIGITS, &[1, 1, 28, 28], &pre, None).unwrap();
        assert_eq!(inputs.tensors.len(), 10_000);
        let first = inputs.tensors[0].to_f32().unwrap();
        assert_eq!(first.iter().copied().fold(0.0, f32::max), 1.0);
        let labels = read_labels_bytes("labels", LABELS).unwrap();
        assert_eq!((labels.len(), &labels[..4]), (10_000, &[7, 2, 1, 0][..]));
    }

    #[test]
    fn preprocessing_is_applied() {
        let (name, bytes, shape, _) = samples().swap_remove(4);
        let values = |pre: &Preprocess| {
            let inputs = read_bytes(name, &bytes, &shape, pre, Some(1)).unwrap();
            inputs.tensors[0].to_f32().unwrap()
        };
        assert_eq!(values(&Preprocess::default()), [0.0, 51.0 * (1.0 / 255.0)]);
        let pre = Preprocess { scale: Some(1.0), mean: vec![1.0], std: vec![2.0] };
        assert_eq!(values(&pre), [-0.5, 25.0]);
    }

    #[test]
    fn errors_name_the_file() {
        let message = |name, bytes: &[u8], shape: &[usize]| {
            let error = read_bytes(name, bytes, shape, &Preprocess::default(), None);
            format!("{:#}", error.unwrap_err())
        };
        assert_eq!(
            message("notes.txt", b"hello", &[1, 2]),
            "cannot read input notes.txt: it is none of PNG, JPEG, NumPy (.npy), IDX and \
             CIFAR-10 (.bin), nor one of them gzipped"
        );
        assert_eq!(
            message("a.bin", b"", &[1, 3, 32, 32]),
            "cannot read input a.bin: it holds no inputs"
        );
        let large = message("a.npy", &npy::tests::file("|u1", "(0, 9)", &[]), &[1, 9]);
        assert_eq!(large, "cannot read input a.npy: it holds no inputs");
        let missing = read(Path::new("no/such"), &[1], &Preprocess::default(), None);
        let missing = format!("{:#}", missing.unwrap_err());
        assert!(missing.starts_with("cannot read input no/such: "), "{missing}");
        let labels = format!("{:#}", read_labels_bytes("l", b"x").unwrap_err());
        assert_eq!(labels, "cannot read labels l: it does not begin as an IDX file does");
    }

    #[test]
    fn files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.gz");
        std::fs::write(&path, LABELS).unwrap();
        assert_eq!(read_labels(&path).unwrap().len(), 10_000);
        let path = folder.path().join("digits.gz");
        std::fs::write(&path, DIGITS).unwrap();
        let inputs = read(&path, &[1, 784], &Preprocess::default(), Some(3)).unwrap();
        assert_eq!(inputs.tensors.len(), 3);
    }

    /// Damaged files end in an error or in tensors of the right shape.
    #[test]
    fn damaged_files_are_survived() {
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for (name, bytes, shape, _) in samples() {
            for _ in 0..2000 {
                let mut damaged = bytes.clone();
                for _ in 0..1 + random(4) {
                    // Mostly headers, which lie in front.
                    let reach = if random(4) == 0 { damaged.len() } else { damaged.len().min(64) };
                    damaged[random(reach)] = random(256) as u8;
                }
                damaged.truncate(damaged.len() - random(4).saturating_sub(2));
                let read = read_bytes(name, &damaged, &shape, &Preprocess::default(), Some(4));
                if let Ok(inputs) = read {
                    assert!(inputs.tensors.iter().all(|t| t.shape() == shape));
                }
                let _ = read_labels_bytes(name, &damaged);
            }
        }
    }
}
