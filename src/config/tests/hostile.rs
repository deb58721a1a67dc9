//! Input that is empty, huge, deep, damaged or malicious.

use super::*;

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let (loaded, shown) =
        load_text("a.yaml", b"\xef\xbb\xbfentries:\r\n  a:\r\n    task: t\r\n    every: 1h\r\n");
    assert_eq!((shown.as_str(), loaded.schedule.unwrap().entries.len()), ("", 1));
}

#[test]
fn an_empty_file_is_refused() {
    let expected = "a.yaml: the file is empty\n\
                    hint: write at least `entries: {}`, or remove the file";
    for text in ["", "\n\n", "# only this\n", "\u{feff}"] {
        assert_eq!(refused("a.yaml", text), expected, "{text:?}");
    }
    assert!(refused("a.json", " \n").contains("the file is empty"));
}

#[test]
fn a_file_of_50_mb_is_refused_without_being_read() {
    let expected =
        "a.yaml: cannot be read: it is larger than 32 MiB\nhint: split it into several files";
    assert_eq!(refused("a.yaml", vec![b'#'; 50_000_000]), expected);
}

#[test]
fn bytes_that_are_not_utf_8_are_named() {
    assert_eq!(
        refused("a.yaml", b"entries:\n  \xc3\xa9\xff: {}\n"),
        "a.yaml:2:4: cannot be read: the byte at offset 13 is not UTF-8\nhint: save the file as UTF-8"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |open: &str| format!("entries: {{a: {{args: {}", open.repeat(100_000));
    assert!(refused("a.yaml", deep("[")).contains("nested more than 64 deep"));
    assert!(refused("a.yaml", deep("{a: ")).contains("nested more than 64 deep"));
    assert!(
        refused("a.yaml", format!("entries:\n  a:\n    {}x", "- ".repeat(100_000)))
            .contains("deep")
    );
    assert!(refused("a.yaml", "? ".repeat(100_000)).contains("nested more than 64 deep"));
    let json = format!(
        r#"{{"entries": {{"a": {{"args": {}{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(refused("a.json", json).contains("nested more than 64 deep"));
}

#[test]
fn aliases_cannot_blow_up_a_small_file() {
    let mut bomb = String::from("entries:\n  a:\n    task: t\n    every: 1h\n    kwargs:\n");
    bomb += "      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("      a{level}: &a{level} [{aliases}]\n");
    }
    assert!(refused("a.yaml", &bomb).contains("more than 64 KiB of JSON"));

    let mut deep = String::from("entries:\n  a:\n    kwargs:\n      a0: &a0 []\n");
    for level in 1..100 {
        deep += &format!("      a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(refused("a.yaml", &deep).contains("nested more than 64 deep"));

    let big = format!("defaults: {{args: [{}]}}\nentries:\n", "x".repeat(60_000));
    let many: String = (0..10_000).map(|n| format!("  e{n}: {{task: t, every: 1h}}\n")).collect();
    assert!(refused("a.yaml", big + &many).contains("take more than 256 MiB"));
}

#[test]
fn only_the_first_hundred_problems_of_a_file_are_reported() {
    let bad: String = (0..150).map(|n| format!("  e{n}: {{}}\n")).collect();
    let shown = refused("a.yaml", format!("entries:\n{bad}"));
    assert!(shown.ends_with("a.yaml: 200 more problems in this file are not shown"));
}

#[test]
fn a_million_mistakes_on_one_line_take_no_time() {
    let line = format!("entries: {{{}}}", "a: {x: 1}, ".repeat(200_000));
    assert!(refused("a.yaml", line).contains("more problems in this file"));
}

#[test]
fn aliases_of_mistakes_take_no_time() {
    let mistakes = r#""{{x}}", "#.repeat(5000);
    let mut text = format!("entries:\n  a: {{task: t, every: 1h, args: &a [{mistakes}]}}\n");
    for n in 0..100_000 {
        text += &format!("  e{n}: {{task: t, every: 1h, args: *a}}\n");
    }
    let shown = refused("a.yaml", text);
    assert!(shown.contains("unknown name in a template"));
    assert!(shown.contains("more problems in this file"));
    let text = "{{x}}".repeat(13_000);
    let text = format!("entries:\n  a: {{task: t, every: 1h, args: ['{text}']}}\n");
    assert!(refused("a.yaml", text).contains("more problems in this file"));
}
