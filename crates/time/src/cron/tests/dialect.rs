//! What is accepted and what it means; what is refused and with which words.

use super::*;

fn mapping(key: &str, text: &str) -> Result<Parsed, CronError> {
    let mut fields = MappingFields { minute: Some("0"), hour: Some("0"), ..Default::default() };
    let field = match key {
        "minute" => &mut fields.minute,
        "hour" => &mut fields.hour,
        "day_of_week" => &mut fields.day_of_week,
        "day_of_month" => &mut fields.day_of_month,
        _ => &mut fields.month_of_year,
    };
    *field = Some(text);
    Cron::from_mapping(fields, None)
}

#[test]
fn crontab_lines_mean_what_cronie_says() {
    let table = [
        ("0 0 * * 0", "01-05, 01-12, 01-19"),
        ("0 0 * * 1", "01-06, 01-13, 01-20"),
        ("0 0 * * 7", "01-05, 01-12, 01-19"),
        ("0 0 * * 1-5", "01-02, 01-03, 01-06"),
        ("0 0 * * sunday", "01-05, 01-12, 01-19"),
        ("0 0 * * TueS,thurs", "01-02, 01-07, 01-09"),
        ("0 0 * * fri-mon", "01-03, 01-04, 01-05, 01-06, 01-10"),
        ("0 0 * * sat-sun", "01-04, 01-05, 01-11"),
        ("0 0 * * 5-7", "01-03, 01-04, 01-05, 01-10"),
        ("0 0 * * 7-2", "01-05, 01-06, 01-07, 01-12"),
        ("0 0 * * 7-7", "01-05, 01-12"),
        ("0 0 * * 0-7", "01-02, 01-03, 01-04"),
        ("0 22-1 * * *", "01-01 01:00, 01-01 22:00, 01-01 23:00, 01-02, 01-02 01:00"),
        ("55-5/3 0 * * *", "01-01 00:01, 01-01 00:04, 01-01 00:55, 01-01 00:58, 01-02 00:01"),
        ("5/25 0 * * *", "01-01 00:05, 01-01 00:30, 01-01 00:55, 01-02 00:05"),
        ("0 0 */3 * *", "01-04, 01-07, 01-10"),
        ("0 0 1 */3 *", "04-01, 07-01, 10-01, 01-01"),
        ("0 0 1 feb-sept/3 *", "02-01, 05-01, 08-01, 02-01"),
        ("0 0 13 * 5", "01-03, 01-10, 01-13, 01-17"),
        ("0 0 */2 * 1", "01-13, 01-27, 02-03"),
        ("0 0 1 * */2", "02-01, 03-01, 04-01"),
        ("0 0 *,1 * 1", "01-06, 01-13"),
        ("0 0 1,* * 1", "01-02, 01-03, 01-04"),
        ("0 0 1-31 * 1", "01-02, 01-03, 01-04"),
        ("10-10/5 0 * * *", "01-01 00:10, 01-02 00:10"),
        ("0 0 29 2 *", "02-29, 02-29"),
        ("0 0 31 * *", "01-31, 03-31, 05-31"),
        ("0 0 30 2 mon", "02-03, 02-10"),
        ("  0\t0 * *  0\t", "01-05, 01-12"),
        ("00 000 01 01 *", "01-01"),
        ("@Weekly", "01-05, 01-12"),
        ("@ANNUALLY", "01-01, 01-01"),
        (" @midnight ", "01-02, 01-03"),
    ];
    for (line, expected) in table {
        assert_eq!(days(line, expected.split(", ").count()), expected, "{line}");
    }
}

#[test]
fn everything_not_wholly_understood_is_refused_with_a_hint() {
    let table = [
        ("", "found 0 of five fields; write minute, hour, day of month, month and weekday"),
        ("* * * *", "found 4 of five fields; write minute, hour, day of month, month and weekday"),
        ("* * * * * * * *", "found 8 of five fields"),
        (
            "crontab(minute=0, hour='*/3')",
            "`crontab(…)` is Python, not a crontab line; write its arguments as a mapping: \
             `cron: {minute: 0, hour: '*/3'}`",
        ),
        (
            "crontab(minute=0, hour='8,12')",
            "`crontab(…)` is Python, not a crontab line; write its arguments as a mapping: \
             `cron: {minute: 0, hour: '*/3'}`",
        ),
        (
            "0 30 9 * * MON-FRI",
            "6 fields have three meanings in the wild: seconds first with 1 for Sunday (Quartz), \
             seconds first with 0 for Sunday (Spring), year last (EventBridge); write five fields",
        ),
        ("0 30 9 * * MON-FRI 2027", "7 fields have three meanings in the wild"),
        ("0 0 * * *\n", "`\\n` is not part of a crontab line; write one line"),
        ("0\u{a0}0 * * *", "`\\u{a0}` is not part of a crontab line"),
        ("@reboot", "`@reboot` names no times of its own; write five fields, or use `every`"),
        ("@every 5m", "`@every 5m` names no times of its own"),
        ("@dayly", "`@dayly` is not a known name; did you mean `@daily`?"),
        ("@", "`@` is not a known name; write @hourly, @daily"),
        ("60 * * * *", "minute `60` is out of range; did you mean `0`?"),
        ("61 * * * *", "minute `61` is out of range; write 0 to 59"),
        ("0 24 * * *", "hour `24` is out of range; did you mean `0`?"),
        ("0 0 0 * *", "day of month `0` is out of range; write 1 to 31"),
        ("0 0 * 13 *", "month `13` is out of range; write 1 to 12"),
        ("0 0 * * 8", "weekday `8` is out of range; write 0 to 7"),
        ("99999999999 * * * *", "minute `99999999999` is out of range"),
        ("-1 * * * *", "a minute is missing here; write 0 to 59"),
        ("+1 * * * *", "`+1` is not a minute; write 0 to 59"),
        ("1.5 * * * *", "`1.5` is not a minute"),
        ("\u{661} * * * *", "`\u{661}` is not a minute"),
        ("*/60 * * * *", "step `60` is larger than the range of the minute; write 1 to 59"),
        ("0 */24 * * *", "step `24` is larger than the range of the hour; write 1 to 23"),
        ("1/60 * * * *", "step `60` is larger than the range"),
        ("*/0 * * * *", "a step of the minute can't be 0; write 1 to 59"),
        ("*/ * * * *", "step `` of the minute is not a number"),
        ("*/1/2 * * * *", "step `1/2` of the minute is not a number"),
        ("*/*/2 * * * *", "step `*/2` of the minute is not a number"),
        ("*5 * * * *", "`*` stands alone or before a `/step`, not in `*5`"),
        ("** * * * *", "`*` stands alone or before a `/step`, not in `**`"),
        ("*-5 * * * *", "`*` stands alone or before a `/step`, not in `*-5`"),
        ("1-* * * * *", "`*` is not a minute"),
        ("1-5-7 * * * *", "`5-7` is not a minute"),
        ("1- * * * *", "a minute is missing here"),
        ("1,,2 * * * *", "a minute is missing here"),
        (",1 * * * *", "a minute is missing here"),
        ("1, * * * *", "a minute is missing here"),
        (
            "0 0 * * MON/2",
            "`MON/2` does not say how far the steps of the weekday run; did you mean",
        ),
        (
            "0 0 * * 1/2",
            "`1/2` does not say how far the steps of the weekday run; did you mean `1-6/2`?",
        ),
        ("0 0 * * JAN", "`JAN` is not the name of a weekday"),
        ("0 0 MON * *", "`MON` is not the name of a day of month; write 1 to 31"),
        ("0 0 * * monkey", "`monkey` is not the name of a weekday; did you mean `monday`?"),
        ("0 0 * * mo", "`mo` is not the name of a weekday; did you mean `monday`?"),
        ("0 0 * * weekday", "`weekday` is not the name of a weekday"),
        ("0 0 * janury *", "`janury` is not the name of a month; did you mean `january`?"),
        (
            "0 0 * mondays *",
            "`mondays` is not the name of a month; write 1 to 12, or three letters",
        ),
        ("0 0 30 2 *", "the date `30 2` never comes; write a day that one of the months has"),
        ("0 0 31 4,6,9,11 *", "the date `31 4,6,9,11` never comes"),
        ("0 0 30-31 feb */2", "the date `30-31 feb` never comes"),
    ];
    for (line, expected) in table {
        let error = Cron::parse(line).expect_err(line).to_string();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

#[test]
fn an_error_points_at_its_token() {
    let line = " 0 3\t* * mon,fry-sun";
    let error = Cron::parse(line).unwrap_err();
    assert_eq!((error.field, error.problem), (Some(Field::Weekday), Problem::UnknownName));
    assert_eq!((&line[error.span.clone()], &*error.token), ("fry", "fry"));
    assert_eq!((error.allowed, error.suggestion.as_deref()), (Some((0, 7)), Some("friday")));
    let never = "0 0 30  2 *";
    assert_eq!(&never[Cron::parse(never).unwrap_err().span], "30  2");
    let many = "  1 2 3 4 5 6 ";
    assert_eq!(&many[Cron::parse(many).unwrap_err().span], "1 2 3 4 5 6");
}

#[test]
fn two_restricted_day_fields_are_noted_unless_the_rule_is_written() {
    let warnings =
        |text, day_match| Cron::parse(Line { text, day_match, entry: None }).unwrap().warnings;
    let ambiguous = |rule| vec![CronWarning::AmbiguousDays(rule)];
    assert_eq!(warnings("0 0 13 * fri", None), ambiguous(DayMatch::Or));
    // The other warning is about the step.
    assert_eq!(warnings("0 0 */2 * fri", None)[..1], ambiguous(DayMatch::And));
    assert_eq!(warnings("0 0 13 * fri", Some(DayMatch::Or)), []);
    assert_eq!(warnings("0 0 13 * *", None), []);
    assert_eq!(warnings("0 0 * * fri", None), []);
}

#[test]
fn a_mapping_means_what_celery_says() {
    let table = [
        ("day_of_week", "mon-fri", "0 0 * * mon-fri"),
        ("day_of_week", "fri-mon/2", "0 0 * * fri,sun"),
        ("day_of_week", "Sunday, 3", "0 0 * * 0,3"),
        ("day_of_month", "*/3", "0 0 */3 * *"),
        ("day_of_month", "28-3", "0 0 28-31,1-3 * *"),
        ("month_of_year", "*/3", "0 0 * 1,4,7,10 *"),
        ("month_of_year", "nov-feb", "0 0 * 11,12,1,2 *"),
        ("hour", "*/8", "0 */8 * * *"),
        ("minute", "55-5/3", "1,4,55,58 0 * * *"),
    ];
    for (key, text, line) in table {
        assert_eq!(mapping(key, text).unwrap().cron, cron(line), "{key}={text}");
    }
    let all = Cron::from_mapping(MappingFields::default(), None).unwrap();
    assert_eq!(all.cron, cron("* * * * *"));
}

#[test]
fn a_mapping_matches_both_day_fields_unless_told_otherwise() {
    let fields = MappingFields {
        minute: Some("0"),
        hour: Some("0"),
        day_of_week: Some("fri"),
        day_of_month: Some("13"),
        month_of_year: None,
    };
    let parse = |rule| Cron::from_mapping(fields, rule).unwrap();
    let line = |rule| ruled("0 0 13 * fri", rule).unwrap();
    assert_eq!(parse(None), line(DayMatch::And));
    assert_eq!(parse(Some(DayMatch::Or)), line(DayMatch::Or));
}

#[test]
fn a_mapping_refuses_what_celery_takes_without_understanding() {
    let table = [
        ("minute", "1-5-7", "`5-7` is not a minute"),
        ("minute", "1-5/2/3", "step `2/3` of the minute is not a number"),
        ("minute", "*/", "step `` of the minute is not a number"),
        (
            "minute",
            "5/15",
            "`5/15` does not say how far the steps of the minute run; did you mean `5-59/15`?",
        ),
        ("minute", "+1", "`+1` is not a minute"),
        ("minute", "", "a minute is missing here"),
        (
            "day_of_week",
            "fri#2",
            "`fri#2` (the nth such weekday of the month) needs a crontab line; write one, \
             minute first: `cron: \"30 9 * * fri#2\"`",
        ),
        ("day_of_week", "friL", "`friL` (the last such weekday of the month) needs a crontab line"),
        ("day_of_month", "1, L", "`L` (the last day of the month) needs a crontab line"),
        ("day_of_month", "lw", "`lw` (the last day of the month from Monday to Friday) needs"),
        ("day_of_month", "15W", "`15W` (the nearest day from Monday to Friday) needs a crontab"),
        ("day_of_month", "?", "`?` (any day) needs a crontab line"),
        ("minute", "H/5", "`H/5` (a value hashed from the entry's name) needs a crontab line"),
        ("minute", "0~30", "`0~30` (a random value) needs a crontab line"),
        ("day_of_week", "monkey", "`monkey` is not the name of a weekday"),
        ("day_of_week", "jan", "`jan` is not the name of a weekday"),
        ("day_of_week", "7", "weekday `7` is out of range; did you mean `0`?"),
        ("day_of_week", "fri/2", "`fri/2` does not say how far the steps of the weekday run"),
        ("day_of_month", "jan", "`jan` is not the name of a day of month"),
    ];
    for (key, text, expected) in table {
        let error = mapping(key, text).expect_err(text);
        assert!(error.to_string().starts_with(expected), "{key}={text}: {error}");
        assert_eq!(error.field.map(Field::key), Some(key));
        assert_eq!(&text[error.span], &*error.token);
    }
    let never =
        MappingFields { day_of_month: Some("30"), month_of_year: Some("2"), ..Default::default() };
    assert_eq!(Cron::from_mapping(never, None).unwrap_err().problem, Problem::NeverComes);
}

#[test]
fn a_step_above_the_range_is_a_warning_in_a_mapping() {
    let parsed = mapping("minute", "*/60").unwrap();
    assert_eq!(parsed.cron.minutes, 1);
    assert_eq!(
        parsed.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["step `60` is larger than the range of minute: only the first value matches"]
    );
    assert_eq!(mapping("hour", "3-9/4000000000000").unwrap().cron.hours, 1 << 3);
}
