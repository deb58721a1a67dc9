//! `cron` as a mapping means what Celery's own `crontab` means, in UTC.

use downbeat_time::cron::{Cron, MappingFields, Problem};
use downbeat_time::{UnixMs, Zone};
use serde_json::{Value, json};

use crate::support::random::seed;
use crate::support::tools::{answers, needs};

const SLOTS: usize = 3;
const RANDOM: usize = 5_000;

/// Reads arguments and an instant from each line, writes the next slots; `null` where Celery refuses
/// the arguments because their date never comes.
const CELERY: &str = r#"
import json, sys
from datetime import datetime, timedelta, timezone
from celery import Celery
from celery.schedules import crontab
app = Celery(set_as_current=False)
app.conf.timezone = "UTC"
epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
for line in sys.stdin:
    arguments, after, count = json.loads(line)
    try:
        schedule = crontab(**arguments, app=app)
    except ValueError as error:
        if "day" not in str(error):
            raise
        print("null")
        continue
    at, slots = epoch + timedelta(seconds=after), []
    for _ in range(count):
        start, delta, _ = schedule.remaining_delta(at)
        at = start + delta
        slots.append(int((at - epoch).total_seconds()))
    print(json.dumps(slots))
"#;

/// Every example of the pages and docstrings that document `crontab`, as they are written there.
const DOCUMENTED: &str = r#"[
    {},
    {"minute": 0, "hour": 0},
    {"minute": 0, "hour": "*/3"},
    {"minute": 0, "hour": "0,3,6,9,12,15,18,21"},
    {"minute": "*/15"},
    {"day_of_week": "sunday"},
    {"minute": "*", "hour": "*", "day_of_week": "sun"},
    {"minute": "*/10", "hour": "3,17,22", "day_of_week": "thu,fri"},
    {"minute": 0, "hour": "*/2,*/3"},
    {"minute": 0, "hour": "*/5"},
    {"minute": 0, "hour": "*/3,8-17"},
    {"minute": 0, "hour": 0, "day_of_month": "2"},
    {"minute": 0, "hour": 0, "day_of_month": "2-30/2"},
    {"minute": 0, "hour": 0, "day_of_month": "1-7,15-21"},
    {"minute": 0, "hour": 0, "day_of_month": "11", "month_of_year": "5"},
    {"minute": 0, "hour": 0, "month_of_year": "*/3"},
    {"hour": 7, "minute": 30, "day_of_week": 1},
    {"minute": "1,13,30-45,50-59/2"},
    {"hour": "0,8-17/2"},
    {"day_of_week": "mon-fri"},
    {"day_of_week": "*/2"},
    {"day_of_week": 0, "day_of_month": "*/7"},
    {"day_of_week": 1, "day_of_month": "1-7,15-21"},
    {"month_of_year": "2-12/2"},
    {"day_of_month": "30", "month_of_year": "2"},
    {"hour": "*/4"},
    {"day_of_month": "*/3"},
    {"month_of_year": "*/2"},
    {"minute": 5, "hour": "*"},
    {"day_of_week": "sat,sun"}
]"#;

const MONTHS: [&str; 12] =
    ["jan", "feb", "march", "apr", "may", "june", "jul", "august", "sept", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "monday", "tue", "wednes", "thurs", "Fri", "SAT"];

/// A field; most are left out.
fn field(random: &mut fastrand::Rng, first: u32, last: u32, names: &[&str]) -> Option<Value> {
    if random.u8(..3) == 0 {
        return None;
    }
    let mut value = || {
        let value = random.u32(first..=last);
        let name = names.get((value - first) as usize).filter(|_| random.bool());
        name.map_or(value.to_string(), ToString::to_string)
    };
    let (one, two, three) = (value(), value(), value());
    let step = random.u32(1..=last);
    Some(match random.u8(..8) {
        0 => json!("*"),
        1 => json!(format!("*/{step}")),
        // Ranges wrap.
        2 => json!(format!("{one}-{two}")),
        3 => json!(format!("{one}-{two}/{step}")),
        4 => json!(format!("{one},{two}-{three}/{step},*/{}", step.max(5))),
        5 => json!(format!("{one},{two}")),
        6 => json!(random.u32(first..=last)),
        _ => json!(one),
    })
}

fn random_arguments(random: &mut fastrand::Rng) -> Value {
    let fields = [
        ("minute", field(random, 0, 59, &[])),
        ("hour", field(random, 0, 23, &[])),
        ("day_of_week", field(random, 0, 6, &WEEKDAYS)),
        ("day_of_month", field(random, 1, 31, &[])),
        ("month_of_year", field(random, 1, 12, &MONTHS)),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Our slots, or `None` when the date never comes.
fn slots(arguments: &Value, after: i64) -> Option<Vec<i64>> {
    let written = |key: &str| match &arguments[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    };
    let (minute, hour) = (written("minute"), written("hour"));
    let (week, month) = (written("day_of_week"), written("month_of_year"));
    let day = written("day_of_month");
    let fields = MappingFields {
        minute: minute.as_deref(),
        hour: hour.as_deref(),
        day_of_week: week.as_deref(),
        day_of_month: day.as_deref(),
        month_of_year: month.as_deref(),
    };
    let cron = match Cron::from_mapping(fields, None) {
        Ok(parsed) => parsed.cron,
        Err(error) if error.problem == Problem::NeverComes => return None,
        Err(error) => panic!("{arguments}: {error}"),
    };
    let next = |at: &UnixMs| cron.next(&Zone::utc(), *at);
    let slots = std::iter::successors(next(&UnixMs::from_secs(after)), next).take(SLOTS);
    Some(slots.map(|slot| slot.0 / 1000).collect())
}

#[test]
fn a_mapping_means_what_celerys_crontab_means() {
    needs!(Python);
    let mut random = fastrand::Rng::with_seed(seed());
    let documented: Vec<Value> = serde_json::from_str(DOCUMENTED).unwrap();
    let drawn = (0..RANDOM).map(|_| random_arguments(&mut random)).collect::<Vec<_>>();
    let questions: Vec<(Value, i64)> = documented
        .into_iter()
        .chain(drawn)
        .map(|arguments| (arguments, random.i64(631_152_000..2_840_140_800)))
        .collect();
    let asked: Vec<Value> =
        questions.iter().map(|(arguments, after)| json!([arguments, after, SLOTS])).collect();
    for ((arguments, after), theirs) in questions.iter().zip(answers(CELERY, &asked)) {
        let theirs: Option<Vec<i64>> = serde_json::from_value(theirs).unwrap();
        assert_eq!(slots(arguments, *after), theirs, "{arguments} after {after}");
    }
}
