//! A tiny lab and a plan for it, in a folder whose name is awkward, and the command line there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const LAB: &str = r#"
name = "tiny"
start = 2026-01-05
settings = { minimum_tick_sec = 30 }
[[host]]
name = "eve[1-2]"
labels = ["board:eve"]
[[host]]
name = "kevin1"
labels = ["board:kevin"]
[[drone]]
name = "drone1"
max_processes = 20
[[workload.generate]]
name = "developers"
arrivals = { poisson = { per_hour = 6 } }
[[workload.generate.mix]]
profile = "smoke"
weight = 2
label = "board:eve"
runtime = { exponential = { mean = 900 } }
[[workload.generate.mix]]
profile = "graphics"
label = "board:kevin"
runtime = { empirical = { file = "runtimes.csv", column = "runtime_s" } }
"#;

const PLAN: &str = r#"
name = "it's a tiny plan"
about = "How many hosts?"
scenario = "lab.toml"
[simulation]
days = 0.5
drain_days = 0.25
replications = [2, 3]
[[change]]
hosts = "eve"
values = [2, 3]
cost = 1
[[change]]
hosts = "kevin"
values = [1, 2, 3]
cost = 1
[[objective]]
start_within = 600
share = 0.5
each = "host_kind"
"#;

/// The folder.
pub(crate) struct Lab {
    folder: TempDir,
}

/// What a plan came to: exit status, what is printed, and all files of the output folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    status: i32,
    out: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Ended {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        self
    }
}

impl Lab {
    /// With a plan that searches so: `grid`, `single` or `cheapest`.
    pub(crate) fn new(search: &str) -> Lab {
        let folder = tempfile::Builder::new().prefix("it's a \"lab\" of $ours ").tempdir().expect("a folder");
        let lab = Lab { folder };
        lab.write("lab.toml", LAB);
        lab.write("plan.toml", &format!("search = \"{search}\"\n{PLAN}"));
        lab.write("runtimes.csv", "runtime_s\n300\n600\n900\n1800\n");
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("readable")
    }

    /// `yardmaster-sim plan …` in the folder, outside of any cluster.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("plan").args(arguments).current_dir(self.folder.path()).env_remove("SLURM_ARRAY_TASK_ID");
        command
    }

    pub(crate) fn plan(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// The plan by itself.
    pub(crate) fn direct(&self) -> Outcome {
        self.outcome(&["plan.toml"], "direct")
    }

    /// A merge.
    pub(crate) fn merged(&self, array: &str) -> Outcome {
        self.outcome(&["--merge", array], "merged")
    }

    fn outcome(&self, what: &[&str], folder: &str) -> Outcome {
        let _ = fs::remove_dir_all(self.path(folder));
        let ended = self.plan(&[what, &["--out", folder, "--no-cache", "--json"]].concat());
        assert_eq!(ended.err, "");
        Outcome { status: ended.status, out: ended.out, files: self.files(folder) }
    }

    #[track_caller]
    pub(crate) fn emit(&self, jobs: u32, array: &str) -> Ended {
        self.plan(&["plan.toml", "--jobs", &jobs.to_string(), "--emit", "slurm", array]).expect(0)
    }

    /// What an element of a job array runs, as Slurm starts it.
    pub(crate) fn element(&self, array: &str, element: u32) -> Child {
        let mut command = self.command(&["--part", array, "--threads", "1", "--quiet"]);
        command.env("SLURM_ARRAY_TASK_ID", element.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("started")
    }

    #[track_caller]
    pub(crate) fn run_element(&self, array: &str, element: u32) {
        let status = self.element(array, element).wait().expect("a child of ours");
        assert!(status.success(), "element {element}: {status}");
    }

    /// How many elements an array has, as its batch script says.
    pub(crate) fn elements(&self, array: &str) -> u32 {
        let script = self.read(&format!("{array}/array.sbatch"));
        let last = script.lines().find_map(|line| line.strip_prefix("#SBATCH --array=0-")).expect("a range");
        last.parse::<u32>().expect("a number") + 1
    }

    /// All files below a folder, by their paths in it.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut open = vec![self.path(folder)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let bytes = fs::read(&path).expect("readable");
                    files.insert(path, bytes);
                }
            }
        }
        let root = self.path(folder);
        files.into_iter().map(|(path, bytes)| (inside(&path, &root), bytes)).collect()
    }
}

fn inside(path: &Path, root: &Path) -> PathBuf {
    path.strip_prefix(root).expect("below it").to_owned()
}

pub(crate) fn program() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("yardmaster-sim")
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { status: output.status.code().expect("ended by itself"), out: text(output.stdout), err: text(output.stderr) }
}
