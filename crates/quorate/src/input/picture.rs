//! PNG and JPEG pictures, turned upright and resized to the model's input.

use std::io::Cursor;

use anyhow::{Context, bail, ensure};
use image::imageops::{FilterType, resize};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::items::Items;
use super::target::Target;

/// The longest side of a picture.
const SIDE_MAX: u32 = 16_384;
/// The most memory that decoding may take.
const DECODE_BYTES_MAX: u64 = 256 << 20;

/// Whether `bytes` begin as a PNG or JPEG file does.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    matches!(image::guess_format(bytes), Ok(ImageFormat::Png | ImageFormat::Jpeg))
}

/// A picture of the model's channels, height and width.
pub(super) struct Picture {
    /// Channel by channel, 0 to 255.
    planes: Vec<u8>,
}

impl Picture {
    /// Decodes a picture. One of another size is stretched to the model's; an
    /// alpha channel is dropped.
    pub(super) fn new(bytes: &[u8], target: &Target) -> anyhow::Result<Picture> {
        let (channels, height, width) = target.picture()?;
        let side = |n: usize| u32::try_from(n).ok().filter(|&n| n <= SIDE_MAX);
        let (Some(height), Some(width)) = (side(height), side(width)) else {
            bail!("the model's input is {:?}, a picture has sides up to {SIDE_MAX}", target.shape);
        };
        ensure!(
            channels == 1 || channels == 3,
            "the model's input has {channels} channels, a picture has 1 or 3"
        );
        let picture = decode(bytes)?;
        let (triangle, same) = (FilterType::Triangle, (width, height));
        let planes = if channels == 1 {
            let grey = picture.into_luma8();
            let fits = grey.dimensions() == same;
            if fits { grey } else { resize(&grey, width, height, triangle) }.into_raw()
        } else {
            let colour = picture.into_rgb8();
            let fits = colour.dimensions() == same;
            let colour = if fits { colour } else { resize(&colour, width, height, triangle) };
            let of = |channel| colour.iter().copied().skip(channel).step_by(3);
            (0..3).flat_map(of).collect()
        };
        Ok(Picture { planes })
    }
}

fn decode(bytes: &[u8]) -> anyhow::Result<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().context("the picture is damaged or too large")?;
    let (width, height) = decoder.dimensions();
    ensure!(
        decoder.total_bytes() <= DECODE_BYTES_MAX,
        "its {width} x {height} pixels take {} bytes, limit {DECODE_BYTES_MAX}",
        decoder.total_bytes()
    );
    // Cameras save what the sensor saw and note how it was held.
    let orientation = decoder.orientation();
    let mut picture =
        DynamicImage::from_decoder(decoder).context("the picture is damaged or too large")?;
    if let Ok(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

impl Items for Picture {
    fn count(&self) -> usize {
        1
    }

    fn values(&self, _index: usize) -> Vec<f32> {
        self.planes.iter().map(|&b| f32::from(b)).collect()
    }

    fn scale(&self) -> f32 {
        1.0 / 255.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use image::{GrayImage, RgbImage};

    use super::*;

    pub(in super::super) fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// 2 x 1 pixels, of two colours.
    pub(in super::super) fn colours() -> DynamicImage {
        RgbImage::from_raw(2, 1, vec![10, 20, 30, 40, 50, 60]).unwrap().into()
    }

    #[test]
    fn channel_by_channel() {
        let bytes = encode(&colours(), ImageFormat::Png);
        let picture = Picture::new(
            &bytes,
            &Target::new(quorate_model::tensor::DType::F32, &[1, 3, 1, 2]).unwrap(),
        )
        .unwrap();
        assert_eq!(picture.values(0), [10.0, 40.0, 20.0, 50.0, 30.0, 60.0]);
    }

    #[test]
    fn grey_becomes_colour_and_back() {
        let grey = GrayImage::from_raw(2, 1, vec![7, 9]).unwrap();
        let bytes = encode(&grey.into(), ImageFormat::Png);
        let picture = Picture::new(
            &bytes,
            &Target::new(quorate_model::tensor::DType::F32, &[1, 3, 1, 2]).unwrap(),
        )
        .unwrap();
        assert_eq!(picture.values(0), [7.0, 9.0, 7.0, 9.0, 7.0, 9.0]);
        let white = RgbImage::from_pixel(1, 1, [255; 3].into());
        let bytes = encode(&white.into(), ImageFormat::Png);
        let picture = Picture::new(
            &bytes,
            &Target::new(quorate_model::tensor::DType::F32, &[1, 1, 1, 1]).unwrap(),
        )
        .unwrap();
        assert_eq!(picture.values(0), [255.0]);
    }

    #[test]
    fn another_size_is_stretched() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let even = RgbImage::from_pixel(40, 20, [100, 150, 200].into());
            let bytes = encode(&even.into(), format);
            assert!(is_picture(&bytes));
            let target = Target::new(quorate_model::tensor::DType::F32, &[1, 3, 8, 6]).unwrap();
            let values = Picture::new(&bytes, &target).unwrap().values(0);
            assert_eq!(values.len(), 3 * 8 * 6);
            for (plane, expected) in values.chunks(48).zip([100.0, 150.0, 200.0]) {
                assert!(plane.iter().all(|v: &f32| (v - expected).abs() <= 2.0), "{plane:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let bytes = encode(&colours(), ImageFormat::Png);
        let message = |bytes: &[u8], shape: &[usize]| {
            Picture::new(bytes, &Target::new(quorate_model::tensor::DType::F32, shape).unwrap())
                .err()
                .unwrap()
                .to_string()
        };
        assert_eq!(
            message(&bytes, &[1, 4, 2, 2]),
            "the model's input has 4 channels, a picture has 1 or 3"
        );
        assert!(message(&bytes, &[6]).contains("a picture needs [1, channels, height, width]"));
        assert!(message(&bytes, &[1, 1, 1, 20_000]).contains("up to 16384"));
        let cut = &bytes[..bytes.len() / 2];
        assert_eq!(message(cut, &[1, 3, 1, 2]), "the picture is damaged or too large");
        // A header that claims 16000 x 16000 pixels of four channels.
        let mut large = encode(&colours().into_rgba16().into(), ImageFormat::Png);
        large[16..24].copy_from_slice(&[0, 0, 0x3e, 0x80, 0, 0, 0x3e, 0x80]);
        assert!(
            Picture::new(
                &large,
                &Target::new(quorate_model::tensor::DType::F32, &[1, 3, 1, 2]).unwrap()
            )
            .is_err()
        );
    }
}
