//! The city: its bounds, and the grid of cells that it is divided into.

/// West and east, in degrees of longitude.
const LONGITUDES: [f64; 2] = [-74.05, -73.70];
/// South and north, in degrees of latitude.
const LATITUDES: [f64; 2] = [40.50, 41.00];
/// A cell's width in degrees of longitude: some hundred metres.
const CELL_WIDTH: f64 = 0.0014;
/// A cell's height in degrees of latitude.
const CELL_HEIGHT: f64 = 0.00125;
/// Cells from west to east.
const CELLS_A_ROW: u32 = 250;

/// Whether a point lies in the city.
#[must_use]
pub fn contains(longitude: f64, latitude: f64) -> bool {
    (LONGITUDES[0]..=LONGITUDES[1]).contains(&longitude) && (LATITUDES[0]..=LATITUDES[1]).contains(&latitude)
}

/// The cell that a point of the city lies in, from its north-west corner on, row by row.
///
/// ```
/// use yeoul_examples::training::city::cell_of;
///
/// assert_eq!(cell_of(-74.05, 41.00), 0);
/// assert_eq!(cell_of(-74.05 + 0.0015, 41.00 - 0.0013), 251);
/// ```
#[must_use]
pub fn cell_of(longitude: f64, latitude: f64) -> u32 {
    let column = ((longitude - LONGITUDES[0]) / CELL_WIDTH).floor() as u32;
    let row = ((LATITUDES[1] - latitude) / CELL_HEIGHT).floor() as u32;
    row * CELLS_A_ROW + column
}
