//! Zones in a line are refused, and the answer is the key and the line without them.

use super::*;

#[test]
fn a_zone_in_a_line_is_answered_with_its_key_and_the_line() {
    let kolkata = "write `timezone: Asia/Kolkata` and the line as `0 8 * * *`";
    let table = [
        ("CRON_TZ=Asia/Kolkata 0 8 * * *", "CRON_TZ=Asia/Kolkata", kolkata),
        ("TZ=Asia/Kolkata 0 8 * * *", "TZ=Asia/Kolkata", kolkata),
        (" cron_tz=asia/kolkata\t0 8 * * * ", "cron_tz=asia/kolkata", kolkata),
        ("0 8 * * * Asia/Kolkata", "Asia/Kolkata", kolkata),
        ("0 8 * * * utc", "utc", "write `timezone: UTC` and the line as `0 8 * * *`"),
        (
            "@daily Europe/Paris",
            "Europe/Paris",
            "write `timezone: Europe/Paris` and the line as `@daily`",
        ),
        ("TZ=UTC @hourly", "TZ=UTC", "write `timezone: UTC` and the line as `@hourly`"),
        (
            "CRON_TZ=UTC H 3 * * *",
            "CRON_TZ=UTC",
            "write `timezone: UTC` and the line as `H 3 * * *`",
        ),
        // A hint is never something that is refused in turn.
        ("CRON_TZ=UTC 0 25 * * *", "CRON_TZ=UTC", "write `timezone: UTC` and the line without it"),
        ("CRON_TZ=UTC", "CRON_TZ=UTC", "write `timezone: UTC` and the line without it"),
        (
            "0 8 * * * America/NewYork",
            "America/NewYork",
            "write `timezone` with a name such as `Asia/Seoul` and the line as `0 8 * * *`",
        ),
        (
            "TZ=+09:00 0 8 * * *",
            "TZ=+09:00",
            "write `timezone` with a name such as `Asia/Seoul` and the line as `0 8 * * *`",
        ),
    ];
    for (line, token, hint) in table {
        let error = Cron::parse(line).expect_err(line);
        let expected =
            format!("the zone is a key of its own, not part of a line as in `{token}`; {hint}");
        assert_eq!((error.to_string(), &line[error.span.clone()]), (expected, token), "{line}");
    }
}

#[test]
fn a_zone_in_a_quartz_line_is_answered_alike() {
    for line in ["0 0 8 * * ? Asia/Kolkata", "CRON_TZ=Asia/Kolkata 0 0 8 * * ?"] {
        let error = Quartz::parse(line).expect_err(line).to_string();
        let hint = "write `timezone: Asia/Kolkata` and the line as `0 0 8 * * ?`";
        assert!(error.ends_with(hint), "{line}: {error}");
    }
    let year = Quartz::parse("0 0 8 * * ? 2027 Asia/Kolkata").expect_err("a zone").to_string();
    assert!(year.ends_with("the line as `0 0 8 * * ? 2027`"), "{year}");
}

#[test]
fn six_fields_without_a_zone_have_three_meanings() {
    for line in ["0 0 12 ? * MON", "0 0 12 * * SAT", "0 0 12 ? * MON/2", "0 12 * * ? *"] {
        let error = Cron::parse(line).expect_err(line);
        assert_eq!(error.problem, Problem::ManyDialects(6), "{line}");
    }
}
