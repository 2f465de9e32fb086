//! The look of all plots: font, sizes, colours.

use std::sync::LazyLock;

use plotters::style::text_anchor::Pos;
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, register_font};

/// The bundled font; see `assets/DejaVuSans-LICENSE.txt`.
pub(in crate::output) const FONT_FAMILY: &str = "DejaVu Sans";
pub(super) const REGULAR_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-subset.ttf");
pub(super) const BOLD_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold-subset.ttf");

/// Units to a pixel of the SVG.
pub(super) const UNITS: u32 = 2;
/// Width of every plot.
pub(super) const WIDTH: u32 = 1920;
/// Room above the first chart for the title.
pub(super) const TOP: u32 = 92;
/// Room below a chart for ticks and the title of the axis.
pub(super) const BOTTOM: u32 = 88;
/// Room to the left of a chart for ticks of figures and the title of the axis.
pub(super) const LEFT: u32 = 140;
/// How far texts that plotters centres vertically must sink to be in the middle: it takes capitals for lower.
pub(super) const SINK: i32 = 3;
/// Room on all sides of a picture.
pub(super) const MARGIN: u32 = 20;

pub(super) const INK: RGBColor = RGBColor(31, 41, 51);
pub(super) const QUIET_INK: RGBColor = RGBColor(92, 104, 116);
pub(super) const GRID: RGBColor = RGBColor(228, 232, 237);
pub(super) const AXIS: RGBColor = RGBColor(154, 165, 177);

// After Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
pub(super) const BLUE: RGBColor = RGBColor(0, 102, 166);
pub(super) const PALE_BLUE: RGBColor = RGBColor(178, 212, 235);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const GREEN: RGBColor = RGBColor(0, 146, 108);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(super) const PALE_ORANGE: RGBColor = RGBColor(250, 224, 168);
pub(super) const VERMILION: RGBColor = RGBColor(206, 84, 0);
pub(super) const PURPLE: RGBColor = RGBColor(192, 110, 156);
pub(super) const YELLOW: RGBColor = RGBColor(226, 210, 60);
pub(super) const GREY: RGBColor = RGBColor(203, 210, 217);

/// Colours of lines beside the main one, in this order.
pub(super) const SERIES: [RGBColor; 5] = [GREEN, ORANGE, PURPLE, SKY, VERMILION];

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

pub(super) fn title() -> TextStyle<'static> {
    text(42.0, FontStyle::Bold, INK)
}

pub(super) fn legend() -> TextStyle<'static> {
    text(31.0, FontStyle::Normal, INK)
}

/// Ticks and titles of axes.
pub(super) fn axis() -> TextStyle<'static> {
    text(30.0, FontStyle::Normal, QUIET_INK)
}

/// Figures within a chart.
pub(super) fn figure(colour: RGBColor) -> TextStyle<'static> {
    text(30.0, FontStyle::Bold, colour)
}

pub(super) fn text_width(text: &str, style: &TextStyle) -> u32 {
    style.font.box_size(text).expect("the bundled fonts are fonts").0
}

/// The text, or as much of its beginning as fits into the width, followed by an ellipsis.
pub(super) fn fitted(text: &str, style: &TextStyle, width_max: u32) -> String {
    if text_width(text, style) <= width_max {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while kept.pop().is_some() && text_width(&format!("{kept}…"), style) > width_max {}
    kept + "…"
}
