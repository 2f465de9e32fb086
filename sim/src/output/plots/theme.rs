//! The look of all plots: font, sizes, colours.

use std::fmt;

use super::picture::{Anchor, TextStyle};

/// The bundled font; see `assets/DejaVuSans-LICENSE.txt`.
pub(in crate::output) const FONT_FAMILY: &str = "DejaVu Sans";
pub(super) const REGULAR_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-subset.ttf");
pub(super) const BOLD_FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold-subset.ttf");

/// Width of every plot.
pub(super) const WIDTH: f64 = 960.0;
/// Room above the plotting area for title and legend.
pub(super) const TOP: f64 = 74.0;
/// Room below the plotting area for ticks and the title of the axis.
pub(super) const BOTTOM: f64 = 52.0;
/// Room to the left of the plotting area for ticks and the title of the axis.
pub(super) const LEFT: f64 = 78.0;
/// Room to the right of the plotting area.
pub(super) const RIGHT: f64 = 26.0;

/// An opaque colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

pub(super) const WHITE: Colour = Colour(255, 255, 255);
pub(super) const INK: Colour = Colour(31, 41, 51);
pub(super) const QUIET_INK: Colour = Colour(92, 104, 116);
pub(super) const GRID: Colour = Colour(228, 232, 237);
pub(super) const AXIS: Colour = Colour(154, 165, 177);

// After Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
pub(super) const BLUE: Colour = Colour(0, 102, 166);
pub(super) const PALE_BLUE: Colour = Colour(178, 212, 235);
pub(super) const SKY: Colour = Colour(86, 180, 233);
pub(super) const GREEN: Colour = Colour(0, 146, 108);
pub(super) const ORANGE: Colour = Colour(230, 159, 0);
pub(super) const PALE_ORANGE: Colour = Colour(250, 224, 168);
pub(super) const VERMILION: Colour = Colour(206, 84, 0);
pub(super) const PURPLE: Colour = Colour(192, 110, 156);
pub(super) const YELLOW: Colour = Colour(226, 210, 60);
pub(super) const GREY: Colour = Colour(203, 210, 217);

/// Colours of lines beside the main one, in this order.
pub(super) const SERIES: [Colour; 5] = [GREEN, ORANGE, PURPLE, SKY, VERMILION];

const fn style(size: f64, bold: bool, colour: Colour, anchor: Anchor) -> TextStyle {
    TextStyle { size, bold, colour, anchor }
}

pub(super) const TITLE: TextStyle = style(17.0, true, INK, Anchor::Start);
pub(super) const LEGEND: TextStyle = style(12.5, false, INK, Anchor::Start);
pub(super) const AXIS_TITLE: TextStyle = style(12.5, false, QUIET_INK, Anchor::Middle);
pub(super) const TICK: TextStyle = style(12.0, false, QUIET_INK, Anchor::Middle);
pub(super) const NOTE: TextStyle = style(12.0, false, INK, Anchor::Start);

impl TextStyle {
    pub(super) const fn anchored(self, anchor: Anchor) -> TextStyle {
        TextStyle { anchor, ..self }
    }

    pub(super) const fn coloured(self, colour: Colour) -> TextStyle {
        TextStyle { colour, ..self }
    }

    pub(super) const fn bold(self) -> TextStyle {
        TextStyle { bold: true, ..self }
    }
}

/// Widths of the printable ASCII characters in the regular font, from the blank on, in 2048ths of its size.
#[rustfmt::skip]
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577, 1294, 1178,
    1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251,
    1403, 799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995,
    1298, 1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// How wide a text is. Other characters than ASCII count as a digit's width, bold as a tenth wider: near enough for
/// margins and legends.
pub(super) fn text_width(text: &str, style: TextStyle) -> f64 {
    const DIGIT: u16 = ADVANCES[0x10];
    let advance = |c: char| (c as usize).checked_sub(0x20).and_then(|index| ADVANCES.get(index)).unwrap_or(&DIGIT);
    let units: f64 = text.chars().map(|c| f64::from(*advance(c))).sum();
    units / 2048.0 * style.size * if style.bold { 1.1 } else { 1.0 }
}

/// The text, or as much of its beginning as fits into the width, followed by an ellipsis.
pub(super) fn fitted(text: &str, style: TextStyle, width_max: f64) -> String {
    if text_width(text, style) <= width_max {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while !kept.is_empty() && text_width(&kept, style) + style.size > width_max {
        kept.pop();
    }
    kept + "…"
}
