//! A test driver for trying things out: takes the command lines of autoserv and of the parser, writes what they write,
//! works for a while and ends as it is told. It drives no host.
//!
//! What it does is said by lines `key = value`: for a test in its control file, for anything else in
//! `RESULTS/.practice/KIND.HOST` or `RESULTS/.practice/KIND`, KIND being verify, cleanup, reset, repair, provision, gather or
//! parse; or runner, which is one that does nothing for its job, and leaves its pidfile to the agent. Keys: `seconds` (0.1 unless told), `exit` (an exit code), `failed_tests`, and `wait = true`: then it goes on until
//! there is a file `.finish` (or `.finish.KIND`) in its results path, which says `EXIT FAILED_TESTS`, `status WAIT_STATUS
//! FAILED_TESTS`, `vanish` or `corrupt`. On SIGTERM it writes down, as autoserv does, that it was killed.
//!
//! Every run leaves a line `PATH NAME PID` in `RESULTS/.practice/marks`: nothing ran twice if no path and name is there twice.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::claim::replace_file;

/// How often is looked whether it may end.
const PACE: Duration = Duration::from_millis(20);

/// A command line, as far as it matters here.
#[derive(Debug, Default)]
struct Line {
    results: PathBuf,
    hosts: Vec<String>,
    kind: &'static str,
    control: Option<PathBuf>,
}

/// How a run is to go.
#[derive(Debug, Clone, PartialEq)]
struct Course {
    seconds: f64,
    exit: i32,
    failed_tests: u32,
    wait: bool,
}

/// What autoserv writes when SIGTERM ends it: exit code 1, and the signal.
const TERMINATED: End = End::Ended { status: 1 << 8 | 15, failed_tests: 0 };

/// How it ends.
enum End {
    /// With this wait status.
    Ended {
        status: i32,
        failed_tests: u32,
    },
    Vanish,
    Corrupt,
}

/// Flags that are followed by a value.
const WITH_VALUE: [&str; 10] = [
    "-m",
    "-u",
    "-l",
    "-P",
    "--lab",
    "--host-protection",
    "--job-labels",
    "--parent_job_id",
    "--test-retry",
    "--labels",
];

impl Line {
    fn read(arguments: &[OsString]) -> Line {
        let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let is_parser = words.iter().any(|word| word == "--write-pidfile");
        let mut line = Line { kind: if is_parser { "parse" } else { "test" }, ..Line::default() };
        let mut positional = None;
        let mut words = words.into_iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-r" if !is_parser => line.results = words.next().unwrap_or_default().into(),
                "-m" => line.hosts = words.next().unwrap_or_default().split(',').map(str::to_owned).collect(),
                "-v" => line.kind = "verify",
                "--cleanup" => line.kind = "cleanup",
                "--reset" => line.kind = "reset",
                "-R" => line.kind = "repair",
                "--provision" => line.kind = "provision",
                "--collect-crashinfo" => line.kind = "gather",
                "--handoff" => line.kind = "runner",
                flag if WITH_VALUE.contains(&flag) => drop(words.next()),
                flag if flag.starts_with('-') => {}
                _ => positional = Some(PathBuf::from(word)),
            }
        }
        match (is_parser, positional) {
            (true, Some(results)) => line.results = results,
            (_, control) => line.control = control,
        }
        line
    }

    fn pidfile(&self) -> &'static str {
        match self.kind {
            "parse" => ".parser_execute",
            "gather" => ".collect_crashinfo_execute",
            "runner" => ".handoff_execute",
            _ => ".autoserv_execute",
        }
    }

    /// What was written about how it is to go.
    fn course(&self, root: &Path) -> Course {
        let practice = root.join(".practice");
        let of_host = self.hosts.first().map(|host| practice.join(format!("{}.{host}", self.kind)));
        let of_kind = Some(practice.join(self.kind));
        let files = [self.control.clone(), of_host, of_kind];
        let text = files.into_iter().flatten().find_map(|file| fs::read_to_string(file).ok());
        Course::read(&text.unwrap_or_default())
    }
}

impl Course {
    fn read(text: &str) -> Course {
        let mut course = Course { seconds: 0.1, exit: 0, failed_tests: 0, wait: false };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = value.trim();
            match key.trim() {
                "seconds" => course.seconds = value.parse().unwrap_or(course.seconds),
                "exit" => course.exit = value.parse().unwrap_or(course.exit),
                "failed_tests" => course.failed_tests = value.parse().unwrap_or(course.failed_tests),
                "wait" => course.wait = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        course
    }
}

impl End {
    fn exit(code: i32, failed_tests: u32) -> End {
        End::Ended { status: (code & 0xff) << 8, failed_tests }
    }

    fn read(text: &str) -> Option<End> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["vanish"] => Some(End::Vanish),
            ["corrupt"] => Some(End::Corrupt),
            // Of these three words, two may be there before the third.
            ["status"] | ["status", _] => None,
            ["status", status, failed] => {
                Some(End::Ended { status: status.parse().ok()?, failed_tests: failed.parse().ok()? })
            }
            [code] => Some(End::exit(code.parse().ok()?, 0)),
            [code, failed] => Some(End::exit(code.parse().ok()?, failed.parse().ok()?)),
            // It is still being written.
            _ => None,
        }
    }
}

/// Runs as the command line says.
///
/// # Errors
/// If its files cannot be written.
pub(super) fn run(arguments: &[OsString]) -> Result<ExitCode, anyhow::Error> {
    let line = Line::read(arguments);
    anyhow::ensure!(!line.results.as_os_str().is_empty(), "no results directory is named: give -r DIR");
    let root = std::env::var_os("YARDMASTER_RESULTS").map_or_else(|| line.results.clone(), PathBuf::from);
    let course = line.course(&root);
    fs::create_dir_all(&line.results)?;
    leave_mark(&root, &line)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Listened to before anybody can know the pid.
    let mut terminate = {
        let _runtime = runtime.enter();
        signal(SignalKind::terminate())?
    };
    let pidfile = line.results.join(line.pidfile());
    let pid = std::process::id();
    let is_looked_after = line.kind == "runner";
    let write = |text: &str| if is_looked_after { Ok(()) } else { replace_file(&pidfile, text.as_bytes()) };
    write(&format!("{pid}\n"))?;
    note(&line, "START", "job started")?;
    let end = runtime.block_on(async {
        let course = async { if course.wait { wait_for_finish(&line).await } else { work(&course).await } };
        tokio::select! {
            _ = terminate.recv() => TERMINATED,
            end = course => end,
        }
    });
    match end {
        End::Vanish => Ok(ExitCode::FAILURE),
        End::Corrupt => {
            write("this is\nno pidfile\nat\nall\n")?;
            Ok(ExitCode::FAILURE)
        }
        End::Ended { status, failed_tests } => {
            let (word, text) = if status == 0 { ("END GOOD", "completed") } else { ("END FAIL", "failed") };
            note(&line, word, text)?;
            write(&format!("{pid}\n{status}\n{failed_tests}\n"))?;
            if is_looked_after && let Some(signal) = Signal::from_named_raw(status & 0x7f) {
                kill_process(rustix::process::getpid(), signal)?;
            }
            Ok(ExitCode::from(u8::try_from(status >> 8 & 0xff).unwrap_or(1)))
        }
    }
}

async fn work(course: &Course) -> End {
    tokio::time::sleep(Duration::try_from_secs_f64(course.seconds).unwrap_or_default()).await;
    End::exit(course.exit, course.failed_tests)
}

async fn wait_for_finish(line: &Line) -> End {
    let files = [line.results.join(format!(".finish.{}", line.kind)), line.results.join(".finish")];
    loop {
        let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
        if let Some(end) = texts.filter_map(|text| End::read(&text)).next() {
            return end;
        }
        tokio::time::sleep(PACE).await;
    }
}

fn leave_mark(root: &Path, line: &Line) -> Result<(), anyhow::Error> {
    let directory = root.join(".practice");
    fs::create_dir_all(&directory)?;
    let path = line.results.strip_prefix(root).unwrap_or(&line.results);
    let mut marks = OpenOptions::new().create(true).append(true).open(directory.join("marks"))?;
    marks.write_all(format!("{} {} {}\n", path.display(), line.pidfile(), std::process::id()).as_bytes())?;
    Ok(marks.sync_data()?)
}

/// A line of status.log, in Autotest's format, and the keyvals that autoserv leaves. The parser leaves neither.
fn note(line: &Line, word: &str, text: &str) -> Result<(), anyhow::Error> {
    if ["parse", "gather", "runner"].contains(&line.kind) {
        return Ok(());
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let append = |file: &str, text: String| -> std::io::Result<()> {
        let mut open = OpenOptions::new().create(true).append(true).open(line.results.join(file))?;
        open.write_all(text.as_bytes())
    };
    append("status.log", format!("{word}\t----\t----\ttimestamp={seconds}\t{text}\n"))?;
    let key = if word == "START" { "job_started" } else { "practice_ended" };
    Ok(append("keyval", format!("{key}={seconds}\n"))?)
}
