use super::*;
use crate::import::Grade;

fn from_file(fields: Value) -> Job {
    let Value::Object(fields) = fields else { panic!() };
    from_fields("x".to_owned(), &fields, None)
}

#[test]
fn a_job_of_a_file_becomes_an_entry() {
    let job = from_file(json!({
        "cron": "0 6 * * * Europe/Berlin", "class": "Report", "queue": "low", "args": {"a": "{{"},
        "status": "disabled", "description": "Daily.", "retry": false,
    }));
    assert_eq!(job.grade(), Grade::Same);
    assert_eq!(
        Value::Object(job.keys),
        json!({
            "task": "Report", "timezone": "Europe/Berlin", "cron": "0 6 * * *",
            "args": [{"a": r#"{{ "{{" }}"#}], "queue": "low", "options": {"retry": 0}, "enabled": false,
            "description": "Daily.",
        })
    );
}

#[test]
fn arguments_that_json_would_change_leave_the_job_out() {
    let args = |args: &str| items(Some(&args.into()));
    assert_eq!(args("[1, \"a\"]"), Ok(vec![json!(1), json!("a")]));
    assert_eq!(args("two words"), Ok(vec![json!("two words")]));
    for text in ["[123456789012345678901234567890]", "[1e400]", "[\"\\ud800\"]", "1e400"] {
        assert!(args(text).unwrap_err().contains("look like JSON"), "{text}");
    }
}

#[test]
fn no_retries_are_not_the_same_as_a_discarded_job() {
    let retry = |retry: Value| {
        let job = from_file(json!({
            "cron": "0 6 * * *", "class": "A", "queue": "q", "retry": retry,
        }));
        (job.grade(), job.keys.get("options").cloned())
    };
    let none = Some(json!({"retry": 0}));
    assert_eq!(retry(json!(false)), (Grade::Same, none.clone()));
    assert_eq!(retry(json!("0")), (Grade::Differs, none));
    assert_eq!(retry(json!(true)), (Grade::Same, None));
}

#[test]
fn what_the_file_does_not_say_or_ruby_computes_is_named() {
    let job = from_file(json!({"cron": "0 6 * * *", "class": "A", "date_as_argument": true}));
    assert_eq!(job.keys["args"], json!(["{{ slot | unix }}"]));
    assert_eq!(job.differences.len(), 2);
    let job = from_file(json!({"cron": "0 6 * * *", "class": "A", "queue": "<%= queue %>"}));
    assert_eq!(job.grade(), Grade::Cannot);
    let job = from_file(json!({
        "cron": "0 6 * * *", "class": "A", "queue": "q", "active_job": "1", "queue_name_prefix": "shop",
    }));
    assert_eq!(job.text("queue"), "shop_q");
    assert_eq!(job.text("task"), WRAPPER);
}
