use serde_json::{Map, json};

use super::*;

fn value(text: &str) -> Result<Value, String> {
    let items = read("a.yml", text).unwrap();
    let mut map = Map::new();
    for Item { name, value, .. } in items {
        map.insert(name.unwrap(), value?);
    }
    Ok(Value::Object(map))
}

#[test]
fn aliases_and_merge_keys_are_followed_as_ruby_does() {
    let text = "a: &a {p: 1, q: 2}\nb: {p: 9, <<: *a}\nc: {<<: *a, p: 9}\nd: {<<: [*a, {p: 5, z: 1}]}\n\
                e: {p: 1, p: 2}\nf:\n  yes: 1\n  012: 2\n  ~: 3\n  :s: 4\ng: [*a, 12:30, '12:30', !!str 7]\n";
    assert_eq!(
        value(text).unwrap(),
        json!({
            "a": {"p": 1, "q": 2},
            "b": {"p": 1, "q": 2},
            "c": {"p": 9, "q": 2},
            "d": {"p": 1, "q": 2, "z": 1},
            "e": {"p": 2},
            "f": {"true": 1, "10": 2, "": 3, "s": 4},
            "g": [{"p": 1, "q": 2}, 45000, "12:30", "7"],
        })
    );
}

#[test]
fn an_item_without_a_counterpart_in_json_leaves_the_others_alone() {
    let items = read("a.yml", "a: {x: !ruby/object:Foo {y: 1}}\nb: [.inf]\n:a: 1\n").unwrap();
    let named = |item: &Item| (item.name.clone().unwrap(), item.line);
    let names: Vec<(String, usize)> = items.iter().map(named).collect();
    assert_eq!(names, [("a".to_owned(), 1), ("b".to_owned(), 2), ("a".to_owned(), 3)]);
    assert!(items[0].value.as_ref().unwrap_err().contains("`!ruby/object:Foo`"), "{items:?}");
    assert!(items[1].value.as_ref().unwrap_err().contains("`.inf`"), "{items:?}");
    assert_eq!(items[2].value, Ok(json!(1)));
}

#[test]
fn what_repeats_without_end_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
    }
    assert!(value(&text).unwrap_err().contains("repeat"));
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    for text in ["a: [", "a: &a [*a]", "!ruby/object:A {b: 1}", &deep] {
        assert!(read("a.yml", text).unwrap_err().to_string().starts_with("a.yml: "), "{text}");
    }
}
