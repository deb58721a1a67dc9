use serde_json::{Value, json};

use super::*;
use crate::import::Grade;

fn written(text: &str, dialect: Dialect) -> Value {
    let mut job = Job::new("x");
    set(&mut job, text, dialect);
    match job.grade() {
        Grade::Cannot => json!("cannot"),
        Grade::Same | Grade::Differs => Value::Object(job.keys),
    }
}

#[test]
fn fugit_has_seconds_first_and_a_zone_last() {
    for (text, expected) in [
        ("*/5 * * * *", json!({"cron": "*/5 * * * *"})),
        (
            "0 3 * * mon-fri Asia/Tokyo",
            json!({"timezone": "Asia/Tokyo", "cron": "0 3 * * mon-fri"}),
        ),
        ("0 3 * * * +09:00", json!({"timezone": "Etc/GMT-9", "cron": "0 3 * * *"})),
        ("0 3 * * MON", json!({"cron": "0 3 * * mon"})),
        ("*/10 * * * * *", json!({"cron": {"quartz": "*/10 * * * * ?"}})),
        (
            "30 0 3 1 * sun",
            json!({"cron": [{"quartz": "30 0 3 1 * ?"}, {"quartz": "30 0 3 ? * SUN"}]}),
        ),
        ("0 22-24 -2 * *", json!({"cron": "0 0,22,23 L-1 * *"})),
        ("0 0 1 * sun#-1", json!({"cron": "0 0 1 * 0L", "day_match": "or"})),
        ("0 0 1-7 * mon&", json!({"cron": "0 0 1-7 * mon", "day_match": "and"})),
        ("@noon", json!({"cron": "0 12 * * *"})),
        ("every 5 minutes", json!("cannot")),
        ("0 0 * * mon%2", json!("cannot")),
        ("0 0 * * mon#-2", json!("cannot")),
        ("0 0 * * mon#1,mon#3", json!("cannot")),
        ("0 0 * * 1,*", json!("cannot")),
    ] {
        assert_eq!(written(text, Dialect::Fugit), expected, "{text}");
    }
}

#[test]
fn each_library_has_corners_of_its_own() {
    use Dialect::{CronParser, Croniter, Crontab};
    for (text, dialect, expected) in [
        ("0 0 */2 * 1", CronParser, json!({"cron": "0 0 */2 * 1", "day_match": "or"})),
        ("0 0 * * 5L", CronParser, json!({"cron": "0 0 * * 5L"})),
        ("0 0 ? * 1/2", CronParser, json!({"cron": "0 0 * * 0,1,3,5"})),
        ("22-4 * * * *", CronParser, json!("cannot")),
        ("0 0 * * * 30", Croniter, json!({"cron": {"quartz": "30 0 0 * * ?"}})),
        ("0 0 * * l5", Croniter, json!({"cron": "0 0 * * 5L"})),
        ("0 0 * * 1/2", Croniter, json!({"cron": "0 0 * * 1,3,5"})),
        ("0 0 * * 7/2", Croniter, json!({"cron": "0 0 * * 0,2,4,6"})),
        ("0 0 * * 1-7/2", Croniter, json!({"cron": "0 0 * * 0,1,3,5"})),
        ("0 0 15w * *", Croniter, json!({"cron": "0 0 15W * *"})),
        ("0 0 * jan-jan *", Croniter, json!({"cron": "0 0 * 1-12 *"})),
        ("0 0 1-7 * mon", Crontab, json!({"cron": "0 0 1-7 * mon", "day_match": "and"})),
        ("0 0 z2 * *", Crontab, json!({"cron": "0 0 L-2 * *"})),
        ("0 0 * * sat-sun", Crontab, json!({"cron": "0 0 * * 0,6"})),
        ("0 0 1 1 ? 2027-2028", Crontab, json!({"cron": {"quartz": "0 0 0 1 1 ? 2027,2028"}})),
        ("5 0 0 1 1 * 2027", Crontab, json!({"cron": {"quartz": "5 0 0 1 1 ? 2027"}})),
        ("0 3 * * 5#2", Crontab, json!("cannot")),
        ("h h * * *", Croniter, json!("cannot")),
        ("0 0 0 0", Croniter, json!("cannot")),
    ] {
        assert_eq!(written(text, dialect), expected, "{text}");
    }
}
