//! The configuration: where values come from, which one holds, and what is said about mistakes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;
use yardmaster::service::config::{Config, KEYS, Origin, Sources, example, load};

/// A configuration file in a folder of its own, with whatever the environment and the command line add.
struct Given {
    folder: TempDir,
    sources: Sources,
}

impl Given {
    fn file(text: &str) -> Given {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("yardmaster.toml");
        fs::write(&path, text).expect("written");
        Given { folder, sources: Sources { file: Some(path), ..Sources::default() } }
    }

    fn environment(mut self, variable: &str, value: &str) -> Given {
        self.sources.environment.push((variable.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, setting: &str) -> Given {
        self.sources.settings.push(setting.to_owned());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    fn config(&self) -> Config {
        load(&self.sources).expect("nothing is wrong").config
    }

    /// What is wrong, with the file's folder taken away.
    #[track_caller]
    fn mistakes(&self) -> Vec<String> {
        let mistakes = load(&self.sources).expect_err("something is wrong");
        let folder = format!("{}/", self.folder.path().display());
        mistakes.0.iter().map(|mistake| mistake.to_string().replace(&folder, "")).collect()
    }
}

#[track_caller]
fn check_mistake(given: Given, parts: &[&str]) {
    let mistakes = given.mistakes();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    for part in parts {
        assert!(mistakes[0].contains(part), "{:?} does not say {part:?}", mistakes[0]);
    }
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(Given::file("").config(), Config::default());
}

#[test]
fn the_example_is_the_defaults_and_names_every_setting() {
    assert_eq!(Given::file(&example()).config(), Config::default());
    let lines: Vec<String> = example().lines().map(str::to_owned).collect();
    for key in KEYS {
        let starts = [format!("{} = ", key.name), format!("#{} = ", key.name)];
        assert!(
            lines.iter().any(|line| starts.iter().any(|start| line.starts_with(start))),
            "{} is missing",
            key.path()
        );
    }
}

#[test]
fn every_setting_is_described_and_nothing_else() {
    let value = serde_json::to_value(Config::default()).expect("serialises");
    let sections = value.as_object().expect("sections");
    let mut fields = Vec::new();
    for (section, keys) in sections {
        fields.extend(keys.as_object().expect("settings").keys().map(|name| format!("{section}.{name}")));
    }
    let mut described: Vec<String> = KEYS.iter().map(|key| key.path()).collect();
    fields.sort();
    described.sort();
    assert_eq!(described, fields);
}

#[test]
fn samples_in_the_example_are_understood() {
    for key in KEYS {
        if let Some(sample) = key.sample {
            let given = Given::file(&format!("[{}]\n{} = {sample}\n", key.section, key.name));
            if let Err(mistakes) = load(&given.sources) {
                // A file that is not on this machine, or a companion that is not set, is all that may be wrong.
                let text = mistakes.to_string();
                assert!(text.contains("cannot be read") || text.contains("needs notify."), "{}: {text}", key.path());
            }
        }
    }
}

#[test]
fn flag_comes_before_environment_before_file_before_default() {
    let file = || Given::file("[scheduler]\nmax_parse_processes = 1\n");
    let variable = "YARDMASTER_SCHEDULER__MAX_PARSE_PROCESSES";
    assert_eq!(file().config().scheduler.max_parse_processes, 1);
    assert_eq!(file().environment(variable, "2").config().scheduler.max_parse_processes, 2);
    let both = file().environment(variable, "2").flag("scheduler.max_parse_processes=3");
    assert_eq!(both.config().scheduler.max_parse_processes, 3);
    let twice = both.flag("scheduler.max_parse_processes=4");
    assert_eq!(twice.config().scheduler.max_parse_processes, 4);
    assert_eq!(twice.config().scheduler.max_repair_limit, 2);
}

#[test]
fn every_value_tells_where_it_comes_from() {
    let given = Given::file("[scheduler]\n  max_repair_limit = 7\n")
        .environment("YARDMASTER_LOG__FORMAT", "json")
        .flag("service.recover_hosts=true");
    let loaded = load(&given.sources).expect("nothing is wrong");
    let origin = |path: &str| {
        let found = loaded.effective().into_iter().find(|setting| setting.key.path() == path);
        found.expect("a setting").origin
    };
    let path = given.path("yardmaster.toml");
    assert_eq!(origin("scheduler.max_repair_limit"), Origin::File { path, line: 2, column: 22 });
    assert_eq!(origin("log.format"), Origin::Environment("YARDMASTER_LOG__FORMAT".to_owned()));
    assert_eq!(origin("service.recover_hosts"), Origin::Flag);
    assert_eq!(origin("scheduler.max_parse_processes"), Origin::Default);
}

#[test]
fn the_shell_needs_neither_quotes_nor_brackets() {
    let given = Given::file("")
        .flag("scheduler.provisionable_labels=a, b")
        .flag("scheduler.default_drone_set=12")
        .flag("scheduler.cleanup_labels=[\"c,d\"]")
        .flag("notify.operators=")
        .environment("YARDMASTER_NOTIFY__SMTP_SERVER", "mail.example");
    let config = given.config();
    assert_eq!(config.scheduler.provisionable_labels, ["a", "b"]);
    assert_eq!(config.scheduler.default_drone_set.as_deref(), Some("12"));
    assert_eq!(config.scheduler.cleanup_labels, ["c,d"]);
    assert!(config.notify.operators.is_empty());
    assert_eq!(config.notify.smtp_server.as_deref(), Some("mail.example"));
}

#[test]
fn mistyped_names_are_told_with_the_nearest() {
    let position = "yardmaster.toml:2:1: ";
    let typo = Given::file("[scheduler]\nmax_parse_proceses = 1\n");
    check_mistake(typo, &[position, "scheduler.max_parse_proceses", "did you mean \"max_parse_processes\"?"]);
    check_mistake(Given::file("\n[schduler]\n"), &["yardmaster.toml:2:2: ", "did you mean \"scheduler\"?"]);
    check_mistake(Given::file("[log]\nrecover_hosts = true\n"), &[position, "belongs to section [service]"]);
    check_mistake(Given::file("[log]\nxyzzy = 1\n"), &[position, "unknown setting log.xyzzy", "config example"]);
    check_mistake(Given::file("log = 1\n"), &["yardmaster.toml:1:1: ", "write [log]"]);
    let variable = Given::file("").environment("YARDMASTER_LOG__FORMT", "json");
    check_mistake(variable, &["environment YARDMASTER_LOG__FORMT: ", "did you mean \"format\"?"]);
    check_mistake(Given::file("").flag("log.formt=json"), &["--set: ", "did you mean \"format\"?"]);
    check_mistake(Given::file("").flag("log.format"), &["--set: ", "section.name=value"]);
}

#[test]
fn variables_without_a_section_belong_to_others() {
    let given = Given::file("").environment("YARDMASTER_USER", "alice").environment("YARDMASTER_BOOT_ID", "x");
    assert_eq!(given.config(), Config::default());
}

#[test]
fn wrong_values_are_told_with_what_was_expected() {
    for (text, expected) in [
        ("[scheduler]\nmax_parse_processes = \"fifty\"", "a whole number, 0 or more"),
        ("[scheduler]\nmax_parse_processes = -1", "a whole number, 0 or more"),
        ("[scheduler]\nmax_parse_processes = 4294967296", "a whole number, 0 or more"),
        ("[scheduler]\nminimum_tick_sec = true", "a number"),
        ("[scheduler]\ninline_host_acquisition = 1", "true or false"),
        ("[scheduler]\ncleanup_labels = \"a\"", "a list of texts"),
        ("[log]\nformat = \"xml\"", "one of auto, human, json"),
        ("[commands]\nverify = [\"prog {foo}\"]", "unknown placeholder {foo}"),
        ("[commands]\nsupervise = [\"tests\"]", "a list of texts"),
    ] {
        check_mistake(Given::file(text), &["yardmaster.toml:2:", expected]);
    }
    // Whole numbers are numbers.
    assert_eq!(Given::file("[scheduler]\nminimum_tick_sec = 2").config().scheduler.minimum_tick_sec, 2.0);
}

#[test]
fn values_out_of_range_are_told() {
    for (text, expected) in [
        ("[scheduler]\nminimum_tick_sec = 0", "more than 0"),
        ("[scheduler]\nminimum_tick_sec = nan", "more than 0"),
        ("[scheduler]\nclean_interval_minutes = 0", "at least 1"),
        ("[scheduler]\nnotify_email_statuses = \"Completed,Faild\"", "unknown entry status \"Faild\""),
        ("[drones]\nrefresh_deadline_sec = -1", "more than 0"),
        ("[drones]\nreconnect_max_sec = 0.5", "not be less than drones.reconnect_min_sec"),
        ("[drones]\nagent_path = \"agent\"", "absolute path"),
        ("[results]\ndirectory = \"results\"", "absolute path"),
        ("[service]\nlifetime_hours = inf", "out of range"),
        ("[commands]\nnice = -5", "0 to 19"),
        ("[log]\nfilter = \"a=b=c\"", "expected a level"),
        ("[notify]\noperators = [\"nobody\"]", "\"nobody\" is no mail address"),
        ("[notify]\nlogin = \"me\"", "needs notify.password_file"),
        ("[database]\naddress = \"postgres://me@host/db\"", "write sqlite:"),
    ] {
        check_mistake(Given::file(text), &["yardmaster.toml:2:", expected]);
    }
}

#[test]
fn all_mistakes_are_told_at_once_from_top_to_bottom() {
    let given = Given::file("[scheduler]\nminimum_tick_sec = 0\nfoo = 1\nmax_repair_limit = \"x\"\n").flag("x");
    let mistakes = given.mistakes();
    let starts: Vec<&str> = mistakes.iter().map(|mistake| mistake.split(": ").next().expect("an origin")).collect();
    assert_eq!(starts, ["yardmaster.toml:2:20", "yardmaster.toml:3:1", "yardmaster.toml:4:20", "--set"]);
}

#[test]
fn what_is_not_toml_is_told_with_its_place() {
    let mistakes = Given::file("[scheduler]\nmax_parse_processes = \n").mistakes();
    assert!(mistakes[0].starts_with("yardmaster.toml:2:"), "{mistakes:?}");
    assert!(mistakes[0].contains("not TOML"), "{mistakes:?}");
    // Columns are characters, as editors count them.
    let umlauts = Given::file("[log]\nfilter = \"ü\" ü").mistakes();
    assert!(umlauts[0].starts_with("yardmaster.toml:2:14"), "{umlauts:?}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let mut given = Given::file("");
    given.sources.file = Some(given.path("missing.toml"));
    check_mistake(given, &["missing.toml cannot be read"]);
    let variable = Given { sources: Sources::default(), ..Given::file("") };
    let path = variable.path("elsewhere.toml").display().to_string();
    check_mistake(variable.environment("YARDMASTER_CONFIG", &path), &["elsewhere.toml cannot be read"]);
}

#[test]
fn secrets_are_never_shown_and_their_files_must_be_closed() {
    let with_password = || Given::file("[database]\naddress = \"mysql://me:hunter2@host/db\"\n");
    check_mistake(with_password(), &["yardmaster.toml:2:11", "password"]);
    assert!(!with_password().mistakes().concat().contains("hunter2"));
    let number = Given::file("[database]\naddress = 5\n").mistakes().concat();
    assert!(number.contains("a text, in quotes"), "{number}");

    let given = Given::file("");
    let secret = given.path("password");
    fs::write(&secret, "hunter2\nmore\n").expect("written");
    let given =
        given.flag("database.address=mysql://me@host/db").flag(&format!("database.password_file={}", secret.display()));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("changed");
    let mistakes = given.mistakes().concat();
    assert!(mistakes.contains("open to others (mode 0640): chmod 600"), "{mistakes}");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("changed");
    let address = given.config().database_address().expect("an address");
    let yardmaster::database::DatabaseAddress::MySql(server) = &address else { panic!("{address} is of MySQL") };
    assert_eq!(server.password.as_deref(), Some("hunter2"));
    assert!(!format!("{address:?} {address} {:?} {:?}", given.config(), given.sources).contains("hunter2"));
}
