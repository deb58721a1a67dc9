//! Warnings about `${…}`.

use super::*;

/// Line, column and variable of each warning.
fn warned(name: &str, text: &str) -> Vec<(u32, u32, String)> {
    let (loaded, shown) = load_text(name, text.as_bytes());
    let is_of_shell = |message: &str| message.contains("the shell's variables are not replaced");
    let found = loaded.problems.iter().filter(|found| is_of_shell(&found.message));
    let warned = found.map(|found| {
        let variable = found.message.split('`').nth(1).unwrap().to_owned();
        assert_eq!(found.severity, crate::text::Severity::Warning, "{shown}");
        assert!(found.hint.as_ref().unwrap().contains("envsubst"), "{shown}");
        (found.line, found.column, variable)
    });
    warned.collect()
}

#[test]
fn shell_variables_are_warned_of_wherever_they_are_written() {
    let text = "\
# ${NOT_HERE}
timezone: UTC
defaults:
  headers: {x-env: \"in ${ENV}\"}
  queue: &queue \"${QUEUE:-reports}\"
entries:
  ${NAME}:
    task: ${TASK}
    every: 1h
    args: [1, [{deep: \"${A} and ${B}\"}]]
    kwargs: {\"${KEY}\": true, url: '${API_URL}'}
    description: costs $5, {braces}, $HOME, ${
  b: {task: t, every: 1h, queue: *queue, args: ['{{ \"$\" }}{ON_PURPOSE}']}
";
    let expected = [
        (4, 24, "${ENV}"),
        (5, 18, "${QUEUE:-reports}"),
        (7, 3, "${NAME}"),
        (8, 11, "${TASK}"),
        (10, 24, "${A}"),
        (11, 15, "${KEY}"),
        (11, 36, "${API_URL}"),
    ];
    let expected = expected.map(|(line, column, name)| (line, column, name.to_owned()));
    assert_eq!(warned("a.yaml", text), expected);
    let json = r#"{"entries": {"a": {"task": "${T}", "every": "1h", "args": ["x${A}"]}}}"#;
    let found: Vec<_> = warned("a.json", json).into_iter().map(|(.., name)| name).collect();
    assert_eq!(found, ["${T}", "${A}"]);
}

#[test]
fn a_shell_variable_that_makes_a_value_invalid_is_warned_of_too() {
    let text = "entries:\n  a: {task: t, every: \"${EVERY}\"}\ntimezone: \"${TZ}\"\n";
    let found: Vec<_> = warned("a.yaml", text).into_iter().map(|(line, ..)| line).collect();
    assert_eq!(found, [2, 3]);
}

#[test]
fn anchored_values_are_searched_once() {
    let mut text = String::from(
        "entries:\n  a:\n    task: t\n    every: 1h\n    kwargs:\n      x0: &x0 ['${A}']\n",
    );
    for n in 1..20 {
        text += &format!("      x{n}: &x{n} [{}]\n", vec![format!("*x{}", n - 1); 10].join(", "));
    }
    // The value is far too large; looking for variables in it is not.
    let (loaded, _) = load_text("a.yaml", text.as_bytes());
    assert!(loaded.schedule.is_none());
    assert_eq!(warned("a.yaml", &text).len(), 1);
}
