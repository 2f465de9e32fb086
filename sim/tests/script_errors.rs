//! Mistakes in scripted scenarios are bad input and no differences, and are answered with the step, the action and the key.

use std::fs;
use std::io::Write;

use flate2::write::GzEncoder;
use tempfile::TempDir;
use yardmaster_sim::script::{Problem, load, parse_lines, parse_toml, play};

/// What is said of a scenario that makes no sense.
#[track_caller]
fn complaint(toml: &str) -> String {
    let scripts = match parse_toml("s.toml", toml) {
        Ok(scripts) => scripts,
        Err(error) => return error.to_string(),
    };
    match play(&scripts[0].script) {
        Err(Problem::BadInput(text)) => text,
        other => panic!("{other:?} of\n{toml}"),
    }
}

/// Steps on a lab of two hosts, a drone and a running reset of `host1` for `j#0`.
fn lab(steps: &str) -> String {
    format!(
        r#"name = "lab"
[[host]]
name = "host[1-2]"
[[step]]
name = "first"
do = [{{ submit = {{ job = "j", hosts = ["host1"] }} }}]
[[step]]
{steps}
"#
    )
}

/// The second step expects something that makes no sense.
#[track_caller]
fn expectation(expect: &str, says: &str) {
    let text = complaint(&lab(&format!("name = \"second\"\n[step.expect]\n{expect}")));
    assert!(text.starts_with("step 2 (second): expect."), "{text}");
    assert!(text.contains(says), "{says:?} is not in {text:?}");
}

/// The second action of the second step makes no sense. `says` begins with its key.
#[track_caller]
fn action(action: &str, says: &str) {
    let text = complaint(&lab(&format!("do = [{{ advance = {{ seconds = 0 }} }}, {{ {action} }}]")));
    let place = format!("step 2: do 2: {says}");
    assert!(text.contains(&place), "{place:?} is not in {text:?}");
}

#[test]
fn unknown_names_are_no_differences() {
    expectation(r#"running = ["verify host99"]"#, r#"expect.running: there is no host "host99""#);
    expectation(r#"running = ["verfy host1"]"#, r#"expect.running: "verfy host1" names no process"#);
    expectation(r#"running = ["verify host[1-2]"]"#, r#"there is no host "host[1-2]""#);
    expectation(r#"running = ["job j#1"]"#, r#"there is no entry "j#1""#);
    expectation(r#"killed = ["reset host3"]"#, r#"expect.killed: there is no host "host3""#);
    expectation(r#"killed = ["reset"]"#, r#"expect.killed: "reset" names no process"#);
    expectation(r#"tasks = ["verify host3"]"#, r#"expect.tasks: there is no host "host3""#);
    expectation(r#"tasks = ["job j#0"]"#, r#"expect.tasks: "job j#0" names no special task"#);
    expectation(r#"drone_of = { "reset host3" = "drone1" }"#, r#"expect.drone_of: there is no host "host3""#);
    expectation(
        r#"drone_of = { "reset host1" = "drone9" }"#,
        r#"expect.drone_of.reset host1: there is no drone "drone9""#,
    );
    expectation(r#"why = { "j#7" = "nothing" }"#, r#"expect.why: there is no entry "j#7""#);
    expectation(r#"leased = ["host[1-"]"#, "expect.leased: unbalanced brackets");
}

#[test]
fn a_word_that_is_no_reason_to_wait_is_guessed() {
    let text = complaint(&lab("[step.expect]\nwhy = { \"j#0\" = \"hosts in use\" }"));
    assert!(text.contains("step 2: expect.why.j#0: unknown variant `hosts in use`"), "{text}");
    assert!(text.contains("did you mean \"host in use\"?"), "{text}");
}

#[test]
fn names_that_could_be_there_and_are_not_are_differences() {
    for expect in [
        r#"running = ["verify host1"]"#,
        r#"killed = ["parse j#0"]"#,
        r#"tasks = ["repair host2"]"#,
        r#"drone_of = { "reset host2" = "drone1" }"#,
        r#"why = { "j#0" = "ended" }"#,
    ] {
        let scripts = parse_toml("s.toml", &lab(&format!("[step.expect]\n{expect}"))).expect("understood");
        let result = play(&scripts[0].script);
        assert!(matches!(&result, Err(Problem::Failed(text)) if text.starts_with("step 2:")), "{expect}: {result:?}");
    }
}

#[test]
fn unknown_names_in_actions_are_told_with_their_keys() {
    action(r#"submit = { job = "k", hosts = ["host9"] }"#, r#"submit.hosts: there is no host "host9""#);
    action(r#"submit = { job = "k", hosts = ["host1"], owner = "eve" }"#, r#"submit.owner: there is no user "eve""#);
    action(r#"submit = { job = "k", hosts = ["host1"], parent = "s" }"#, r#"submit.parent: no job "s""#);
    action(
        r#"submit = { job = "k", hosts = ["host1"], drone_set = "x" }"#,
        r#"submit.drone_set: there is no drone set"#,
    );
    action(r#"submit = { job = "j", hosts = ["host1"] }"#, r#"submit.job: there is a job "j" already"#);
    action(r#"abort = { job = "k" }"#, r#"abort.job: no job "k""#);
    action(r#"abort = { entry = "j#1" }"#, r#"abort.entry: there is no entry "j#1""#);
    action(r#"abort = {}"#, "abort: give either job or entry");
    action(r#"abort = { job = "j", entry = "j#0" }"#, "abort: give either job or entry");
    action(r#"request_task = { host = "host3", task = "Verify" }"#, r#"request_task.host: there is no host "host3""#);
    action(r#"abort_task = { process = "verify host3" }"#, "abort_task.process: there is no host");
    action(r#"finish = { process = "verify host3" }"#, "finish.process: there is no host");
    action(r#"lose = { process = "verify host3" }"#, "lose.process: there is no host");
    action(r#"corrupt_pidfile = { process = "verify host3" }"#, "corrupt_pidfile.process: there is no host");
    action(r#"start_test = { entry = "j#1" }"#, "start_test.entry: there is no entry");
    action(r#"set_entry = { entry = "j#1", status = "Running" }"#, "set_entry.entry: there is no entry");
    action(r#"set_job = { job = "k" }"#, "set_job.job: no job");
    action(r#"set_host = { host = "host3" }"#, "set_host.host: there is no host");
    action(r#"set_drone = { drone = "drone9" }"#, "set_drone.drone: there is no drone");
    action(r#"set_drone = { drone = "drone1", users = ["eve"] }"#, r#"set_drone.users: there is no user "eve""#);
    for name in ["drone_down", "drone_up", "reboot_drone", "lose_replies", "show_pidfiles"] {
        action(&format!("{name} = {{ drone = \"drone9\" }}"), &format!("{name}.drone: there is no drone \"drone9\""));
    }
}

#[test]
fn malformed_values_in_actions_are_told_with_their_keys() {
    action(
        r#"request_task = { host = "host1", task = "Provision" }"#,
        "request_task.task: nobody can ask for a Provision",
    );
    for seconds in ["-1", "-0.5", "inf", "-inf"] {
        action(&format!("advance = {{ seconds = {seconds} }}"), &format!("advance.seconds: {seconds}"));
    }
    action("advance = { seconds = nan }", "advance.seconds: NaN");
    let submit = |keys: &str, says: &str| {
        action(&format!("submit = {{ job = \"k\", hosts = [\"host1\"], {keys} }}"), &format!("submit.{says}"));
    };
    submit("keyvals = { a = [1] }", "keyvals.a: a keyval is a string or a number");
    submit("keyvals = { a = true }", "keyvals.a: a keyval is a string or a number");
    submit("keyvals = { suite_min_duts = \"two\" }", "keyvals.suite_min_duts: \"two\"");
    submit("synch_count = 0", "synch_count: invalid value");
    submit("timeout_mins = -1", "timeout_mins: invalid value");
    submit("max_runtime_mins = -1", "max_runtime_mins: invalid value");
    action(r#"set = { max_repair_limit = -1 }"#, "set.max_repair_limit: invalid value");
    action(r#"set = { max_repair_limits = 1 }"#, "set.max_repair_limits: unknown field");
    action(
        r#"set = { notify_email_statuses = "Complted" }"#,
        "set.notify_email_statuses: unknown entry status \"Complted\"",
    );
    action(r#"set = { default_drone_set = "x" }"#, "set.default_drone_set: no drone belongs to the set \"x\"");
    action(r#"submit = { job = "k", hosts = 7 }"#, "submit.hosts: invalid type");
    action(r#"submit = { job = "k", hots = [] }"#, "submit.hots: unknown field");
}

#[test]
fn a_job_names_a_host_once() {
    for hosts in [r#"["host1", "host1"]"#, r#"["host[1-2]", "host2"]"#, r#"["host[1-2,1]"]"#] {
        action(&format!("submit = {{ job = \"k\", hosts = {hosts} }}"), "submit.hosts: job \"k\" names a host of ");
    }
}

#[test]
fn two_actions_in_one_table_are_told_in_words() {
    let says = r#""advance" and "restart" stand in one table: give each action a table of its own"#;
    action("advance = { seconds = 1 }, restart = {}", says);
    let line = r#"{"name":"x","step":[{"do":[{"advance":{"seconds":1},"restart":{}}]}]}"#;
    let error = parse_lines("s.jsonl", line).expect_err("two actions").to_string();
    assert!(error.starts_with(&format!("s.jsonl:1: step 1: do 1: {says}")), "{error}");
}

#[test]
fn a_lab_that_makes_no_sense_is_told_with_its_key() {
    let lab = |keys: &str, says: &str| {
        let text = complaint(&format!("name = \"lab\"\n{keys}\n[[step]]\n"));
        assert!(text.starts_with(says), "{says:?} is not in {text:?}");
    };
    lab("[[drone]]\nname = \"d\"\n[[drone]]\nname = \"d\"", "drone.name: drone \"d\" is there twice");
    lab("[[user]]\nname = \"u\"\n[[user]]\nname = \"u\"", "user.name: user \"u\" is there twice");
    lab("[[host]]\nname = \"h1\"\n[[host]]\nname = \"h[1-2]\"", "host.name: host \"h1\" is there twice");
    lab("[[host]]\nname = \"h[2-1]\"", "host.name: range");
    lab("[[drone]]\nname = \"d\"\nusers = [\"eve\"]", "drone.users: drone \"d\": there is no user \"eve\"");
    lab("[[user]]\nname = \"u\"\ndrone_set = \"x\"", "user.drone_set: user \"u\": no drone belongs to the set \"x\"");
    lab("[settings]\ndefault_drone_set = \"x\"", "settings.default_drone_set: no drone belongs to the set \"x\"");
    lab(
        "[settings]\nnotify_email_statuses = \"Completed,Faild\"",
        "settings.notify_email_statuses: unknown entry status",
    );
    lab("[[host]]\nname = \"h\"\nstatus = \"Redy\"", "s.toml:4: host 1: status: unknown host status");
}

/// How many scenarios a file of this name and text holds.
fn loaded(name: &str, bytes: &[u8]) -> Result<usize, String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, bytes).expect("written");
    load(&file).map(|scripts| scripts.len()).map_err(|error| error.to_string())
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

#[test]
fn the_name_of_a_file_says_how_to_read_it() {
    let line = "{\"name\":\"x\",\"step\":[{}]}\n";
    assert_eq!(loaded("s.jsonl", line.repeat(2).as_bytes()), Ok(2));
    assert_eq!(loaded("s.jsonl.gz", &gzipped(&line.repeat(2))), Ok(2));
    assert_eq!(loaded("s.jsonl", b""), Ok(0));
    assert_eq!(loaded("s.jsonl.gz", &gzipped("")), Ok(0));
    assert_eq!(loaded("s.toml", b"name = \"x\"\n[[step]]\n"), Ok(1));
    for (name, bytes) in [("s.gz", gzipped(line)), ("s.jsonl.toml", line.into()), ("s", line.into())] {
        assert!(loaded(name, &bytes).is_err(), "{name} is no JSON Lines");
    }
    assert!(loaded("s.jsonl.gz", line.as_bytes()).is_err_and(|error| error.contains("cannot be unpacked")));
}
