//! The position of the sun: Meeus, "Astronomical Algorithms", 2nd edition, chapters 25 and 28, in their lower
//! accuracy of 0.01°, which is a few seconds of time.
//!
//! Never correct a figure here: it would move slots, and with them task ids, for a second of accuracy.

use std::f64::consts::{PI, TAU};

// Unlike the system's, these give the same bits on every host, so that all of them agree on the minute.
use libm::{atan2, cos, sin, sincos};

/// 2000-01-01T12:00:00Z in days since the epoch: the origin of the formulas.
const J2000: f64 = 10_957.5;
/// How far the planets' uniform time is ahead of the Earth's rotation, in days: 69 s.
const DELTA_T: f64 = 69.0 / 86_400.0;

/// The sun as seen from the centre of the Earth.
pub(super) struct Sun {
    pub(super) sin_declination: f64,
    /// How far the sun is ahead of a clock, in turns (days): the equation of time.
    pub(super) equation: f64,
    /// Half the angle of its disc, in radians.
    pub(super) radius: f64,
}

impl Sun {
    /// How much lower the sun is seen from the ground than from the Earth's centre, near the horizon, in
    /// radians: 8.8″.
    pub(super) const PARALLAX: f64 = 8.8 / 3600.0 / 180.0 * PI;

    /// The sun at a time in days since the epoch.
    pub(super) fn at(time: f64) -> Sun {
        let t = (time - J2000 + DELTA_T) / 36_525.0;
        let mean_longitude = (280.466_46 + t * (36_000.769_83 + t * 0.000_303_2)).to_radians();
        let anomaly = (357.529_11 + t * (35_999.050_29 - t * 0.000_153_7)).to_radians();
        let (sin_node, cos_node) = sincos((125.04 - 1934.136 * t).to_radians());
        let centre = (1.914_602 - t * (0.004_817 + t * 0.000_014)) * sin(anomaly)
            + (0.019_993 - t * 0.000_101) * sin(2.0 * anomaly)
            + 0.000_289 * sin(3.0 * anomaly);
        // Aberration, then nutation.
        let apparent = centre - 0.005_69 - 0.004_78 * sin_node;
        let (sin_longitude, cos_longitude) = sincos(mean_longitude + apparent.to_radians());
        let obliquity = 23.439_291 - t * 0.013_004_2 + 0.002_56 * cos_node;
        let (sin_obliquity, cos_obliquity) = sincos(obliquity.to_radians());
        let right_ascension = atan2(cos_obliquity * sin_longitude, cos_longitude);
        let nutation = (0.004_78 * sin_node).to_radians() * cos_obliquity;
        let ahead = mean_longitude - 0.005_718_3_f64.to_radians() - right_ascension - nutation;
        let distance = 1.000_14 - 0.016_71 * cos(anomaly) - 0.000_14 * cos(2.0 * anomaly);
        Sun {
            sin_declination: sin_obliquity * sin_longitude,
            equation: (ahead + PI).rem_euclid(TAU) / TAU - 0.5,
            radius: (959.63 / 3600.0_f64).to_radians() / distance,
        }
    }

    /// The sun between now and half a day later, where a straight line is off by 1″.
    pub(super) fn interpolate(&self, later: &Sun, part: f64) -> Sun {
        let between = |from: f64, to: f64| from + (to - from) * part;
        Sun {
            sin_declination: between(self.sin_declination, later.sin_declination),
            equation: between(self.equation, later.equation),
            radius: between(self.radius, later.radius),
        }
    }

    pub(super) fn cos_declination(&self) -> f64 {
        (1.0 - self.sin_declination * self.sin_declination).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days since the epoch of a Julian Ephemeris Day.
    fn dynamical(julian_day: f64) -> f64 {
        julian_day - 2_440_587.5 - DELTA_T
    }

    #[test]
    fn the_sun_is_where_the_books_examples_place_it() {
        // Examples 25.a and 28.a, 1992-10-13 at 0h dynamical time; the latter in high accuracy.
        let sun = Sun::at(dynamical(2_448_908.5));
        assert!((sun.sin_declination.asin().to_degrees() - -7.785_07).abs() < 1e-4);
        assert!((sun.equation * 360.0 - 3.427_351).abs() < 0.005);
        assert!((sun.radius.to_degrees() * 3600.0 - 959.63 / 0.997_66).abs() < 0.05);
    }

    #[test]
    fn the_equation_of_time_reaches_its_known_extremes() {
        let days = (0..36_525).map(|day| J2000 + f64::from(day));
        let minutes: Vec<f64> = days.map(|day| Sun::at(day).equation * 1440.0).collect();
        let extreme = |pick: fn(f64, f64) -> f64| minutes.iter().copied().reduce(pick).unwrap();
        assert!((extreme(f64::max) - 16.5).abs() < 0.1);
        assert!((extreme(f64::min) - -14.3).abs() < 0.1);
    }
}
