//! Draws the photos: landscapes made of light and hills, different for every person.

use core::fmt::Write;

use sha2::{Digest, Sha256};

/// Sky above, sky below, sun, then the hills from far to near.
const LIGHTS: [[&str; 7]; 4] = [
    ["#243b6b", "#f6b38e", "#ffe9c9", "#b98aa0", "#84688f", "#574b75", "#2d2c50"],
    ["#4f9bd6", "#e3f1f7", "#fff8dd", "#a9c6cf", "#7ba6a4", "#4d7d73", "#284f47"],
    ["#155e75", "#b5e3d8", "#fdf3c8", "#7fb7b4", "#4d8f94", "#2a6670", "#123f4c"],
    ["#31194f", "#f2734b", "#ffd27a", "#a8475c", "#772f56", "#4b2049", "#220f2e"],
];
const WIDTH: u16 = 480;
const HEIGHT: u16 = 320;

/// Draws a person's photo as SVG.
pub(crate) fn svg(number: usize, owner: &str) -> String {
    let light = LIGHTS.iter().cycle().nth(number).unwrap_or(&LIGHTS[0]);
    let [high, low, sun, hills @ ..] = light;
    let mut chance = Chance(Sha256::digest(format!("{number} {owner}")).to_vec());
    let (sun_x, sun_y) = (90.0 + 300.0 * chance.next(), 80.0 + 70.0 * chance.next());
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\
         <defs><linearGradient id=\"sky\" x2=\"0\" y2=\"1\"><stop stop-color=\"{high}\"/>\
         <stop offset=\".8\" stop-color=\"{low}\"/></linearGradient></defs>\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"url(#sky)\"/>\
         <circle cx=\"{sun_x:.0}\" cy=\"{sun_y:.0}\" r=\"64\" fill=\"{sun}\" opacity=\".25\"/>\
         <circle cx=\"{sun_x:.0}\" cy=\"{sun_y:.0}\" r=\"30\" fill=\"{sun}\"/>"
    );
    for (depth, color) in (0_u8..).zip(hills) {
        let line = ridge(f64::from(depth), &mut chance);
        let _ = write!(drawing, "<path fill=\"{color}\" d=\"M0 {HEIGHT}{line}L{WIDTH} {HEIGHT}Z\"/>");
    }
    drawing + "</svg>"
}

/// The outline of one row of hills: three waves, the finer the lower.
fn ridge(depth: f64, chance: &mut Chance) -> String {
    let base = 165.0 + 38.0 * depth;
    let waves: Vec<[f64; 3]> = [(1.0, 24.0), (2.7, 11.0), (7.1, 3.5)]
        .map(|(pace, height)| [pace * (1.2 + chance.next()), height, 6.3 * chance.next()])
        .into();
    (0..=WIDTH).step_by(8).fold(String::new(), |mut line, x| {
        let along = f64::from(x) / f64::from(WIDTH) * 6.3;
        let wave = |[pace, height, phase]: &[f64; 3]| height * (along * pace + phase).sin();
        let y = base + waves.iter().map(wave).sum::<f64>();
        let _ = write!(line, "L{x} {y:.1}");
        line
    })
}

/// Numbers from 0 to 1, the same ones for the same photo.
struct Chance(Vec<u8>);

impl Chance {
    fn next(&mut self) -> f64 {
        f64::from(self.0.pop().unwrap_or_default()) / 255.0
    }
}
