//! What other systems call zones: offsets, abbreviations, and the names of Windows and Rails.

/// For an offset, what to write: zones that have it in winter or in summer, as it says nothing of clock changes.
pub(super) fn zones_at(name: &str) -> Option<String> {
    let minutes = offset(name)?;
    let row = OFFSETS.iter().find(|(offset, _)| *offset == minutes)?;
    let zones: Vec<_> = row.1.iter().map(|zone| format!("`{zone}`")).collect();
    let fixed = match minutes {
        0 => Some("UTC".to_owned()),
        // Its names have the opposite sign, as in POSIX.
        _ if minutes % 60 == 0 => Some(format!("Etc/GMT{:+}", -minutes / 60)),
        _ => None,
    };
    let fixed =
        fixed.map_or_else(String::new, |fixed| format!(", or `{fixed}` for that offset all year"));
    Some(format!("write the zone of a place: {}{fixed}", zones.join(", ")))
}

/// How many minutes `UTC+9`, `GMT-05:30` or `+0900` is ahead of UTC.
fn offset(name: &str) -> Option<i32> {
    let name = name.trim();
    if name.len() > 12 {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let prefix = ["UTC", "GMT", "Z"].iter().find_map(|prefix| upper.strip_prefix(prefix));
    let rest = prefix.unwrap_or(&upper).trim_start();
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix(['-', '−'])) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ if prefix.is_none() && !rest.is_empty() => (1, rest),
        _ => return None,
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (number(hours)?, number(minutes)?),
        None if digits.len() > 2 => {
            let number = number(digits)?;
            (number / 100, number % 100)
        }
        None => (number(digits)?, 0),
    };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// The zone that another name most likely stands for.
pub(super) fn zone(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let row = NAMES.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    row.map(|(_, zone)| *zone)
}

/// Minutes ahead of UTC, and large cities whose clocks show that in winter or in summer.
static OFFSETS: [(i32, &[&str]); 38] = [
    (-720, &["Etc/GMT+12"]),
    (-660, &["Pacific/Pago_Pago", "Pacific/Niue"]),
    (-600, &["Pacific/Honolulu", "America/Adak"]),
    (-570, &["Pacific/Marquesas"]),
    (-540, &["America/Anchorage", "Pacific/Gambier"]),
    (-480, &["America/Los_Angeles", "America/Tijuana"]),
    (-420, &["America/Denver", "America/Phoenix"]),
    (-360, &["America/Chicago", "America/Mexico_City"]),
    (-300, &["America/New_York", "America/Bogota"]),
    (-240, &["America/Halifax", "America/Caracas"]),
    (-210, &["America/St_Johns"]),
    (-180, &["America/Sao_Paulo", "America/Argentina/Buenos_Aires"]),
    (-120, &["America/Noronha", "Atlantic/South_Georgia"]),
    (-60, &["Atlantic/Cape_Verde", "Atlantic/Azores"]),
    (0, &["Europe/London", "Europe/Lisbon"]),
    (60, &["Europe/Berlin", "Europe/Paris", "Africa/Lagos"]),
    (120, &["Europe/Athens", "Africa/Cairo", "Africa/Johannesburg"]),
    (180, &["Europe/Moscow", "Europe/Istanbul", "Asia/Riyadh"]),
    (210, &["Asia/Tehran"]),
    (240, &["Asia/Dubai", "Asia/Baku"]),
    (270, &["Asia/Kabul"]),
    (300, &["Asia/Karachi", "Asia/Tashkent"]),
    (330, &["Asia/Kolkata", "Asia/Colombo"]),
    (345, &["Asia/Kathmandu"]),
    (360, &["Asia/Dhaka", "Asia/Thimphu"]),
    (390, &["Asia/Yangon"]),
    (420, &["Asia/Bangkok", "Asia/Jakarta", "Asia/Ho_Chi_Minh"]),
    (480, &["Asia/Shanghai", "Asia/Singapore", "Australia/Perth"]),
    (525, &["Australia/Eucla"]),
    (540, &["Asia/Tokyo", "Asia/Seoul"]),
    (570, &["Australia/Adelaide", "Australia/Darwin"]),
    (600, &["Australia/Sydney", "Australia/Brisbane"]),
    (630, &["Australia/Lord_Howe"]),
    (660, &["Pacific/Noumea", "Pacific/Guadalcanal"]),
    (720, &["Pacific/Auckland", "Pacific/Fiji"]),
    (765, &["Pacific/Chatham"]),
    (780, &["Pacific/Tongatapu", "Pacific/Apia"]),
    (840, &["Pacific/Kiritimati"]),
];

/// Abbreviations, names of Windows (windowsZones.xml of CLDR, territory 001), and names of Rails that are not
/// cities.
static NAMES: [(&str, &str); 148] = [
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("MDT", "America/Denver"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("EDT", "America/New_York"),
    ("AKST", "America/Anchorage"),
    ("AST", "America/Halifax"),
    ("NST", "America/St_Johns"),
    ("BRT", "America/Sao_Paulo"),
    ("ART", "America/Argentina/Buenos_Aires"),
    ("BST", "Europe/London"),
    ("CEST", "Europe/Berlin"),
    ("EEST", "Europe/Athens"),
    ("MSK", "Europe/Moscow"),
    ("TRT", "Europe/Istanbul"),
    ("SAST", "Africa/Johannesburg"),
    ("IST", "Asia/Kolkata"),
    ("PKT", "Asia/Karachi"),
    ("ICT", "Asia/Bangkok"),
    ("WIB", "Asia/Jakarta"),
    ("SGT", "Asia/Singapore"),
    ("HKT", "Asia/Hong_Kong"),
    ("PHT", "Asia/Manila"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("AWST", "Australia/Perth"),
    ("AEST", "Australia/Sydney"),
    ("AEDT", "Australia/Sydney"),
    ("NZST", "Pacific/Auckland"),
    ("NZDT", "Pacific/Auckland"),
    ("Coordinated Universal Time", "UTC"),
    ("Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("Mountain Time (US & Canada)", "America/Denver"),
    ("Central Time (US & Canada)", "America/Chicago"),
    ("Eastern Time (US & Canada)", "America/New_York"),
    ("Atlantic Time (Canada)", "America/Halifax"),
    ("Hawaii", "Pacific/Honolulu"),
    ("Alaska", "America/Anchorage"),
    ("Dateline Standard Time", "Etc/GMT+12"),
    ("Aleutian Standard Time", "America/Adak"),
    ("Hawaiian Standard Time", "Pacific/Honolulu"),
    ("Marquesas Standard Time", "Pacific/Marquesas"),
    ("Alaskan Standard Time", "America/Anchorage"),
    ("Pacific Standard Time (Mexico)", "America/Tijuana"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("US Mountain Standard Time", "America/Phoenix"),
    ("Mountain Standard Time (Mexico)", "America/Mazatlan"),
    ("Mountain Standard Time", "America/Denver"),
    ("Yukon Standard Time", "America/Whitehorse"),
    ("Central America Standard Time", "America/Guatemala"),
    ("Central Standard Time", "America/Chicago"),
    ("Easter Island Standard Time", "Pacific/Easter"),
    ("Central Standard Time (Mexico)", "America/Mexico_City"),
    ("Canada Central Standard Time", "America/Regina"),
    ("SA Pacific Standard Time", "America/Bogota"),
    ("Eastern Standard Time (Mexico)", "America/Cancun"),
    ("Eastern Standard Time", "America/New_York"),
    ("Haiti Standard Time", "America/Port-au-Prince"),
    ("Cuba Standard Time", "America/Havana"),
    ("US Eastern Standard Time", "America/Indiana/Indianapolis"),
    ("Turks And Caicos Standard Time", "America/Grand_Turk"),
    ("Paraguay Standard Time", "America/Asuncion"),
    ("Atlantic Standard Time", "America/Halifax"),
    ("Venezuela Standard Time", "America/Caracas"),
    ("Central Brazilian Standard Time", "America/Cuiaba"),
    ("SA Western Standard Time", "America/La_Paz"),
    ("Pacific SA Standard Time", "America/Santiago"),
    ("Newfoundland Standard Time", "America/St_Johns"),
    ("Tocantins Standard Time", "America/Araguaina"),
    ("E. South America Standard Time", "America/Sao_Paulo"),
    ("SA Eastern Standard Time", "America/Cayenne"),
    ("Argentina Standard Time", "America/Argentina/Buenos_Aires"),
    ("Greenland Standard Time", "America/Nuuk"),
    ("Montevideo Standard Time", "America/Montevideo"),
    ("Magallanes Standard Time", "America/Punta_Arenas"),
    ("Bahia Standard Time", "America/Bahia"),
    ("Azores Standard Time", "Atlantic/Azores"),
    ("Cape Verde Standard Time", "Atlantic/Cape_Verde"),
    ("GMT Standard Time", "Europe/London"),
    ("Greenwich Standard Time", "Atlantic/Reykjavik"),
    ("Sao Tome Standard Time", "Africa/Sao_Tome"),
    ("Morocco Standard Time", "Africa/Casablanca"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Central Europe Standard Time", "Europe/Budapest"),
    ("Romance Standard Time", "Europe/Paris"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("W. Central Africa Standard Time", "Africa/Lagos"),
    ("Jordan Standard Time", "Asia/Amman"),
    ("GTB Standard Time", "Europe/Bucharest"),
    ("Middle East Standard Time", "Asia/Beirut"),
    ("Egypt Standard Time", "Africa/Cairo"),
    ("E. Europe Standard Time", "Europe/Chisinau"),
    ("Syria Standard Time", "Asia/Damascus"),
    ("West Bank Standard Time", "Asia/Hebron"),
    ("South Africa Standard Time", "Africa/Johannesburg"),
    ("FLE Standard Time", "Europe/Kyiv"),
    ("Israel Standard Time", "Asia/Jerusalem"),
    ("South Sudan Standard Time", "Africa/Juba"),
    ("Kaliningrad Standard Time", "Europe/Kaliningrad"),
    ("Sudan Standard Time", "Africa/Khartoum"),
    ("Libya Standard Time", "Africa/Tripoli"),
    ("Namibia Standard Time", "Africa/Windhoek"),
    ("Arabic Standard Time", "Asia/Baghdad"),
    ("Turkey Standard Time", "Europe/Istanbul"),
    ("Arab Standard Time", "Asia/Riyadh"),
    ("Belarus Standard Time", "Europe/Minsk"),
    ("Russian Standard Time", "Europe/Moscow"),
    ("E. Africa Standard Time", "Africa/Nairobi"),
    ("Iran Standard Time", "Asia/Tehran"),
    ("Arabian Standard Time", "Asia/Dubai"),
    ("Azerbaijan Standard Time", "Asia/Baku"),
    ("Mauritius Standard Time", "Indian/Mauritius"),
    ("Georgian Standard Time", "Asia/Tbilisi"),
    ("Caucasus Standard Time", "Asia/Yerevan"),
    ("Afghanistan Standard Time", "Asia/Kabul"),
    ("West Asia Standard Time", "Asia/Tashkent"),
    ("Ekaterinburg Standard Time", "Asia/Yekaterinburg"),
    ("Pakistan Standard Time", "Asia/Karachi"),
    ("India Standard Time", "Asia/Kolkata"),
    ("Sri Lanka Standard Time", "Asia/Colombo"),
    ("Nepal Standard Time", "Asia/Kathmandu"),
    ("Central Asia Standard Time", "Asia/Bishkek"),
    ("Bangladesh Standard Time", "Asia/Dhaka"),
    ("Myanmar Standard Time", "Asia/Yangon"),
    ("SE Asia Standard Time", "Asia/Bangkok"),
    ("N. Central Asia Standard Time", "Asia/Novosibirsk"),
    ("North Asia Standard Time", "Asia/Krasnoyarsk"),
    ("China Standard Time", "Asia/Shanghai"),
    ("North Asia East Standard Time", "Asia/Irkutsk"),
    ("Singapore Standard Time", "Asia/Singapore"),
    ("W. Australia Standard Time", "Australia/Perth"),
    ("Taipei Standard Time", "Asia/Taipei"),
    ("Ulaanbaatar Standard Time", "Asia/Ulaanbaatar"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("Korea Standard Time", "Asia/Seoul"),
    ("Yakutsk Standard Time", "Asia/Yakutsk"),
    ("Cen. Australia Standard Time", "Australia/Adelaide"),
    ("AUS Central Standard Time", "Australia/Darwin"),
    ("E. Australia Standard Time", "Australia/Brisbane"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("Tasmania Standard Time", "Australia/Hobart"),
    ("Vladivostok Standard Time", "Asia/Vladivostok"),
    ("Central Pacific Standard Time", "Pacific/Guadalcanal"),
    ("New Zealand Standard Time", "Pacific/Auckland"),
    ("Fiji Standard Time", "Pacific/Fiji"),
    ("Samoa Standard Time", "Pacific/Apia"),
    ("Tonga Standard Time", "Pacific/Tongatapu"),
];

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;

    use super::*;
    use crate::tzdata::{Tzdata, parse_name};

    /// The offsets of a zone in minutes, in January and in July of 2027.
    fn offsets(name: &str) -> [i32; 2] {
        let zone = Tzdata::bundled().zone(parse_name(name).unwrap()).unwrap();
        [1_800_000_000, 1_815_000_000].map(|secs| zone.offset_at(UnixMs::from_secs(secs)) / 60)
    }

    #[test]
    fn zones_at_an_offset_have_it_in_winter_or_summer() {
        for (minutes, zones) in OFFSETS {
            for zone in zones {
                assert!(offsets(zone).contains(&minutes), "{zone} at {minutes}");
            }
        }
    }

    #[test]
    fn other_names_stand_for_zones_that_exist() {
        for (name, zone) in NAMES {
            assert!(parse_name(zone).is_ok(), "{zone}");
            assert!(parse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn an_offset_is_answered_with_zones_that_have_it() {
        for (name, zones) in [
            ("UTC+9", "`Asia/Tokyo`, `Asia/Seoul`, or `Etc/GMT-9`"),
            ("GMT-5", "`America/New_York`, `America/Bogota`, or `Etc/GMT+5`"),
            ("utc +09:00", "`Asia/Tokyo`, `Asia/Seoul`, or `Etc/GMT-9`"),
            ("+0530", "`Asia/Kolkata`, `Asia/Colombo`"),
            ("UTC+00:00", "`Europe/London`, `Europe/Lisbon`, or `UTC`"),
            ("9", "`Asia/Tokyo`, `Asia/Seoul`, or `Etc/GMT-9`"),
        ] {
            let said = parse_name(name).unwrap_err().to_string();
            assert!(said.contains(&format!("; write the zone of a place: {zones}")), "{said}");
        }
        for name in ["UTC+15", "UTC+9:99", "UTC+", "Z", "UTC+0x9", &"9".repeat(1000)] {
            let said = parse_name(name).unwrap_err().to_string();
            assert!(!said.contains("the zone of a place"), "{said}");
        }
    }

    #[test]
    fn names_of_windows_and_abbreviations_are_answered_with_a_zone() {
        for (name, zone) in [
            ("Korea Standard Time", "Asia/Seoul"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("eastern standard time", "America/New_York"),
            ("Pacific Time (US & Canada)", "America/Los_Angeles"),
            ("KST", "Asia/Seoul"),
            ("PDT", "America/Los_Angeles"),
        ] {
            let said = parse_name(name).unwrap_err().to_string();
            assert!(said.ends_with(&format!("; did you mean `{zone}`?")), "{said}");
        }
    }
}
