//! QR codes: how the seed of a virtual MFA device gets into a phone.
//!
//! Black on white with the quiet zone of four modules that readers need, error correction level M. The same text gives
//! the same bytes. A picture is as secret as its text.

use std::fmt::Write as _;

use qrcode::{Color, QrCode};

/// A text of more than some 2,300 bytes: no QR code holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

/// The code as a PNG of 200–300 pixels a side; more only for texts of several hundred bytes.
///
/// # Errors
/// [`TooLong`].
pub fn png(text: &str) -> Result<Vec<u8>, TooLong> {
    let code = Code::of(text)?;
    let scale = (PIXELS_MAX / code.side()).max(PIXELS_MODULE_MIN);
    let pixels = code.side() * scale;
    let mut image = Vec::with_capacity(pixels * pixels.div_ceil(8));
    for y in 0..code.side() {
        let row = row(&code, y, scale);
        (0..scale).for_each(|_| image.extend_from_slice(&row));
    }
    let mut png = Vec::new();
    let side = u32::try_from(pixels).map_err(|_| TooLong)?;
    let mut encoder = png::Encoder::new(&mut png, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    // Writing to memory fails for no size that a QR code can have.
    let mut writer = encoder.write_header().map_err(|_| TooLong)?;
    writer.write_image_data(&image).map_err(|_| TooLong)?;
    writer.finish().map_err(|_| TooLong)?;
    Ok(png)
}

/// The code as an `<svg>` element to be put into a page. One unit is one module; the page says how large it is shown.
///
/// # Errors
/// [`TooLong`].
pub fn svg(text: &str) -> Result<String, TooLong> {
    let code = Code::of(text)?;
    let side = code.side();
    let mut path = String::new();
    for y in 0..side {
        for x in (0..side).filter(|x| code.is_dark(*x, y)) {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h1v1h-1z");
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
    ))
}

/// A row of pixels, eight a byte from the highest bit down, light ones set; the last byte is filled up with light.
fn row(code: &Code, y: usize, scale: usize) -> Vec<u8> {
    let pixels: Vec<bool> = (0..code.side() * scale).map(|x| !code.is_dark(x / scale, y)).collect();
    let byte =
        |pixels: &[bool]| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(*pixels.get(bit).unwrap_or(&true)));
    pixels.chunks(8).map(byte).collect()
}

/// The modules, with the quiet zone around them.
struct Code {
    dark: Vec<bool>,
    width: usize,
}

impl Code {
    fn of(text: &str) -> Result<Self, TooLong> {
        let code = QrCode::new(text).map_err(|_| TooLong)?;
        let width = code.width();
        let dark = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Self { dark, width })
    }

    /// Modules a side.
    fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        let at = inside(x).zip(inside(y)).map(|(x, y)| y * self.width + x);
        at.and_then(|at| self.dark.get(at)).is_some_and(|dark| *dark)
    }
}

/// Modules of white on each side, by ISO/IEC 18004.
const QUIET: usize = 4;

/// How large pictures may be, as long as a module has [`PIXELS_MODULE_MIN`].
const PIXELS_MAX: usize = 300;
const PIXELS_MODULE_MIN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totp::Seed;

    /// Pixels, row by row, true where light; and how many a side.
    struct Picture {
        light: Vec<bool>,
        side: usize,
    }

    impl Picture {
        fn of_png(bytes: &[u8]) -> Self {
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut image = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut image).unwrap();
            assert_eq!((info.width, info.color_type), (info.height, png::ColorType::Grayscale));
            let side = info.width as usize;
            let light = (0..side * side)
                .map(|at| image[at / side * info.line_size + at % side / 8] >> (7 - at % side % 8) & 1 == 1)
                .collect();
            Self { light, side }
        }

        /// Draws the squares of the path, each ten pixels a side.
        fn of_svg(svg: &str) -> Self {
            let (_, rest) = svg.split_once("viewBox=\"0 0 ").unwrap();
            let side = 10 * rest.split_once(' ').unwrap().0.parse::<usize>().unwrap();
            let mut light = vec![true; side * side];
            let (_, path) = svg.rsplit_once("d=\"").unwrap();
            for square in path.split('M').skip(1) {
                let (x, rest) = square.split_once(' ').unwrap();
                let (y, rest) = rest.split_once('h').unwrap();
                assert!(rest.starts_with("1v1h-1z"));
                let [x, y] = [x, y].map(|at| 10 * at.parse::<usize>().unwrap());
                for at in (0..100).map(|at| (y + at / 10) * side + x + at % 10) {
                    light[at] = false;
                }
            }
            Self { light, side }
        }

        fn read(&self) -> String {
            let pixel = |x, y| if self.light[y * self.side + x] { 255 } else { 0 };
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(self.side, self.side, pixel);
            let grids = image.detect_grids();
            assert_eq!(grids.len(), 1);
            grids[0].decode().unwrap().1
        }

        /// The first dark pixel is where the quiet zone ends.
        fn quiet(&self) -> usize {
            self.light.iter().position(|light| !light).unwrap() / self.side
        }
    }

    fn uri(device: &str, holder: &str) -> String {
        Seed::from_bytes(&[0x5a; 40]).unwrap().uri(device, holder).to_string()
    }

    #[test]
    fn both_pictures_read_back() {
        let longest = uri(&"d".repeat(226), &"u".repeat(64));
        for text in ["a", "Grüße", &uri("phone", "123456789012"), &longest, &"x".repeat(2_000)] {
            assert_eq!(Picture::of_png(&png(text).unwrap()).read(), text);
            assert_eq!(Picture::of_svg(&svg(text).unwrap()).read(), text);
        }
    }

    #[test]
    fn picture_of_a_seed_is_of_handy_size_with_a_quiet_zone() {
        for (device, holder) in [("a", "b"), ("phone", "123456789012"), (&*"d".repeat(226), &*"u".repeat(64))]
        {
            let picture = Picture::of_png(&png(&uri(device, holder)).unwrap());
            assert!((200..=300).contains(&picture.side), "{}", picture.side);
            // Codes have 21, 25, 29, … modules a side.
            let module = picture.quiet() / QUIET;
            assert!(module >= PIXELS_MODULE_MIN);
            assert_eq!(
                (picture.side / module - 2 * QUIET) % 4,
                1,
                "quiet zones of four modules and whole modules"
            );
        }
    }

    #[test]
    fn same_text_gives_the_same_bytes() {
        let text = uri("phone", "ann");
        assert_eq!((png(&text), svg(&text)), (png(&text), svg(&text)));
        assert_ne!(png(&text), png(&uri("phone", "bob")));
    }

    #[test]
    fn text_that_no_code_holds_is_refused() {
        let text = "x".repeat(2_400);
        assert_eq!((png(&text), svg(&text)), (Err(TooLong), Err(TooLong)));
    }
}
