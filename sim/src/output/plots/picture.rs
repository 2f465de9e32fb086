//! A picture as a list of shapes, and its two renderings: SVG text, and PNG made from that very text.
//!
//! Plots are pure functions from a recording to a `Picture`; what is drawn can be tested without an image in sight, and
//! SVG and PNG cannot differ.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use resvg::{tiny_skia, usvg};

use super::theme::{BOLD_FONT, Colour, FONT_FAMILY, REGULAR_FONT, WHITE};

/// Pixels of the PNG to one unit of the picture, so that it is sharp on dense screens and in print.
const PNG_SCALE: f32 = 2.0;

/// A drawing in its own units; one unit is a pixel when the SVG is shown in its natural size.
pub(in crate::output) struct Picture {
    /// Name of its files, without extension.
    pub(in crate::output) name: &'static str,
    /// What it shows, for its heading and for readers who cannot see it.
    pub(in crate::output) title: String,
    /// One or two sentences on how to read it.
    pub(in crate::output) explanation: String,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The elements of the SVG so far.
    elements: String,
}

/// On which side of its position a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextStyle {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
}

impl Picture {
    pub(super) fn new(name: &'static str, title: String, explanation: String, width: f64, height: f64) -> Picture {
        let mut picture = Picture { name, title, explanation, width, height, elements: String::new() };
        picture.rectangle((0.0, 0.0), (width, height), WHITE);
        picture
    }

    /// A filled rectangle between two corners.
    pub(super) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), fill: Colour) {
        let (x, y) = (from.0.min(to.0), from.1.min(to.1));
        let (width, height) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
        self.element(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" fill="{fill}"/>"#,
            Unit(x),
            Unit(y),
            Unit(width),
            Unit(height)
        ));
    }

    /// An open line through all points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Colour, dashed: bool) {
        let dashes = if dashed { r#" stroke-dasharray="5 4""# } else { "" };
        let path = path(points);
        self.element(format_args!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="{}" stroke-linejoin="round"{dashes}/>"#,
            Unit(width)
        ));
    }

    /// The filled area that the points enclose.
    pub(super) fn area(&mut self, points: &[(f64, f64)], fill: Colour) {
        let path = path(points);
        self.element(format_args!(r#"<path d="{path}Z" fill="{fill}"/>"#));
    }

    /// A filled circle with a white rim, to mark a point of a line.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), colour: Colour) {
        let (x, y) = (Unit(x), Unit(y));
        self.element(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="4.5" fill="{colour}" stroke="{WHITE}" stroke-width="1.5"/>"#
        ));
    }

    /// A text whose baseline begins, has its middle, or ends at the position.
    pub(super) fn text(&mut self, (x, y): (f64, f64), text: &str, style: TextStyle) {
        self.turned_text((x, y), text, style, 0);
    }

    /// A text turned by so many degrees clockwise about its position.
    pub(super) fn turned_text(&mut self, (x, y): (f64, f64), text: &str, style: TextStyle, degrees: i32) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size, colour) = (Unit(x), Unit(y), Unit(style.size), style.colour);
        let weight = if style.bold { r#" font-weight="bold""# } else { "" };
        let turn = if degrees == 0 { String::new() } else { format!(r#" transform="rotate({degrees} {x} {y})""#) };
        let text = escaped(text);
        self.element(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{size}"{weight} fill="{colour}" text-anchor="{anchor}"{turn}>{text}</text>"#
        ));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.elements, "{element}").expect("a string takes every write");
    }

    /// The SVG for a page that brings the font along.
    pub(in crate::output) fn inline_svg(&self) -> String {
        self.svg("")
    }

    /// The SVG as a file of its own, with the font inside, so that it looks the same wherever it is shown.
    pub(in crate::output) fn standalone_svg(&self) -> String {
        self.svg(&format!("<style>{}</style>\n", *FONT_FACES))
    }

    fn svg(&self, style: &str) -> String {
        let (width, height, title) = (Unit(self.width), Unit(self.height), escaped(&self.title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONT_FAMILY}, sans-serif\">\n\
             <title>{title}</title>\n{style}{}</svg>\n",
            self.elements
        )
    }

    /// The PNG, rendered from the SVG with the bundled font.
    pub(in crate::output) fn png(&self) -> Result<Vec<u8>, String> {
        let options = usvg::Options {
            font_family: FONT_FAMILY.to_owned(),
            fontdb: Arc::clone(&FONTS),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(&self.inline_svg(), &options).map_err(|error| error.to_string())?;
        let size = tree.size().to_int_size().scale_by(PNG_SCALE).ok_or("the picture has no area")?;
        let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or("the picture has no area")?;
        let scale = tiny_skia::Transform::from_scale(PNG_SCALE, PNG_SCALE);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| error.to_string())
    }
}

/// The style sheet that brings the bundled font into an SVG or a page.
pub(in crate::output) static FONT_FACES: LazyLock<String> = LazyLock::new(|| {
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
    fonts.set_sans_serif_family(FONT_FAMILY);
    Arc::new(fonts)
});

/// A coordinate, written to a hundredth of a unit: finer than any screen shows, and short.
#[derive(Clone, Copy)]
struct Unit(f64);

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Adding zero turns a rounded -0 into 0.
        write!(f, "{}", (self.0 * 100.0).round() / 100.0 + 0.0)
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::with_capacity(points.len() * 14);
    for (index, &(x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        write!(path, "{command}{} {}", Unit(x), Unit(y)).expect("a string takes every write");
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
