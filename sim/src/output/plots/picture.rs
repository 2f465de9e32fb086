//! A picture, and its two renderings: SVG, drawn by plotters, and PNG, made from that very SVG by resvg because
//! plotters' own bitmaps ignore the bearings of glyphs and so set text unevenly.
//!
//! plotters draws in whole units. A unit is half a pixel of the SVG in its natural size and one pixel of the PNG, so
//! the PNG is sharp on dense screens and in print.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend, WHITE};
use plotters::{coord::Shift, drawing::DrawingAreaErrorKind};
use resvg::{tiny_skia, usvg};

use super::theme::{self, BOLD_FONT, FONT_FAMILY, MARGIN, REGULAR_FONT, TOP, UNITS, WIDTH};

/// What plotters draws on.
pub(crate) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing returns.
pub(crate) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// A drawing with what is to be said about it.
pub(crate) struct Picture {
    /// Name of its files, without extension.
    pub(crate) name: &'static str,
    /// What it shows, for its heading and for readers who cannot see it. It has no characters that XML escapes.
    pub(crate) title: &'static str,
    /// One or two sentences on how to read it.
    pub(crate) explanation: String,
    height: u32,
    /// The elements of the SVG, and its end.
    elements: String,
}

impl Picture {
    /// A picture with its title, below which `draw` is given `height` units of room.
    pub(crate) fn new(
        (name, title, explanation): (&'static str, &'static str, String),
        height: u32,
        draw: impl FnOnce(&Canvas<'_>) -> Drawn,
    ) -> Picture {
        let height = TOP + height + MARGIN;
        let mut svg = String::new();
        let canvas = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = || {
            canvas.fill(&WHITE)?;
            canvas.draw_text(title, &theme::title(), (2 * MARGIN as i32, MARGIN as i32))?;
            draw(&canvas.margin(TOP, MARGIN, MARGIN, 0))?;
            canvas.present()
        };
        drawn().expect("a string takes every shape, and the fonts are bundled");
        drop(canvas);
        // The first line is plotters' opening tag.
        let elements = svg.split_once('\n').map(|(_, elements)| elements.to_owned()).unwrap_or_default();
        Picture { name, title, explanation, height, elements }
    }

    /// The SVG for a page that brings the font along.
    pub(crate) fn inline_svg(&self) -> String {
        self.svg("")
    }

    /// The SVG as a file of its own, with the font inside, so that it looks the same wherever it is shown.
    pub(crate) fn standalone_svg(&self) -> String {
        self.svg(&format!("<style>{}</style>\n", *FONT_FACES))
    }

    fn svg(&self, style: &str) -> String {
        let (width, height) = (WIDTH / UNITS, self.height / UNITS);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {}\" role=\"img\">\n<title>{}</title>\n{style}{}",
            self.height, self.title, self.elements
        )
    }

    /// The PNG, rendered from the SVG with the bundled font.
    pub(crate) fn png(&self) -> Result<Vec<u8>, String> {
        let options = usvg::Options { fontdb: Arc::clone(&FONTS), ..usvg::Options::default() };
        let tree = usvg::Tree::from_str(&self.inline_svg(), &options).map_err(|error| error.to_string())?;
        let mut pixels = tiny_skia::Pixmap::new(WIDTH, self.height).ok_or("the picture has no area")?;
        let scale = tiny_skia::Transform::from_scale(UNITS as f32, UNITS as f32);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| error.to_string())
    }
}

/// The style sheet that brings the bundled font into an SVG or a page.
pub(crate) static FONT_FACES: LazyLock<String> = LazyLock::new(|| {
    let face = |weight: &str, bytes: &[u8]| {
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!(
            "@font-face{{font-family:\"{FONT_FAMILY}\";font-weight:{weight};\
             src:url(data:font/ttf;base64,{data}) format(\"truetype\")}}"
        )
    };
    face("normal", REGULAR_FONT) + &face("bold", BOLD_FONT)
});

static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(REGULAR_FONT.to_vec());
    fonts.load_font_data(BOLD_FONT.to_vec());
    Arc::new(fonts)
});
