//! The events of the sun: the nine of Celery's `solar`, as it defines them.

use super::sun::Sun;

/// An event of the sun, for the centre of its disc, except that [`Sunrise`](Event::Sunrise) and
/// [`Sunset`](Event::Sunset) are for the upper limb, with 34′ of refraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sun rises to 18° below the horizon.
    DawnAstronomical,
    /// The sun rises to 12° below the horizon.
    DawnNautical,
    /// The sun rises to 6° below the horizon.
    DawnCivil,
    /// The sun comes up.
    Sunrise,
    /// The sun crosses the meridian, above or below the horizon.
    SolarNoon,
    /// The sun goes down.
    Sunset,
    /// The sun sinks to 6° below the horizon.
    DuskCivil,
    /// The sun sinks to 12° below the horizon.
    DuskNautical,
    /// The sun sinks to 18° below the horizon.
    DuskAstronomical,
}

impl Event {
    /// All events, in the order of a day.
    pub const ALL: [Event; 9] = [
        Event::DawnAstronomical,
        Event::DawnNautical,
        Event::DawnCivil,
        Event::Sunrise,
        Event::SolarNoon,
        Event::Sunset,
        Event::DuskCivil,
        Event::DuskNautical,
        Event::DuskAstronomical,
    ];

    /// The name of the event in Celery, such as `dawn_civil`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Event::DawnAstronomical => "dawn_astronomical",
            Event::DawnNautical => "dawn_nautical",
            Event::DawnCivil => "dawn_civil",
            Event::Sunrise => "sunrise",
            Event::SolarNoon => "solar_noon",
            Event::Sunset => "sunset",
            Event::DuskCivil => "dusk_civil",
            Event::DuskNautical => "dusk_nautical",
            Event::DuskAstronomical => "dusk_astronomical",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Event::DawnAstronomical => "astronomical dawn",
            Event::DawnNautical => "nautical dawn",
            Event::DawnCivil => "civil dawn",
            Event::Sunrise => "sunrise",
            Event::SolarNoon => "solar noon",
            Event::Sunset => "sunset",
            Event::DuskCivil => "civil dusk",
            Event::DuskNautical => "nautical dusk",
            Event::DuskAstronomical => "astronomical dusk",
        }
    }

    /// The sun's height at the event; `None` if the event is not about a height.
    pub(super) const fn height(self) -> Option<Height> {
        let (degrees, rises) = match self {
            Event::DawnAstronomical => (-18.0, true),
            Event::DawnNautical => (-12.0, true),
            Event::DawnCivil => (-6.0, true),
            Event::Sunrise => (-34.0 / 60.0, true),
            Event::SolarNoon => return None,
            Event::Sunset => (-34.0 / 60.0, false),
            Event::DuskCivil => (-6.0, false),
            Event::DuskNautical => (-12.0, false),
            Event::DuskAstronomical => (-18.0, false),
        };
        let upper_limb = matches!(self, Event::Sunrise | Event::Sunset);
        Some(Height { degrees, upper_limb, rises })
    }
}

/// The sun's height at an event, and whether it rises or sinks.
pub(super) struct Height {
    degrees: f64,
    upper_limb: bool,
    pub(super) rises: bool,
}

impl Height {
    /// The height of the sun's centre as seen from the centre of the Earth, in radians.
    pub(super) fn of_the_centre(&self, sun: &Sun) -> f64 {
        let radius = if self.upper_limb { sun.radius } else { 0.0 };
        self.degrees.to_radians() - radius + Sun::PARALLAX
    }
}
