use std::sync::Arc;

use downbeat_time::{Bounds, Days, Move, Timing, Zone};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::schedule::CatchUp;
use crate::schedule::sample::{self, cron, every};

const ID: Uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);

fn utc(text: &str) -> UnixMs {
    text.parse::<Timestamp>().unwrap().into()
}

fn zone(name: &str) -> Arc<Zone> {
    sample::find_zone(name).unwrap()
}

/// A JSON string of this text, filled in.
fn filled(text: &str, entry: &Entry, slot: UnixMs) -> String {
    let (mut json, mut holes) = (String::from("\""), Vec::new());
    for piece in pieces(text) {
        match piece.unwrap_or_else(|error| panic!("{text}: {error}")) {
            Piece::Plain(plain) => push_escaped(&mut json, plain),
            Piece::Template(source, template) => {
                let (whole, start) = (source.len() == text.len(), json.len());
                push_escaped(&mut json, source);
                let quotes = usize::from(whole);
                holes.push(Hole::new(start - quotes..json.len() + quotes, whole, template));
            }
        }
    }
    json.push('"');
    fill(&json, &holes, &Facts::new(entry, slot, ID)).to_string()
}

fn problem(text: &str) -> TemplateProblem {
    pieces(text).find_map(Result::err).unwrap_or_else(|| panic!("{text} is accepted")).problem
}

#[test]
fn each_template_stands_for_what_the_contract_says() {
    let hourly = Entry { zone: zone("Asia/Seoul"), ..cron("nightly \"x\"", "0 3 * * mon-fri") };
    let monday = utc("2026-11-22T18:00:00Z");
    for (text, value) in [
        ("{{ slot }}", r#""2026-11-23T03:00:00+09:00""#),
        ("{{slot|date}}", r#""2026-11-23""#),
        ("{{ slot | unix }}", "1795370400"),
        (r#"{{ slot | format("%Y-%m") }}"#, r#""2026-11""#),
        (
            "{{ slot | format('%-d. %B %Y, %A \"%H\" %Z%z') }}",
            r#""23. November 2026, Monday \"03\" KST+0900""#,
        ),
        ("{{ previous_slot }}", r#""2026-11-20T03:00:00+09:00""#),
        ("{{ previous_slot | date }}", r#""2026-11-20""#),
        ("{{ previous_slot | unix }}", "1795111200"),
        ("{{ previous_slot|format( \"%j\" ) }}", r#""324""#),
        ("{{ next_slot }}", r#""2026-11-24T03:00:00+09:00""#),
        ("{{ next_slot | date }}", r#""2026-11-24""#),
        ("{{ slot | shift('-1d') }}", r#""2026-11-22T03:00:00+09:00""#),
        (r#"{{ slot|shift("-1mo")|format("%Y-%m") }}"#, r#""2026-10""#),
        ("{{ previous_slot | shift('2w') | shift('-6h') | unix }}", "1796299200"),
        ("{{ slot | business_days(-1) | date }}", r#""2026-11-20""#),
        ("{{ slot | business_days( +5 ) }}", r#""2026-11-30T03:00:00+09:00""#),
        ("{{ slot | shift('1d') | business_days(-1) | date }}", r#""2026-11-23""#),
        ("{{ entry }}", r#""nightly \"x\"""#),
        ("{{ task_id }}", r#""01234567-89ab-4def-8123-456789abcdef""#),
        (r#"{{ "{{" }}"#, r#""{{""#),
        (r#"{{ '{%"' }}"#, r#""{%\"""#),
        ("a {{ slot | date }}\n{{ entry }}", r#""a 2026-11-23\nnightly \"x\"""#),
        ("{{ slot | unix }} ", r#""1795370400 ""#),
        ("{{ slot|date }}{{ slot|unix }}", r#""2026-11-231795370400""#),
        (r#"{{ "{{" }} slot }}"#, r#""{{ slot }}""#),
        ("{ } }} %} #} {a} {", r#""{ } }} %} #} {a} {""#),
        ("", r#""""#),
    ] {
        assert_eq!(filled(text, &hourly, monday), value, "{text}");
    }
}

#[test]
fn a_slot_that_a_clock_change_moves_over_midnight_keeps_its_date() {
    // In Nuuk on Saturday 2027-03-27 the clock goes from 23:00 to Sunday, 00:00.
    let daily = Entry { zone: zone("America/Nuuk"), ..cron("daily", "30 23 * * *") };
    let slot = utc("2027-03-28T01:00:00Z");
    for (text, value) in [
        ("{{ slot }}", r#""2027-03-28T00:00:00-01:00""#),
        ("{{ slot | date }}", r#""2027-03-27""#),
        ("{{ slot | unix }}", "1806195600"),
        (
            "{{ slot | format('%F %R %p %a %j %G-W%V %z %s') }}",
            r#""2027-03-27 23:30 PM Sat 086 2027-W12 -0200 1806195600""#,
        ),
        ("{{ nominal_slot | date }}", r#""2027-03-27""#),
        ("{{ previous_slot | date }}", r#""2027-03-26""#),
    ] {
        assert_eq!(filled(text, &daily, slot), value, "{text}");
    }
    let next = utc("2027-03-29T00:30:00Z");
    assert_eq!(filled("{{ previous_slot }}", &daily, next), r#""2027-03-28T00:00:00-01:00""#);
    assert_eq!(filled("{{ previous_slot | date }}", &daily, next), r#""2027-03-27""#);
    // Real time names what the clock shows, and so does a gap within a day.
    let hourly = Entry { zone: zone("America/Nuuk"), ..every("hourly", 3600) };
    assert_eq!(filled("{{ slot | date }}", &hourly, slot), r#""2027-03-28""#);
    let york = Entry { zone: zone("America/New_York"), ..cron("daily", "30 2 * * *") };
    let gap = utc("2027-03-14T07:00:00Z");
    assert_eq!(filled("{{ slot | format('%F %R') }}", &york, gap), r#""2027-03-14 03:00""#);
}

#[test]
fn a_slot_that_moved_to_another_day_has_that_days_date_and_knows_its_own() {
    let weekend = Arc::new([Days::Weekdays(0b100_0001)].into_iter().collect());
    let bounds = Bounds { except: vec![weekend], move_to: Some(Move::Next), ..Bounds::default() };
    let bounds = Some(Box::new(bounds));
    let payday = Entry { zone: zone("Asia/Seoul"), bounds, ..cron("payday", "0 9 25 * *") };
    // 2026-10-25 is a Sunday.
    let slot = utc("2026-10-26T00:00:00Z");
    for (text, value) in [
        ("{{ slot }}", r#""2026-10-26T09:00:00+09:00""#),
        ("{{ slot | date }}", r#""2026-10-26""#),
        ("{{ nominal_slot }}", r#""2026-10-25T09:00:00+09:00""#),
        ("{{ nominal_slot | date }}", r#""2026-10-25""#),
        ("{{ nominal_slot | unix }}", "1792886400"),
        ("{{ previous_slot | date }}", r#""2026-09-25""#),
    ] {
        assert_eq!(filled(text, &payday, slot), value, "{text}");
    }
    let friday = utc("2026-09-25T00:00:00Z");
    assert_eq!(
        filled("{{ nominal_slot }}", &payday, friday),
        filled("{{ slot }}", &payday, friday)
    );
}

#[test]
fn before_the_first_slot_there_is_null_or_in_a_longer_text_nothing() {
    let slot = utc("2030-01-01T00:00:00Z");
    let once = sample::entry("once", Timing::At(slot.into()));
    assert_eq!(filled("{{ previous_slot }}", &once, slot), "null");
    assert_eq!(filled("{{ previous_slot | unix }}", &once, slot), "null");
    assert_eq!(filled("{{ previous_slot | date }}", &once, slot), "null");
    assert_eq!(filled("from {{ previous_slot }}", &once, slot), r#""from ""#);
    assert_eq!(filled("{{ previous_slot | unix }}", &once, UnixMs(slot.0 + 1)), "1893456000");
}

#[test]
fn after_the_last_slot_there_is_null() {
    let slot = utc("2030-01-01T00:00:00Z");
    let once = sample::entry("once", Timing::At(slot.into()));
    assert_eq!(filled("{{ next_slot | shift('-1d') | date }}", &once, slot), "null");
    assert_eq!(filled("until {{ next_slot }}", &once, slot), r#""until ""#);
    assert_eq!(filled("{{ next_slot | unix }}", &once, UnixMs(0)), "1893456000");
}

#[test]
fn weeks_are_those_of_iso_8601() {
    let daily = cron("daily", "0 0 * * *");
    let text = "{{ slot | format('%G-W%V-%u %g %j %U %W %w') }}";
    for (day, written) in [
        ("2026-11-23", "2026-W48-1 26 327 47 47 1"),
        ("2027-01-01", "2026-W53-5 26 001 00 00 5"),
        ("2027-01-03", "2026-W53-7 26 003 01 00 0"),
        ("2027-01-04", "2027-W01-1 27 004 01 01 1"),
        ("2024-12-30", "2025-W01-1 25 365 52 53 1"),
        ("2024-12-31", "2025-W01-2 25 366 52 53 2"),
    ] {
        let slot = utc(&format!("{day}T00:00:00Z"));
        assert_eq!(filled(text, &daily, slot), format!("\"{written}\""), "{day}");
    }
}

#[test]
fn the_previous_slot_is_the_one_whose_next_is_this() {
    for entry in [every("a", 7), cron("b", "*/7 3 29 2 *"), cron("c", "30 2 1 * *")] {
        let mut previous = entry.next_slot(utc("2024-01-01T00:00:00Z")).unwrap();
        for _ in 0..200 {
            let slot = entry.next_slot(previous).unwrap();
            assert_eq!(entry.previous_slot(slot), Some(previous), "{}", entry.name);
            previous = slot;
        }
    }
}

#[test]
fn a_repeated_hour_shows_its_offset() {
    let hourly = Entry { zone: zone("Europe/Berlin"), ..cron("hourly", "0 * * * *") };
    let text = "{{ slot }} {{ slot | format('%H %Z %z %:z %s') }} {{ previous_slot }}";
    assert_eq!(
        filled(text, &hourly, utc("2026-10-25T00:00:00Z")),
        r#""2026-10-25T02:00:00+02:00 02 CEST +0200 +02:00 1792886400 2026-10-25T01:00:00+02:00""#
    );
    assert_eq!(
        filled(text, &hourly, utc("2026-10-25T01:00:00Z")),
        r#""2026-10-25T02:00:00+01:00 02 CET +0100 +01:00 1792890000 2026-10-25T02:00:00+02:00""#
    );
}

#[test]
fn fractions_are_shown_where_there_are_some_and_whole_seconds_round_down() {
    let quick = every("quick", 1);
    let text = "{{ slot }} {{ slot | unix }} {{ slot | format('%S.%3f') }}";
    assert_eq!(filled(text, &quick, UnixMs(1250)), r#""1970-01-01T00:00:01.25+00:00 1 01.250""#);
    assert_eq!(filled("{{ slot | unix }}", &quick, UnixMs(-1)), "-1");
}

#[test]
fn an_entry_without_templates_borrows_its_message() {
    let mut entry = every("a", 60);
    assert!(matches!(entry.message_of(UnixMs(0), ID), Cow::Borrowed(_)));
    entry.message.args = r#"["{{ slot | unix }}","x"]"#.into();
    entry.catch_up = CatchUp::All;
    let unix = SlotTemplate { which: Which::This, moves: Box::default(), form: Form::Unix };
    let hole = Hole::new(1..20, true, Template::Slot(unix));
    entry.templates = Templates { args: [hole].into(), ..Templates::default() }.some();
    let message = entry.message_of(UnixMs(60_000), ID);
    assert_eq!(&*message.args, r#"[60,"x"]"#);
    assert_eq!(*message, Message { args: message.args.clone(), ..entry.message.clone() });
    assert_eq!(Templates::default().some(), None);
}

#[test]
fn other_template_languages_are_refused() {
    for text in [
        "{{ slot.year }}",
        "{{ slot['year'] }}",
        "{{ slot() }}",
        "{{ slot or entry }}",
        "{{ slot ~ 1 }}",
        "{{ slot | date('%Y') }}",
        "{{ slot | format }}",
        "{{ slot | format('%Y', 1) }}",
        "{{ 1 }}",
        "{{ slot || date }}",
        "{{ slot } }",
        "{{ \"a\" \"b\" }}",
        "{{ entry entry }}",
        "{{ größe }}",
    ] {
        assert!(
            matches!(
                problem(text),
                TemplateProblem::Unexpected { .. } | TemplateProblem::UnknownName(_)
            ),
            "{text}: {}",
            problem(text)
        );
    }
    assert_eq!(problem("{{"), TemplateProblem::NeverClosed);
    assert_eq!(problem("{{ slot | format('%Y')"), TemplateProblem::NeverClosed);
    assert_eq!(problem("{{ slot | format('%Y"), TemplateProblem::OpenQuote);
}

#[test]
fn a_move_that_is_not_one_says_what_to_write() {
    for (text, message, hint) in [
        (
            "shift('1m')",
            "`m` could mean months or minutes",
            "write `1mo` for months, `1min` for minutes",
        ),
        (
            "shift('-1M')",
            "`m` could mean months or minutes",
            "write `-1mo` for months, `-1min` for minutes",
        ),
        (
            "shift('-1')",
            "the shift `-1` has no unit",
            "write `-1d` for days; units are y, mo, w, d, h and min",
        ),
        ("shift('-2 days')", "unknown unit `days` in a shift", "write `-2d`"),
        ("shift('-1 Month')", "unknown unit `Month` in a shift", "write `-1mo`"),
        (
            "shift('-1 business_day')",
            "`shift` does not count business days",
            "write `{{ slot | business_days(-1) }}`",
        ),
        (
            "shift('-1mo2d')",
            "a shift of several units",
            "shift twice, in the order you mean: `shift(\"-1mo\") | shift(\"2d\")`",
        ),
        ("shift('0d')", "a shift by nothing", "leave it out"),
        ("shift('101y')", "a shift of over 100 years", "write a number and a unit, like `-1d`: "),
        ("shift('99999999999d')", "a shift of over 100 years", "write a number and a unit"),
        ("shift('P1D')", "`P1D` is not a shift", "write a number and a unit, like `-1d`: "),
        ("shift('')", "`` is not a shift", "write a number and a unit, like `-1d`: "),
        ("shift('1f')", "unknown unit `f` in a shift", "write a number and a unit, like `-1d`: "),
        (
            "shift(-1d)",
            "expected a shift in quotes, like `\"-1d\"` here",
            "an instant is moved by `shift`",
        ),
        (
            "date | shift('-1d')",
            "`shift` moves an instant, and this is text",
            "move first, then write: `{{ slot | shift(…) | date }}`",
        ),
        (
            "unix|business_days(1)",
            "`business_days` moves an instant, and this is text",
            "move first, then write: `{{ slot | business_days(…) | date }}`",
        ),
        (
            "business_days(0)",
            "a move by 0 business days",
            "the day itself, or the business day before it, is `shift(\"1d\") | business_days(-1)`",
        ),
        (
            "business_days(1001)",
            "a move by more than 1000 business days",
            "move by months or years: `shift(\"-1y\")`",
        ),
        ("business_days('-1')", "expected a number, like `-1` here", "there are `slot`"),
        (
            "business_days(-1, bank)",
            "expected a calendar's name in quotes here",
            "there are `slot`",
        ),
        ("add_days(1)", "unknown filter in a template", "did you mean `shift(\"1d\")`?"),
        ("shfit('1d')", "unknown filter in a template", "did you mean `shift`?"),
        ("strftime('%Y')", "unknown filter in a template", "did you mean `format(\"%Y-%m\")`?"),
    ] {
        let problem = problem(&format!("{{{{ slot | {text} }}}}"));
        assert_eq!(problem.to_string(), message, "{text}");
        assert!(problem.hint().starts_with(hint), "{text}: {}", problem.hint());
    }
    for (name, hint) in [
        ("ds", "did you mean `slot | date`?"),
        ("yesterday_ds", "did you mean `slot | shift(\"-1d\") | date`?"),
        ("slot - 1", "an instant is moved by `shift`: `{{ slot | shift(\"-1d\") }}`"),
        ("slot.year", "a part of it is written by `format`: `{{ slot | format(\"%Y\") }}`"),
    ] {
        assert_eq!(problem(&format!("{{{{ {name} }}}}")).hint(), hint);
    }
    let eleven = format!("{{{{ slot{} }}}}", "|shift('1d')".repeat(11));
    assert_eq!(problem(&eleven), TemplateProblem::ManyMoves);
}

#[test]
fn formats_are_those_of_strftime_as_a_whole() {
    for directive in ["%+", "%", "%é", "%E", "%::::z", "%256Y", "%.Y", "%-", "%5", "%-0^Y"] {
        let text = format!("{{{{ slot | format('%Y{directive}') }}}}");
        assert_eq!(problem(&text), TemplateProblem::UnknownDirective(directive.into()));
    }
    for wide in ["%21Y", "%099d", "%.255f"] {
        let text = format!("{{{{ slot | format('{wide}') }}}}");
        assert_eq!(problem(&text), TemplateProblem::Wide(wide.into()));
    }
    let entry = every("a", 60);
    let locale = "{{ slot | format('%c|%x|%X|%r|%D|%e|%%|%n|%P|%q') }}";
    assert_eq!(
        filled(locale, &entry, utc("2026-02-03T04:05:06Z")),
        r#""Tue Feb  3 04:05:06 2026|02/03/26|04:05:06|04:05:06 AM|02/03/26| 3|%|\n|am|1""#
    );
}

/// Every directive, with every flag and some widths.
fn directives() -> Vec<String> {
    let mut all = Vec::new();
    for flag in ["", "-", "_", "0", "^", "#"] {
        for width in ["", "1", "9", "20", "99", "255"] {
            for colons in ["", ":", "::", ":::", "."] {
                all.extend((' '..='~').map(|c| format!("%{flag}{width}{colons}{c}")));
            }
        }
    }
    all.retain(|directive| format::check(directive).is_ok());
    all
}

#[test]
fn an_accepted_directive_fits_every_instant_and_is_no_longer_than_its_bound() {
    let directives = directives();
    assert!(directives.len() > 1000, "{}", directives.len());
    let instants =
        [i64::MIN, -99_999_999_999_999, -1, 0, 1_795_370_400_123, 253_402_207_199_999, i64::MAX];
    for zone in ["America/Argentina/ComodRivadavia", "Asia/Kolkata", "Pacific/Guam"].map(zone) {
        for at in instants.map(UnixMs) {
            for directive in &directives {
                let text = zone.strftime(at, directive).unwrap();
                assert!(text.len() <= 16 * directive.len(), "{directive}: {text}");
            }
        }
    }
    assert!(chrono_tz::TZ_VARIANTS.iter().all(|tz| tz.name().len() <= 32));
}

proptest! {
    #[test]
    fn a_format_is_its_directives_and_what_is_between(
        parts in prop::collection::vec(prop::sample::select(directives()), 1..8),
        between in "[a-z \"%%]{0,3}",
        at in any::<i64>(),
    ) {
        let between = between.replace('%', "%%");
        let format = parts.join(&between);
        if format.len() <= MAX_FORMAT {
            prop_assert_eq!(format::check(&format), Ok(()));
        }
        let zone = zone("America/New_York");
        let each = |part: &String| zone.strftime(UnixMs(at), part).unwrap();
        let expected: Vec<_> = parts.iter().map(each).collect();
        let written = zone.strftime(UnixMs(at), &format).unwrap();
        prop_assert_eq!(written, expected.join(&between.replace("%%", "%")));
    }
}

#[test]
fn a_long_text_takes_time_in_proportion_to_its_length() {
    let part = "{{ slot | format(\"%Y {{ '{{ \" {{ x }} {% \\ {{ ' ";
    let text = part.repeat(100_000);
    assert!(pieces(&text).count() >= 100_000);
    for opener in ["{{", "{{ \"", "{{ '", "{", "{{ slot | format('%Y", "{{ \"}}", "{{ \\ "] {
        assert!(pieces(&opener.repeat(1_000_000)).count() >= 1, "{opener}");
    }
}
