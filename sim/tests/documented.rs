//! docs/scenario-format.md leaves nothing out: whatever the reader of scenarios says it would have understood is there.

mod common;

use yardmaster_sim::script::parse_lines;

/// The words that an error message offers instead of `nonsense`.
fn offered(line: &str) -> Vec<String> {
    let error = parse_lines("test", line).expect_err("nonsense").problem;
    let (_, words) = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}"));
    words.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn all_keys_and_actions_of_scenarios_are_documented() {
    let text = std::fs::read_to_string(common::repository("docs/scenario-format.md")).expect("readable");
    let lines = [
        r#"{"nonsense":1}"#,
        r#"{"name":"x","host":[{"nonsense":1}]}"#,
        r#"{"name":"x","drone":[{"nonsense":1}]}"#,
        r#"{"name":"x","user":[{"nonsense":1}]}"#,
        r#"{"name":"x","label":[{"nonsense":1}]}"#,
        r#"{"name":"x","step":[{"nonsense":1}]}"#,
        r#"{"name":"x","step":[{"expect":{"nonsense":1}}]}"#,
        r#"{"name":"x","step":[{"expect":{"why":{"j#0":"nonsense"}}}]}"#,
        r#"{"name":"x","step":[{"do":[{"nonsense":{}}]}]}"#,
        r#"{"name":"x","step":[{"do":[{"submit":{"nonsense":1}}]}]}"#,
        r#"{"name":"x","step":[{"do":[{"set_host":{"nonsense":1}}]}]}"#,
        r#"{"name":"x","step":[{"do":[{"set_drone":{"nonsense":1}}]}]}"#,
        r#"{"name":"x","step":[{"do":[{"finish":{"nonsense":1}}]}]}"#,
        r#"{"name":"x","step":[{"do":[{"refuse_commit":{"nonsense":1}}]}]}"#,
    ];
    let mut words = 0;
    for line in lines {
        for word in offered(line) {
            words += 1;
            let known = [format!("`{word}`"), format!("`{word} "), format!("[{word}]")];
            assert!(known.iter().any(|form| text.contains(form)), "{word:?} is not documented (from {line})");
        }
    }
    assert!(words > 80, "only {words} words were offered");
}
