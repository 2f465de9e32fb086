//! The agent itself, spoken to without a backend: what it refuses, and what it finds.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};

use yardmaster::agent::frames::{self, GREETING};
use yardmaster::agent::protocol::{
    AgentCommand, AgentNews, AppendText, FileText, Outcome, PROTOCOL, Refusal, Reply, ReplyBody, Request, RequestBody,
    Seen, StartOrder,
};
use yardmaster_engine::{Fence, Term};

use super::lab::{AGENT, PATIENCE, claims, kill_claimed, lives, session};

const EXECUTE: &str = ".autoserv_execute";

/// The first beginning of a term.
fn term(number: u64) -> Fence {
    Fence::first(Term(number))
}

/// An agent with its channel. Whatever it has started is killed with it.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
    /// All news so far.
    all: Vec<(u32, Seen)>,
    results: std::path::PathBuf,
}

impl Agent {
    fn start(results: &Path, environment: &[(&str, &str)]) -> Agent {
        let mut child = Command::new(AGENT)
            .args(["serve", "--kill-grace", "0.5", "--results"])
            .arg(results)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent");
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("a channel"));
        let mut line = String::new();
        while line.trim() != GREETING {
            line.clear();
            assert!(output.read_line(&mut line).expect("a greeting") > 0);
        }
        let mut agent = Agent { child, input, output, next: 0, all: Vec::new(), results: results.to_owned() };
        let hello =
            agent.ask(RequestBody::Hello { protocol: PROTOCOL, lab: "lab".to_owned(), drone: "drone1".to_owned() });
        assert!(matches!(hello, ReplyBody::Hello(_)), "{hello:?}");
        agent
    }

    fn ask(&mut self, body: RequestBody) -> ReplyBody {
        self.next += 1;
        let input = self.input.as_mut().expect("a channel");
        frames::write(input, &Request { id: self.next, body }).expect("sent");
        let reply: Reply = frames::read(&mut self.output).expect("a reply").expect("a reply");
        assert_eq!(reply.id, self.next);
        reply.body
    }

    fn act(&mut self, commands: Vec<AgentCommand>) -> Vec<Outcome> {
        match self.ask(RequestBody::Act { fence: term(1), commands }) {
            ReplyBody::Acted(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }

    fn one(&mut self, command: AgentCommand) -> Outcome {
        self.act(vec![command]).remove(0)
    }

    fn refresh(&mut self) -> AgentNews {
        match self.ask(RequestBody::Refresh { fence: term(1), unclaimed: true }) {
            ReplyBody::News(news) => news,
            other => panic!("{other:?}"),
        }
    }

    /// Refreshes until a pidfile is seen so.
    fn until(&mut self, number: u32, wanted: &Seen) {
        let began = SystemTime::now();
        while !self.all.contains(&(number, wanted.clone())) {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "{number} is not {wanted:?}: {:?}", self.all);
            let news = self.refresh().pidfiles;
            self.all.extend(news);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        kill_claimed(&self.results);
    }
}

fn order(number: u32, path: &str, argv: &[&str], supervise: bool) -> AgentCommand {
    AgentCommand::Start(Box::new(StartOrder {
        number,
        path: path.to_owned(),
        name: EXECUTE.to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        environment: [("GREETING".to_owned(), "good morning".to_owned())].into(),
        working_directory: String::new(),
        files: Vec::new(),
        append: Vec::new(),
        nice: 10,
        supervise,
    }))
}

fn watch(number: u32, path: &str) -> AgentCommand {
    AgentCommand::Watch { number, path: path.to_owned(), name: EXECUTE.to_owned() }
}

fn kill(path: &str) -> AgentCommand {
    AgentCommand::Kill { path: path.to_owned(), name: EXECUTE.to_owned() }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn bad_paths_are_refused_and_the_others_go_on() {
    let directory = directory();
    let results = directory.path().join("results");
    let mut agent = Agent::start(&results, &[]);
    std::os::unix::fs::symlink(directory.path(), results.join("way-out")).expect("a symlink");
    fs::create_dir_all(results.join("1-me")).expect("a directory");
    std::os::unix::fs::symlink("/etc/passwd", results.join("1-me/keyval")).expect("a symlink");
    let write = |path: &str, file: &str| AgentCommand::WriteIfAbsent {
        path: path.to_owned(),
        file: FileText { file: file.to_owned(), text: "x".to_owned() },
    };
    let copy = |from: &str, to: &str| AgentCommand::Copy { from: from.to_owned(), to: to.to_owned() };
    let append = AppendText { file: "keyval".to_owned(), text: "a=b\n".to_owned(), once: None };
    let bad = vec![
        order(1, "../outside", &["true"], false),
        order(1, "/tmp/outside", &["true"], false),
        order(1, "way-out/x", &["true"], false),
        order(1, "1-me/../../x", &["true"], false),
        order(1, "", &["true"], false),
        order(1, ".practice", &["true"], false),
        write("1-me", "../x"),
        write("1-me", ".yardmaster/.autoserv_execute.claim"),
        write("way-out", "x"),
        AgentCommand::Append { path: "1-me".to_owned(), text: append },
        AgentCommand::QueueTransfer { path: "../x".to_owned() },
        copy("../x", "2-me"),
        copy("1-me", "way-out/y"),
        copy("1-me", "1-me/z"),
        kill("../x"),
        AgentCommand::Watch { number: 1, path: "1-me".to_owned(), name: "../x".to_owned() },
    ];
    let count = bad.len();
    let mut commands = bad;
    commands.push(write("1-me", "good"));
    let outcomes = agent.act(commands);
    for outcome in &outcomes[..count] {
        assert!(matches!(outcome, Outcome::Failed { lasting: true, .. }), "{outcome:?}");
    }
    assert_eq!(outcomes[count], Outcome::Done);
    assert!(results.join("1-me/good").exists());
    let outside: Vec<_> =
        fs::read_dir(directory.path()).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(outside, ["results"]);
}

#[test]
fn a_supervised_program_gets_a_pidfile_with_its_wait_status() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let outcomes = agent.act(vec![
        order(1, "1-me/a", &["sh", "-c", "echo $GREETING; echo $PWD; nice; exit 3"], true),
        order(2, "2-me/a", &["sh", "-c", "kill -9 $$"], true),
        order(3, "3-me/a", &["sleep", "1000"], true),
        order(4, "4-me/a", &["sh", "-c", "trap '' TERM; while :; do sleep 1000; done"], true),
        order(5, "5-me/a", &["/no/such/program"], true),
        order(6, "6-me/a", &["/no/such/program"], false),
    ]);
    assert_eq!(outcomes, vec![Outcome::Done; 6]);
    agent.until(1, &Seen::Ended { exit_status: 3 << 8, tests_failed: 0 });
    agent.until(2, &Seen::Ended { exit_status: 9, tests_failed: 0 });
    let log = fs::read_to_string(directory.path().join("1-me/a/debug/autoserv_execute.log")).expect("a log");
    let place = directory.path().join("1-me/a").canonicalize().expect("a directory");
    assert_eq!(log, format!("good morning\n{}\n10\n", place.display()));
    // The program's end by a signal is told, also when it had to be forced.
    let _ = agent.act(vec![kill("3-me/a"), kill("4-me/a")]);
    let pidfile = fs::read_to_string(directory.path().join("5-me/a").join(EXECUTE)).expect("a pidfile");
    assert_eq!(pidfile.lines().nth(1), Some("32512"));
    agent.until(3, &Seen::Ended { exit_status: 15, tests_failed: 0 });
    agent.until(4, &Seen::Ended { exit_status: 9, tests_failed: 0 });
}

#[test]
fn a_program_that_ignores_sigterm_is_forced_also_by_a_later_agent() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let stubborn = "trap '' TERM; sh -c 'while :; do sleep 1000; done' & while :; do sleep 1000; done";
    agent.act(vec![order(1, "1-me/a", &["sh", "-c", stubborn], false)]);
    agent.until(1, &Seen::Empty);
    let claim = claims(directory.path())[0];
    assert_eq!(agent.one(kill("1-me/a")), Outcome::Done);
    // Before the grace is over.
    let _ = agent.child.kill();
    let _ = agent.child.wait();
    assert!(lives(claim));
    let mut next = Agent::start(directory.path(), &[]);
    next.act(vec![watch(1, "1-me/a")]);
    next.until(1, &Seen::Vanished);
    assert!(!lives(claim));
    // Nobody of its session is left.
    let began = SystemTime::now();
    while !session(claim.0).is_empty() {
        assert!(began.elapsed().unwrap_or_default() < PATIENCE, "its children live");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_pid_that_is_used_again_is_not_taken_for_life() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    agent.act(vec![order(1, "1-me/a", &["sleep", "1000"], true)]);
    agent.until(1, &Seen::Running);
    let place = directory.path().join("1-me/a");
    let claim_file = place.join(".yardmaster").join(format!("{EXECUTE}.claim"));
    let claim = fs::read_to_string(&claim_file).expect("a claim");
    let mut other: serde_json::Value = serde_json::from_str(&claim).expect("JSON");
    let started = other["process"]["started"].as_u64().expect("a time");
    // As if the pid had belonged to an older process, which is gone. Its own pidfile names this test.
    other["process"]["started"] = (started - 1).into();
    let copy = directory.path().join("2-me/a");
    fs::create_dir_all(copy.join(".yardmaster")).expect("a directory");
    fs::write(copy.join(".yardmaster").join(format!("{EXECUTE}.claim")), other.to_string()).expect("written");
    fs::write(copy.join(EXECUTE), format!("{}\n", std::process::id())).expect("written");
    agent.act(vec![watch(2, "2-me/a")]);
    agent.until(2, &Seen::Vanished);
    // And nobody is killed for it.
    assert_eq!(agent.one(kill("2-me/a")), Outcome::Done);
    std::thread::sleep(Duration::from_millis(300));
    assert!(lives(claims(&directory.path().join("1-me"))[0]));
}

#[test]
fn pidfiles_of_processes_that_no_agent_started() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let place = |name: &str| {
        let place = directory.path().join(name);
        fs::create_dir_all(&place).expect("a directory");
        place
    };
    // One that works there, as another scheduler left it; and one that only has a pid in common with it.
    let mut ours = Command::new("sleep").arg("1000").current_dir(place("1-me/a")).spawn().expect("a process");
    let mut theirs = Command::new("sleep").arg("1000").spawn().expect("a process");
    fs::write(place("1-me/a").join(EXECUTE), format!("{}\n", ours.id())).expect("written");
    fs::write(place("2-me/a").join(EXECUTE), format!("{}\n", theirs.id())).expect("written");
    // This was written in another age.
    let old = place("3-me/a").join(EXECUTE);
    fs::write(&old, format!("{}\n", theirs.id())).expect("written");
    let age = SystemTime::now() - Duration::from_secs(1_000_000);
    fs::File::open(&old).and_then(|file| file.set_modified(age)).expect("aged");
    agent.act(vec![watch(1, "1-me/a"), watch(2, "2-me/a"), watch(3, "3-me/a"), watch(4, "4-me/a")]);
    agent.until(1, &Seen::Running);
    agent.act(vec![kill("1-me/a"), kill("2-me/a"), kill("3-me/a")]);
    let killed = ours.wait().expect("its end");
    assert!(!killed.success());
    agent.act(vec![watch(13, "3-me/a")]);
    agent.until(13, &Seen::Vanished);
    assert!(theirs.try_wait().expect("a process").is_none(), "somebody else's process was killed");
    theirs.kill().expect("killed");
    theirs.wait().expect("its end");
}

#[test]
fn what_another_scheduler_has_started_is_not_started_again() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let place = directory.path().join("1-me/a");
    fs::create_dir_all(&place).expect("a directory");
    fs::write(place.join(EXECUTE), "123\n0\n0\n").expect("written");
    assert_eq!(agent.one(order(1, "1-me/a", &["touch", "ran"], false)), Outcome::Done);
    agent.until(1, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    assert!(!place.join("ran").exists() && claims(directory.path()).is_empty());
}

#[test]
fn after_a_reboot_nothing_lives() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    agent.act(vec![order(1, "1-me/a", &["sleep", "1000"], true), order(2, "2-me/a", &["true"], true)]);
    agent.until(1, &Seen::Running);
    agent.until(2, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    let claim = claims(&directory.path().join("1-me"))[0];
    let mut next = Agent::start(directory.path(), &[("YARDMASTER_BOOT_ID", "the next boot")]);
    next.act(vec![watch(1, "1-me/a"), watch(2, "2-me/a")]);
    next.until(1, &Seen::Vanished);
    next.until(2, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    assert_eq!(next.refresh().unclaimed, Vec::<String>::new());
    // What has its pid now is none of ours.
    next.act(vec![kill("1-me/a")]);
    std::thread::sleep(Duration::from_millis(200));
    assert!(lives(claim));
}

#[test]
fn two_agents_start_one_process() {
    let directory = directory();
    let race = |mut agent: Agent| {
        std::thread::spawn(move || {
            for job in 0..30 {
                let path = format!("{job}-me/a");
                let program = format!("echo {job} >> ../../ran; sleep 1000");
                assert_eq!(agent.one(order(job, &path, &["sh", "-c", &program], false)), Outcome::Done);
            }
            agent
        })
    };
    let racers = [0, 1, 2].map(|_| race(Agent::start(directory.path(), &[])));
    let agents = racers.map(|racer| racer.join().expect("no panic"));
    let began = SystemTime::now();
    let ran = || {
        let mut ran: Vec<u32> = fs::read_to_string(directory.path().join("ran"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect();
        ran.sort_unstable();
        ran
    };
    while ran().len() < 30 {
        assert!(began.elapsed().unwrap_or_default() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ran(), (0..30).collect::<Vec<_>>());
    drop(agents);
}

#[test]
fn text_is_appended_once_also_after_a_crash_half_way() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let append = |text: &str, key: &str| AgentCommand::Append {
        path: "1-me/a".to_owned(),
        text: AppendText { file: "keyval".to_owned(), text: text.to_owned(), once: Some(key.to_owned()) },
    };
    let file = directory.path().join("1-me/a/keyval");
    let text = || fs::read_to_string(&file).expect("a file");
    agent.act(vec![append("a=1\n", ".one"), append("a=1\n", ".one"), append("a=1\n", ".two")]);
    assert_eq!(text(), "a=1\na=1\n");
    // As if an agent had died after its note and before the text; others have written since.
    let ours = directory.path().join("1-me/a/.yardmaster");
    fs::write(ours.join(".three.appended"), "8").expect("written");
    fs::write(&file, text() + "b=2\n").expect("written");
    agent.act(vec![append("c=3\n", ".three"), append("c=3\n", ".three")]);
    assert_eq!(text(), "a=1\na=1\nb=2\nc=3\n");
}

/// Copies may take as long as they like; here, until another agent lets go of the lock.
#[test]
fn a_long_copy_holds_up_nothing_but_what_follows_it() {
    let directory = directory();
    let results = directory.path();
    fs::create_dir_all(results.join("hosts/h/1-reset")).expect("a directory");
    fs::write(results.join("hosts/h/1-reset/keyval"), "a=1\n").expect("written");
    let mut agent = Agent::start(results, &[]);
    let lock = fs::File::create(results.join(".yardmaster/backlog.lock")).expect("a lock");
    lock.lock().expect("locked");
    let append = |path: &str, text: &str| {
        let text = AppendText { file: "keyval".to_owned(), text: text.to_owned(), once: None };
        AgentCommand::Append { path: path.to_owned(), text }
    };
    let copy = AgentCommand::Copy { from: "hosts/h/1-reset".to_owned(), to: "1-me/h".to_owned() };
    let queue = AgentCommand::QueueTransfer { path: "1-me/h".to_owned() };
    let commands =
        vec![copy, append("1-me/h", "b=2\n"), queue, append("2-me/h", "c=3\n"), order(1, "3-me/h", &["true"], true)];
    assert_eq!(agent.act(commands), vec![Outcome::Done; 5]);
    agent.until(1, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    assert_eq!(fs::read_to_string(results.join("2-me/h/keyval")).expect("the file"), "c=3\n");
    assert!(!results.join("1-me/h").exists());
    assert_eq!(agent.refresh().transfers, 0);
    // What waits is not forgotten with the agent, and comes in its order.
    drop(agent);
    let mut next = Agent::start(results, &[]);
    assert_eq!(next.one(append("1-me/h", "d=4\n")), Outcome::Done);
    assert!(!results.join("1-me/h").exists());
    drop(lock);
    let began = SystemTime::now();
    while next.refresh().transfers == 0
        || fs::read_dir(results.join(".yardmaster/backlog")).expect("a directory").count() > 0
    {
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(30));
    }
    assert_eq!(fs::read_to_string(results.join("1-me/h/keyval")).expect("the file"), "a=1\nb=2\nd=4\n");
}

/// Notes of what runs do not pile up while an agent lives.
#[test]
fn the_note_of_a_process_goes_with_it() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    let notes = || fs::read_dir(directory.path().join(".yardmaster/running")).expect("a directory").count();
    let sleep = ["sleep", "1000"];
    agent.act(vec![order(1, "1-me/h", &["true"], true), order(2, "2-me/h", &sleep, true)]);
    agent.until(1, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    agent.until(2, &Seen::Running);
    let began = SystemTime::now();
    while notes() > 1 {
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(30), "{} notes", notes());
        agent.refresh();
    }
    assert_eq!(agent.one(kill("2-me/h")), Outcome::Done);
    while notes() > 0 {
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(30), "{} notes", notes());
        agent.refresh();
    }
}

#[test]
fn terms_rise_for_all_agents_at_once() {
    let directory = directory();
    let (mut old, mut new) = (Agent::start(directory.path(), &[]), Agent::start(directory.path(), &[]));
    assert_eq!(old.one(order(1, "1-me/a", &["sleep", "1000"], true)), Outcome::Done);
    assert!(matches!(new.ask(RequestBody::Refresh { fence: term(5), unclaimed: false }), ReplyBody::News(_)));
    let refused = ReplyBody::Refused(Refusal::OlderTerm { mine: term(1), newer: term(5) });
    assert_eq!(
        old.ask(RequestBody::Act { fence: term(1), commands: vec![order(2, "2-me/a", &["true"], true)] }),
        refused
    );
    assert_eq!(old.ask(RequestBody::Refresh { fence: term(1), unclaimed: false }), refused);
    assert_eq!(old.ask(RequestBody::Clean { fence: term(1), older_than: 0 }), refused);
    assert!(!directory.path().join("2-me").exists());
    // Numbers of an older term mean nothing in a newer one.
    match new.ask(RequestBody::Refresh { fence: term(5), unclaimed: true }) {
        ReplyBody::News(news) => assert_eq!((news.pidfiles.len(), news.unclaimed.len()), (0, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cleaning_spares_what_lives_waits_or_is_watched() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    agent.act(vec![
        order(1, "1-me/a", &["sleep", "1000"], true),
        order(2, "2-me/a", &["true"], true),
        order(3, "3-me/a", &["true"], true),
        order(4, "4-me/a", &["true"], true),
    ]);
    agent.until(1, &Seen::Running);
    for number in 2..=4 {
        agent.until(number, &Seen::Ended { exit_status: 0, tests_failed: 0 });
    }
    agent.act(vec![
        AgentCommand::Forget { number: 1 },
        AgentCommand::Forget { number: 2 },
        AgentCommand::Forget { number: 3 },
    ]);
    agent.act(vec![AgentCommand::QueueTransfer { path: "3-me/a".to_owned() }]);
    fs::create_dir_all(directory.path().join("somebody's/own")).expect("a directory");
    assert_eq!(
        agent.ask(RequestBody::Clean { fence: term(1), older_than: 3600 }),
        ReplyBody::Cleaned { deleted: vec![], failed: vec![] }
    );
    std::thread::sleep(Duration::from_millis(20));
    let deleted = vec!["2-me/a".to_owned()];
    assert_eq!(
        agent.ask(RequestBody::Clean { fence: term(1), older_than: 0 }),
        ReplyBody::Cleaned { deleted, failed: vec![] }
    );
    for kept in ["1-me/a", "3-me/a", "4-me/a", "somebody's/own"] {
        assert!(directory.path().join(kept).exists(), "{kept}");
    }
    assert!(!directory.path().join("2-me").exists());
}

#[test]
fn nonsense_ends_the_agent_and_not_the_processes() {
    let directory = directory();
    let mut agent = Agent::start(directory.path(), &[]);
    agent.act(vec![order(1, "1-me/a", &["sleep", "1000"], true)]);
    agent.until(1, &Seen::Running);
    let mut input = agent.input.take().expect("a channel");
    let _ = input.write_all(b"ls -l\nls -l\n");
    drop(input);
    let mut rest = Vec::new();
    agent.output.read_to_end(&mut rest).expect("its end");
    assert!(!agent.child.wait().expect("its end").success());
    assert!(lives(claims(directory.path())[0]));
}
