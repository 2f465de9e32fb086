//! The look of all plots: font, sizes, colours.

use std::sync::LazyLock;

use plotters::style::text_anchor::Pos;
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, register_font};

/// The bundled font; see `assets/DejaVuSans-LICENSE.txt`.
pub(crate) const FONT_FAMILY: &str = "DejaVu Sans";
pub(crate) const REGULAR_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-subset.ttf");
pub(crate) const BOLD_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold-subset.ttf");

/// Units to a pixel of the SVG.
pub(crate) const UNITS: u32 = 2;
/// Width of every plot.
pub(crate) const WIDTH: u32 = 1920;
/// Room above the first chart for the title.
pub(crate) const TOP: u32 = 92;
/// Room below a chart for ticks and the title of the axis.
pub(crate) const BOTTOM: u32 = 88;
/// Room to the left of a chart for ticks of figures and the title of the axis.
pub(crate) const LEFT: u32 = 140;
/// How far texts that plotters centres vertically must sink to be in the middle: it takes capitals for lower.
pub(crate) const SINK: i32 = 3;
/// Room on all sides of a picture.
pub(crate) const MARGIN: u32 = 20;

pub(crate) const INK: RGBColor = RGBColor(31, 41, 51);
pub(crate) const QUIET_INK: RGBColor = RGBColor(92, 104, 116);
pub(crate) const GRID: RGBColor = RGBColor(228, 232, 237);
pub(crate) const AXIS: RGBColor = RGBColor(154, 165, 177);

// After Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
pub(crate) const BLUE: RGBColor = RGBColor(0, 102, 166);
pub(crate) const PALE_BLUE: RGBColor = RGBColor(178, 212, 235);
pub(crate) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(crate) const GREEN: RGBColor = RGBColor(0, 146, 108);
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(crate) const PALE_ORANGE: RGBColor = RGBColor(250, 224, 168);
pub(crate) const VERMILION: RGBColor = RGBColor(206, 84, 0);
pub(crate) const PURPLE: RGBColor = RGBColor(192, 110, 156);
pub(crate) const YELLOW: RGBColor = RGBColor(226, 210, 60);
pub(crate) const GREY: RGBColor = RGBColor(203, 210, 217);

/// Colours of lines beside the main one, in this order.
pub(crate) const SERIES: [RGBColor; 5] = [GREEN, ORANGE, PURPLE, SKY, VERMILION];

/// plotters measures texts with the fonts registered here; the viewer of the picture draws them.
static FONTS_REGISTERED: LazyLock<bool> = LazyLock::new(|| {
    register_font(FONT_FAMILY, FontStyle::Normal, REGULAR_FONT).is_ok()
        && register_font(FONT_FAMILY, FontStyle::Bold, BOLD_FONT).is_ok()
});

fn text(size: f64, style: FontStyle, colour: RGBColor) -> TextStyle<'static> {
    assert!(*FONTS_REGISTERED, "the bundled fonts are fonts");
    let font = FontDesc::new(FontFamily::Name(FONT_FAMILY), size, style);
    TextStyle { font, color: colour.to_backend_color(), pos: Pos::default() }
}

pub(crate) fn title() -> TextStyle<'static> {
    text(42.0, FontStyle::Bold, INK)
}

pub(crate) fn legend() -> TextStyle<'static> {
    text(31.0, FontStyle::Normal, INK)
}

/// Ticks and titles of axes.
pub(crate) fn axis() -> TextStyle<'static> {
    text(30.0, FontStyle::Normal, QUIET_INK)
}

/// Figures within a chart.
pub(crate) fn figure(colour: RGBColor) -> TextStyle<'static> {
    text(30.0, FontStyle::Bold, colour)
}

pub(crate) fn text_width(text: &str, style: &TextStyle) -> u32 {
    style.font.box_size(text).expect("the bundled fonts are fonts").0
}

/// The text, or as much of its beginning as fits into the width, followed by an ellipsis.
pub(crate) fn fitted(text: &str, style: &TextStyle, width_max: u32) -> String {
    if text_width(text, style) <= width_max {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while kept.pop().is_some() && text_width(&format!("{kept}…"), style) > width_max {}
    kept + "…"
}
