//! The command line: exit statuses, what is printed, what is written. The binary runs against SQLite files.

mod drones;
mod machine;
#[path = "../support/sshd.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sshd;

use std::fs;

use assert_cmd::Command;
use serde_json::{Value, json};

use machine::{Machine, Ran, keys};

#[test]
fn without_a_configuration_there_is_an_embedded_database() {
    let machine = Machine::new();
    machine.fails("job list", 1, &["tables are missing", "yardmaster db migrate"]);
    let missing = machine.run("db status");
    assert_eq!(missing.status, 1);
    assert!(
        missing.out.contains("missing: afe_") && missing.out.contains("run `yardmaster db migrate`"),
        "{}",
        missing.out
    );
    let made = machine.ok("db migrate");
    assert!(made.contains("yardmaster.db: made "), "{made}");
    assert!(machine.home.path().join(".local/state/yardmaster/yardmaster.db").exists());
    assert!(machine.ok("db migrate").contains("nothing was missing"));
    assert_eq!(machine.json("db status")["missing_tables"], json!([]));
    assert_eq!(machine.run("job list").status, 3, "no job, and nothing wrong");
    machine.ok("db remove");
    assert_eq!(machine.run("db status").status, 1);
}

/// Whoever submits may have set another time zone than the scheduler.
#[test]
fn moments_are_the_same_in_every_time_zone() {
    let machine = Machine::with_lab();
    let control = machine.file("control.py", "pass");
    let submit = format!("job submit --name far --control {} --host dut01", control.display());
    let far = machine.run_with(&submit, |command| {
        command.env("TZ", "FAR-9");
    });
    assert_eq!(far.status, 0, "{}", far.err);
    let file = machine.home.path().join(".local/state/yardmaster/yardmaster.db");
    let database = rusqlite::Connection::open(&file).expect("it opens");
    let age = "SELECT unixepoch() - unixepoch(created_on) FROM afe_jobs";
    let age: i64 = database.query_row(age, [], |row| row.get(0)).expect("a job");
    assert!((0..600).contains(&age), "submitted {age} s ago");
    // A file of a version that kept local times is not taken for what it is not.
    let before =
        "UPDATE afe_jobs SET created_on = '2026-01-02 12:00:00'; DELETE FROM yardmaster_schema WHERE version = 3";
    database.execute_batch(before).expect("written");
    machine.fails("serve", 1, &["local times", "yardmaster db migrate"]);
    for _ in 0..2 {
        let converted = machine.run_with("db migrate", |command| {
            command.env("TZ", "FAR-9");
        });
        assert_eq!(converted.status, 0, "{}", converted.err);
        let created: String =
            database.query_row("SELECT created_on FROM afe_jobs", [], |row| row.get(0)).expect("a job");
        assert_eq!(created, "2026-01-02 03:00:00");
    }
}

#[test]
fn the_configuration_is_found_where_it_is_looked_for() {
    let machine = Machine::new();
    let address = |ran: &Ran| {
        let settings: Value = serde_json::from_str(&ran.out).expect("JSON");
        let found = settings.as_array().expect("a list").iter().find(|setting| setting["key"] == "database.address");
        found.expect("the address")["value"].as_str().expect("a text").to_owned()
    };
    let line = "config show --json";
    assert!(address(&machine.run(line)).ends_with("/.local/state/yardmaster/yardmaster.db"));
    let state = machine.run_with(line, |command| {
        command.env("XDG_STATE_HOME", "/elsewhere");
    });
    assert_eq!(address(&state), "sqlite:/elsewhere/yardmaster/yardmaster.db");
    machine.file("yardmaster.toml", "[database]\naddress = \"sqlite:/here.db\"");
    assert_eq!(address(&machine.run(line)), "sqlite:/here.db");
    let named = machine.file("named.toml", "[database]\naddress = \"sqlite:/named.db\"");
    let with_variable = |command: &mut Command| {
        command.env("YARDMASTER_CONFIG", &named);
    };
    assert_eq!(address(&machine.run_with(line, with_variable)), "sqlite:/named.db");
    let flag = machine.file("flag.toml", "[database]\naddress = \"sqlite:/flag.db\"");
    let both = machine.run_with(&format!("{line} --config {}", flag.display()), with_variable);
    assert_eq!(address(&both), "sqlite:/flag.db");
    let set = machine.run("config show --json --set database.address=sqlite:/set.db");
    assert_eq!(address(&set), "sqlite:/set.db");
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let machine = Machine::new();
    assert!(machine.ok("config check").contains("nothing is wrong"));
    let example = machine.ok("config example");
    let path = machine.file("example.toml", &example);
    assert!(machine.ok(&format!("config check {}", path.display())).contains("nothing is wrong"));
    let bad = machine.file("bad.toml", "[scheduler]\nmax_parse_proceses = 1\nminimum_tick_sec = 0\n");
    let ran = machine.run(&format!("config check {}", bad.display()));
    assert_eq!((ran.status, ran.out.lines().count()), (1, 2), "{}", ran.out);
    assert!(ran.out.contains("bad.toml:2:1: ") && ran.out.contains("bad.toml:3:20: "), "{}", ran.out);
    machine.fails(&format!("--config {} job list", bad.display()), 1, &["makes no sense", "max_parse_processes"]);
    let shown = machine.ok("config show --set scheduler.max_repair_limit=9");
    assert!(shown.contains("scheduler.max_repair_limit\t9\t--set\n"), "{shown}");
    assert!(shown.contains("scheduler.max_parse_processes\t100\tdefault\n"), "{shown}");
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let machine = Machine::new();
    for line in [
        "",
        "jobs",
        "job submit --name x --control y",
        "job submit --name x --control y --label eve*0",
        "job submit --name x --control y --label eve --hostless",
        "job abort",
        "job abort 1 --entry 2",
        "host add dut[1-",
        "host list --status Redy",
        "host label dut1",
        "job list --since yesterdayish",
        "task request dance dut1",
        "status --watch 0",
        "completions tcsh99",
    ] {
        assert_eq!(machine.run(line).status, 2, "{line}");
    }
    machine.fails("host list --status Redy", 2, &["did you mean \"Ready\"?", "Repair Failed"]);
    machine.fails("job submit --name x --control y --label a --priority Biuld", 2, &["did you mean \"Build\"?"]);
    machine.fails("host add dut[3-1]", 2, &["runs downwards"]);
}

#[test]
fn what_does_not_exist_ends_with_3() {
    let machine = Machine::with_lab();
    machine.fails("host show dut1", 3, &["no host \"dut1\"", "did you mean \"dut01\"?"]);
    machine.fails("host lock dut09 --reason x", 3, &["no host \"dut09\""]);
    machine.fails("job show 7", 3, &["no job \"7\""]);
    machine.fails("why 7", 3, &["no job \"7\""]);
    machine.fails("drone show drone1", 3, &["no drone \"drone1\""]);
    machine.fails("label delete evil", 3, &["no label \"evil\"", "did you mean \"eve\"?"]);
    machine.fails("user set bob --no-drone-set", 3, &["no user \"bob\"", "user add"]);
    for line in ["job list", "task list", "drone list", "host list --locked", "why"] {
        assert_eq!(machine.run(line).status, 3, "{line}");
        let ran = machine.run(&format!("{line} --json"));
        assert_eq!((ran.status, ran.out.trim()), (3, "[]"), "{line}");
    }
}

#[test]
fn a_job_is_submitted_looked_at_and_aborted() {
    let machine = Machine::with_lab();
    let control = machine.file("smoke.py", "run()\n");
    let submit = format!(
        "job submit --name smoke --control {} --host dut[01-02] --label eve*2 --priority Build --synch-count 2 \
         --keyval build=R99 --reboot-before always --reboot-after if-all-tests-passed --timeout 60",
        control.display()
    );
    assert_eq!(machine.ok(&submit), "job 1: 4 entries\n");
    let listed = machine.ok("job list");
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("JOB\tNAME\tOWNER\tPRIORITY\tCREATED\tPARENT\tENTRIES"));
    let row: Vec<&str> = lines.next().expect("a job").split('\t').collect();
    assert_eq!([row[0], row[1], row[2], row[3], row[6]], ["1", "smoke", "alice", "Build (50)", "4 Queued"]);

    let job = &machine.json("job list")[0];
    assert_eq!(keys(job), ["created", "entries", "id", "name", "owner", "parent", "priority"]);
    assert_eq!((&job["priority"], &job["entries"]), (&json!(50), &json!({"Queued": 4})));
    let shown = machine.json("job show 1");
    assert_eq!((&shown["keyvals"], &shown["timeout_mins"]), (&json!({"build": "R99"}), &json!(60)));
    assert_eq!((&shown["control_file"], &shown["synch_count"]), (&json!("run()\n"), &json!(2)));
    let entry = &shown["host_queue_entries"][0];
    let expected = "aborted aborted_by active complete finished host id meta_host results started status";
    assert_eq!(keys(entry).join(" "), expected);
    assert_eq!((&entry["host"], &entry["status"]), (&json!("dut01"), &json!("Queued")));
    assert!(machine.ok("job show 1").contains("build=R99"));

    assert_eq!(machine.run("job list --since 1h").status, 0);
    assert_eq!(machine.run("job list --since 2099-01-01").status, 3);
    assert_eq!(machine.run("job list --owner bob").status, 3);
    assert_eq!(machine.json("job abort --entry 3")["entries"], json!([3]));
    assert!(machine.ok("job abort 1").starts_with("3 entries are marked"));
    let again = machine.run("job abort 1");
    assert_eq!((again.status, again.out.as_str()), (3, "nothing was left to abort\n"));
    assert!(machine.ok("job show 1").contains("(aborted by alice)"));
}

#[test]
fn a_control_file_may_come_from_standard_input() {
    let machine = Machine::with_lab();
    let line = "job submit --name sleep --control - --hostless";
    let ran = machine.run_with(line, |command| {
        command.write_stdin("sleep(1)");
    });
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(machine.json("job show 1")["control_file"], json!("sleep(1)"));
    machine.fails(
        "job submit --name x --control missing.py --hostless",
        1,
        &["control file missing.py", "No such file"],
    );
}

#[test]
fn somebody_has_to_be_named() {
    let machine = Machine::with_lab();
    let nobody = machine.run_with("task request verify dut01", |command| {
        command.env_remove("USER");
    });
    assert_eq!(nobody.status, 1);
    assert!(nobody.err.contains("--as LOGIN"), "{}", nobody.err);
    machine.fails("task request verify dut01 --as bob", 3, &["no user \"bob\""]);
    machine.ok("user add bob");
    let by_variable = |command: &mut Command| {
        command.env("YARDMASTER_USER", "bob");
    };
    assert_eq!(machine.run_with("task request verify dut01", by_variable).status, 0);
    assert_eq!(machine.json("task list")[0]["requested_by"], json!("bob"));
}

#[test]
fn a_suite_is_submitted_from_a_file() {
    let machine = Machine::with_lab();
    let file = machine
        .file("bvt.toml", "[suite]\nname = \"bvt\"\n[[job]]\nlabels = [\"eve*3\"]\n[[job]]\nhosts = [\"dut01\"]\n");
    assert_eq!(machine.ok(&format!("suite submit {}", file.display())), "suite 1: 2 jobs, 4 entries\n");
    assert_eq!(machine.json("job show 1")["children"], json!([2, 3]));
    assert_eq!(machine.json("job list --parent 1").as_array().map(Vec::len), Some(2));
    let wrong = machine.file("wrong.toml", "[suite]\nname = \"bvt\"\n[[jobs]]\n");
    machine.fails(&format!("suite submit {}", wrong.display()), 1, &["wrong.toml", "jobs"]);
}

#[test]
fn hosts_are_listed_locked_labelled_and_deleted() {
    let machine = Machine::with_lab();
    assert_eq!(machine.ok("host list --names"), "dut[01-04]\n");
    assert_eq!(machine.ok("host lock dut[02-03] --reason cables"), "dut[02-03]: locked\n");
    assert_eq!(machine.ok("host list --locked --names"), "dut[02-03]\n");
    assert_eq!(machine.ok("host list --unlocked --names"), "dut[01,04]\n");
    machine.fails("host lock dut02 --reason mine", 1, &["locked already, by alice: \"cables\"", "host unlock dut02"]);
    machine.fails("host label dut01 --add pool", 3, &["no label \"pool\""]);
    machine.ok("host add spare --new-labels --label pool");
    machine.ok("host label dut[01-02] --add pool");
    assert_eq!(machine.ok("host list --label pool --names"), "dut[01-02],spare\n");
    assert_eq!(machine.ok("host list --label pool --label eve --names"), "dut[01-02]\n");
    machine.ok("host protect dut01 do-not-repair");
    let host = &machine.json("host show dut01")[0];
    let expected = "acl_groups dirty entry id job labels leased lock_reason locked locked_by locked_since name platform \
                    protection status";
    assert_eq!(keys(host).join(" "), expected);
    assert_eq!((&host["protection"], &host["platform"]), (&json!("Do not repair"), &json!("eve")));
    assert!(machine.ok("host show dut02").contains("by alice since "));
    machine.ok("host unlock dut[02-03]");
    machine.ok("host delete spare");
    assert_eq!(machine.ok("host list --names"), "dut[01-04]\n");
    assert_eq!(machine.run("host list --status ready --status repair-failed").status, 0);
    machine.fails("host add dut01", 1, &["host \"dut01\" is there already"]);
}

#[test]
fn labels_and_groups_are_kept() {
    let machine = Machine::with_lab();
    machine.ok("acl add team --description ours");
    machine.ok("acl add-user team alice");
    machine.ok("acl add-host team dut[01-02]");
    assert!(machine.ok("acl list").contains("team\talice\tdut[01-02]\tours\n"));
    machine.ok("acl remove-host team dut01");
    machine.ok("acl remove-user team alice");
    machine.ok("acl delete team");
    machine.fails("acl delete Everyone", 1, &["cannot be deleted"]);
    assert!(machine.ok("label list").contains("eve\tyes\t4\n"));
    machine.fails("label add eve", 1, &["is there already"]);
}

#[test]
fn tasks_are_requested_listed_and_aborted() {
    let machine = Machine::with_lab();
    assert_eq!(machine.ok("task request verify dut[01-02]"), "TASK\tHOST\tNEW\n1\tdut01\tyes\n2\tdut02\tyes\n");
    let again = machine.json("task request Verify dut01");
    assert_eq!((&again[0]["task"], &again[0]["new"]), (&json!(1), &json!(false)));
    machine.ok("task request repair dut02");
    assert_eq!(machine.json("task list --host dut02").as_array().map(Vec::len), Some(2));
    assert_eq!(machine.json("task list --kind repair").as_array().map(Vec::len), Some(1));
    let task = &machine.json("task list --limit 1")[0];
    assert_eq!(keys(task).join(" "), "entry finished host id requested requested_by started state task");
    assert!(machine.ok("task abort 1 2").starts_with("2 tasks are marked"));
    assert_eq!(machine.run("task abort 1").status, 3);
    machine.fails("task abort 99", 3, &["no special task \"99\""]);
}

#[test]
fn status_shows_the_lab_and_why_says_what_would_help() {
    let machine = Machine::with_lab();
    let screen = machine.ok("status");
    assert!(screen.contains("no scheduler has ever worked here"), "{screen}");
    assert!(screen.contains("4 Ready"), "{screen}");
    let control = machine.file("c.py", "x");
    machine.ok(&format!("job submit --name waits --control {} --label eve*2", control.display()));
    machine.ok("host lock dut[01-04] --reason power");
    let screen = machine.ok("status");
    assert!(screen.contains("4 locked") && screen.contains("waits"), "{screen}");
    let lab = machine.json("status");
    let expected = "at drones entries last_failures oldest_waiting platforms schedulers tasks";
    assert_eq!(keys(&lab).join(" "), expected);
    assert_eq!(lab["entries"], json!([{"status": "Queued", "count": 2}]));

    let why = machine.ok("why 1");
    assert!(why.contains("job 1, entries 1, 2: Queued\n"), "{why}");
    assert!(why.contains("every host that it could use is locked: dut01, dut02, dut03, dut04"), "{why}");
    assert!(why.contains("yardmaster host unlock"), "{why}");
    let reasons = machine.json("why");
    assert_eq!(keys(&reasons[0]).join(" "), "entry estimate help host hosts job reason status text");
    assert_eq!((&reasons[0]["reason"], reasons.as_array().map(Vec::len)), (&json!("locked"), Some(2)));
}

#[test]
fn why_tells_of_rows_that_the_scheduler_leaves_alone() {
    let machine = Machine::with_lab();
    machine.ok("user add bob");
    let control = machine.file("c.py", "x");
    machine.ok(&format!("job submit --name odd --control {} --label eve --as bob", control.display()));
    machine.ok(&format!("job submit --name even --control {} --label eve", control.display()));
    let database = machine.home.path().join(".local/state/yardmaster/yardmaster.db");
    let changed = rusqlite::Connection::open(database)
        .and_then(|database| database.execute("UPDATE afe_jobs SET owner = 'gone' WHERE id = 1", []));
    assert_eq!(changed, Ok(1));
    let odd = machine.run("why 1");
    assert_eq!(odd.status, 3, "{}{}", odd.out, odd.err);
    assert!(odd.err.contains("leaves afe_jobs 1 alone") && odd.err.contains("gone"), "{}", odd.err);
    assert_eq!(machine.run("why 2").err, "", "another job's trouble");
    assert!(machine.run("why").err.contains("leaves afe_jobs 1 alone"));
}

#[test]
fn a_reader_who_has_had_enough_is_no_mistake() {
    use std::io::Read;
    use std::process::Stdio;

    let machine = Machine::with_lab();
    machine.ok("host add x[0001-3000]");
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("yardmaster"));
    command.env_clear().env("HOME", machine.home.path()).current_dir(machine.home.path());
    command.args(["host", "list", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut first = [0; 10];
    // Far more is to come than a pipe holds.
    child.stdout.take().expect("piped").read_exact(&mut first).expect("read");
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_watched_status_is_shown_again() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let machine = Machine::with_lab();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("yardmaster"));
    command.env_clear().env("HOME", machine.home.path()).current_dir(machine.home.path());
    command.args(["status", "--watch", "1"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let pictures = lines.map(|line| line.expect("UTF-8")).filter(|line| line.contains("4 Ready"));
    assert_eq!(pictures.take(2).count(), 2);
    // The reader is gone: the next picture ends it.
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn help_has_examples_and_man_pages_and_completions_cover_every_command() {
    let machine = Machine::new();
    let folder = machine.home.path().join("man");
    machine.ok(&format!("man {}", folder.display()));
    let mut pages: Vec<String> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|page| page.expect("a page").file_name().into_string().expect("UTF-8"))
        .collect();
    pages.sort();
    assert!(pages.len() > 45, "{pages:?}");
    for page in &pages {
        let line = page.trim_end_matches(".1");
        let of_two_words = ["host-scheduler", "run-job"].into_iter().find(|command| line.ends_with(command));
        let words: Vec<String> = match of_two_words {
            Some(command) => vec![command.to_owned()],
            None => line.split('-').skip(1).map(str::to_owned).collect(),
        };
        let line = subcommand(&words);
        let help = machine.ok(&format!("{line} --help"));
        let group = help.contains("\nCommands:\n");
        assert!(group || help.contains("Example"), "no example in: yardmaster {line} --help");
    }
    assert!(
        machine
            .ok("--help")
            .contains("Exit status: 0 done, 1 failed, 2 the command line makes no sense, 3 nothing found")
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(machine.ok(&format!("completions {shell}")).contains("host-scheduler"), "{shell}");
    }
}

/// The command line of a page: `acl`, `add`, `user` is `acl add-user`.
fn subcommand(words: &[String]) -> String {
    match words {
        [group, verb, object] => format!("{group} {verb}-{object}"),
        _ => words.join(" "),
    }
}

#[test]
fn no_configuration_is_a_panic() {
    let machine = Machine::new();
    for text in [
        "\u{0}",
        "[",
        "[database]\naddress = \"sqlite:/nonexistent/folder/x.db\"",
        "[database]\naddress = \"mysql://me@127.0.0.1:1/db\"",
    ] {
        let path = machine.file("bad.toml", text);
        let ran = machine.run(&format!("--config {} job list", path.display()));
        assert_eq!(ran.status, 1, "{text:?}");
        assert!(ran.err.starts_with("yardmaster: ") && !ran.err.contains("panicked"), "{}", ran.err);
    }
}
