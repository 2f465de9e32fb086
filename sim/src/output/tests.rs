//! The outputs as a whole, file by file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use yardmaster_engine::{Span, Time};

use super::sample::{month, tiny};
use super::{Performance, RunSummary, Summary, digest, terminal_table, write_all, write_performance};
use crate::recording::Recording;

fn write(recording: &Recording, plots: bool) -> (TempDir, RunSummary) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = write_all(recording, &folder.path().join("run"), plots, |_| ()).expect("outputs are written");
    (folder, run)
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join("run").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn jobs_of_a_tiny_run() {
    let (folder, _) = write(&tiny(), false);
    let expected = "\
job_id,workload_name,profile,submission_time,requested_number_of_resources,requested_time,success,final_state,\
starting_time,execution_time,finish_time,waiting_time,turnaround_time,stretch,allocated_resources,\
status,class,owner,priority,host_kind,assigned_time,completed_time,prejob_failures,requeues,hosts,\
recorded_waiting_time,recorded_execution_time,recorded_success,submission_unix_time
1,tiny,\"boot, twice\",10,1,60,1,COMPLETED_SUCCESSFULLY,10.5,30,40.5,0.5,30.5,1.016667,1,\
Completed,ci,ann,20,board,10,45,1,2,beta,2,60,1,
2,tiny,\"boot, twice\",20,2,60,0,COMPLETED_WALLTIME_REACHED,100,60,160,80,140,2.333333,0-1,\
Aborted,user,ann,20,board,60,165,0,0,alpha beta,,,,
3,tiny,\"boot, twice\",30,1,60,0,SUBMITTED,,,,,,,,\
Queued,user,ann,20,board,,,0,0,,,,,
";
    assert_eq!(read(&folder, "jobs.csv"), expected);
}

#[test]
fn the_other_tables_of_a_tiny_run() {
    let (folder, _) = write(&tiny(), false);
    for (file, expected) in [
        (
            "tasks.csv",
            "process_id,kind,job_id,drone,starting_time,finish_time,execution_time,exit_status,tests_failed,hosts\n\
             1,job,1,drone,10.5,40.5,30,0,0,beta\n\
             2,job,2,drone,100,160,60,9,0,alpha beta\n",
        ),
        (
            "hosts.csv",
            "host_id,name,kind,tests,special_tasks,repair_failures,utilisation,ready_time,verifying_time,running_time,\
             repairing_time,repair_failed_time,cleaning_time,pending_time,resetting_time,provisioning_time,locked_time\n\
             0,alpha,board,1,0,0,0.3,140,0,60,0,0,0,0,0,0,0\n\
             1,beta,board,1,0,0,0.45,110,0,90,0,0,0,0,0,0,0\n",
        ),
        (
            "drones.csv",
            "drone_id,name,max_processes,started_processes,peak_processes,mean_processes,process_time\n\
             0,drone,10,2,2,0.75,150\n",
        ),
        (
            "timeline.csv",
            "time,unix_time,queued,preparing,running,finishing,processes,hosts_busy,hosts_out\n\
             0,,0,0,0,0,0,0,0\n10,,1,0,1,0,1,1,0\n40,,2,0,0,0,0,0,0\n100,,1,0,2,0,2,2,0\n160,,1,0,0,0,0,0,0\n",
        ),
    ] {
        assert_eq!(read(&folder, file), expected, "{file}");
    }
}

#[test]
fn the_summary_of_a_tiny_run() {
    let (folder, run) = write(&tiny(), false);
    let json: serde_json::Value = serde_json::from_str(&read(&folder, "summary.json")).expect("JSON");
    for (pointer, expected) in [
        ("/makespan", serde_json::json!(190)),
        ("/jobs/by_status/Completed", serde_json::json!(1)),
        ("/jobs/ended", serde_json::json!(2)),
        ("/waiting_time/all/mean", serde_json::json!(40.25)),
        ("/waiting_time/all/started_within_10_minutes", serde_json::json!(0.666667)),
        ("/waiting_time/by_class/ci/p99", serde_json::json!(0.5)),
        ("/turnaround_time/max", serde_json::json!(140)),
        ("/bounded_stretch/p50", serde_json::json!(1.016667)),
        ("/hosts/utilisation", serde_json::json!(0.375)),
        ("/hosts_by_kind/board/hosts", serde_json::json!(2)),
        ("/drones/peak_processes", serde_json::json!(2)),
        ("/drones/mean_processes", serde_json::json!(0.75)),
        ("/processes/job/failed", serde_json::json!(1)),
        ("/queue_mean", serde_json::json!(1.25)),
        ("/recorded/all/recorded/p50", serde_json::json!(2)),
        ("/recorded/all/difference/p50", serde_json::json!(-1.5)),
        ("/digest", serde_json::json!(run.summary.digest)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn every_column_and_key_is_documented() {
    let documentation = include_str!("../../../docs/outputs.md");
    let (folder, _) = write(&tiny(), false);
    let documented = |name: &str| documentation.contains(&format!("`{name}`"));
    for file in ["jobs.csv", "tasks.csv", "hosts.csv", "drones.csv", "timeline.csv"] {
        let table = read(&folder, file);
        for column in table.lines().next().expect("a header").split(',') {
            assert!(documented(column), "{column} of {file}");
        }
    }
    let summary: serde_json::Value = serde_json::from_str(&read(&folder, "summary.json")).expect("JSON");
    for pointer in ["", "/jobs", "/hosts", "/drones", "/waiting_time", "/waiting_time/all", "/recorded/all"] {
        for key in summary.pointer(pointer).and_then(|value| value.as_object()).expect("an object").keys() {
            assert!(documented(key), "{pointer}/{key} of summary.json");
        }
    }
}

#[test]
fn unix_times_are_written_where_they_are() {
    let (folder, _) = write(&Recording { unix_time: true, ..tiny() }, false);
    assert!(read(&folder, "jobs.csv").lines().nth(1).expect("a job").ends_with(",1010"));
    assert!(read(&folder, "timeline.csv").contains("\n10,1010,1,"));
}

/// Pinned: whoever changes the encoding changes the digests of everybody's runs, and must raise its number.
#[test]
fn the_digest_is_the_same_on_every_machine() {
    assert_eq!(digest(&tiny()), "6246fe937a62401eae359d0ca89233a40197af3a8eee8dd01eb726966b92a669");
    assert_eq!(digest(&month()), digest(&month()));
}

#[test]
fn the_digest_covers_what_happened_and_only_that() {
    let changed = |change: fn(&mut Recording)| {
        let mut recording = tiny();
        change(&mut recording);
        digest(&recording) != digest(&tiny())
    };
    assert!(changed(|recording| recording.end += Span(1)));
    assert!(changed(|recording| recording.hosts[0].name = "gamma".into()));
    assert!(changed(|recording| recording.hosts[1].time_in_status[3] = Span(1)));
    assert!(changed(|recording| recording.drones[0].peak += 1));
    assert!(changed(|recording| recording.jobs[0].started = Some(Time(0))));
    assert!(changed(|recording| recording.jobs[2].hosts.push(0)));
    assert!(changed(|recording| recording.jobs[0].recorded = None));
    assert!(changed(|recording| recording.processes[1].exit_status = Some(0)));
    assert!(changed(|recording| recording.timeline[1].hosts_out = 1));
    assert!(changed(|recording| recording.timeline.truncate(4)));
    assert!(!changed(|recording| recording.scenario = "another name".into()));
    assert!(!changed(|recording| recording.seed = 8));
    assert!(!changed(|recording| recording.ticks += 1));
}

#[test]
fn a_month_has_all_files_and_the_same_bytes_again() {
    let recording = month();
    let ((folder, run), (again, _)) = (write(&recording, true), write(&recording, true));
    for (file, rows) in [
        ("jobs.csv", recording.jobs.len()),
        ("tasks.csv", recording.processes.len()),
        ("hosts.csv", recording.hosts.len()),
        ("drones.csv", recording.drones.len()),
        ("timeline.csv", recording.timeline.len()),
    ] {
        assert_eq!(read(&folder, file).lines().count(), rows + 1, "{file}");
    }
    assert_eq!(run.files.len(), 5 + 2 + 5 * 2);
    for file in &run.files {
        let name = file.strip_prefix(folder.path()).expect("it lies in the folder");
        let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(read(file) == read(&again.path().join(name)), "{} differs", name.display());
    }
}

#[test]
fn pictures_speak_for_themselves() {
    let (folder, _) = write(&month(), true);
    for (name, texts) in [
        ("queue", ["Queue length and running processes over time", "entries waiting", "hosts in use (of 30)"]),
        ("waits", ["How long jobs wait from submission to start", "p95 ", "health (400)"]),
        ("recorded_waits", ["Simulated and recorded waits of the same jobs", "simulated", "recorded"]),
        ("utilisation", ["Host utilisation by kind of host", "raspberrypi4 (6 hosts)", "out of service"]),
        ("gantt", ["What ran on the hosts in the busiest time", "qemu-01", "provision"]),
    ] {
        let svg = read(&folder, &format!("plots/{name}.svg"));
        for text in texts {
            assert!(svg.contains(text), "{name}.svg lacks {text:?}");
        }
        assert!(svg.contains("@font-face"), "{name}.svg brings its font along");
        let png = fs::read(folder.path().join(format!("run/plots/{name}.png"))).expect("the PNG");
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{name}.png is a picture");
    }
}

#[test]
fn the_report_needs_nothing_but_itself() {
    let (folder, run) = write(&month(), false);
    let page = read(&folder, "report.html").replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http://", "https://", "src=\"", "href=", "<script", "@import"] {
        assert!(!page.contains(outside), "the report has {outside}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    for text in
        ["A month of a kernel lab", &run.summary.digest, "median wait for a start", "Simulated beside recorded waits"]
    {
        assert!(page.contains(text), "the report lacks {text:?}");
    }
}

#[test]
fn a_large_lab_is_shown_in_part_and_the_report_says_so() {
    let mut recording = tiny();
    for index in 0..50 {
        let mut host = recording.hosts[0].clone();
        host.name = format!("host-{index:02}").into();
        host.kind = format!("kind-{index:02}").into();
        recording.hosts.push(host);
        let mut process = recording.processes[0].clone();
        process.hosts = vec![index + 2];
        process.finished = process.finished.map(|finished| finished + Span::from_seconds(i64::from(index)));
        recording.processes.push(process);
    }
    let (folder, _) = write(&recording, true);
    let page = read(&folder, "report.html");
    assert!(page.contains("Of the 52 hosts that were in use, the 40 busiest are shown."));
    assert!(page.contains("Only the 30 kinds with the most hosts are shown; 21 are not."));
    let gantt = read(&folder, "plots/gantt.svg");
    assert!(gantt.contains("host-49") && !gantt.contains("host-00"));
}

#[test]
fn names_are_escaped() {
    let mut recording = tiny();
    recording.scenario = "<b> & co".into();
    recording.hosts[0].name = "a<b".into();
    let (folder, _) = write(&recording, true);
    let page = read(&folder, "report.html");
    assert!(!page.contains("<b> & co") && !page.contains("a<b"));
    assert!(read(&folder, "plots/gantt.svg").contains("a&lt;b"));
}

#[test]
fn pictures_of_an_earlier_run_do_not_stay() {
    let (folder, _) = write(&tiny(), true);
    let picture = |name: &str| folder.path().join("run/plots").join(name).exists();
    assert!(picture("recorded_waits.png") && picture("queue.svg"));
    let mut unrecorded = tiny();
    unrecorded.jobs[0].recorded = None;
    let again = |plots| write_all(&unrecorded, &folder.path().join("run"), plots, |_| ()).expect("outputs are written");
    again(true);
    assert!(!picture("recorded_waits.png") && !picture("recorded_waits.svg") && picture("queue.svg"));
    again(false);
    assert!(!picture("queue.svg"));
}

#[test]
fn a_run_in_which_nothing_happened_has_outputs() {
    let (folder, run) = write(&Recording::default(), true);
    assert_eq!(read(&folder, "jobs.csv").lines().count(), 1);
    assert_eq!(run.summary.jobs.submitted, 0);
    assert!(terminal_table(&run.summary).contains("none"));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("hosts.csv")).expect("a folder where a file should be");
    let error = write_all(&tiny(), folder.path(), false, |_| ()).expect_err("a folder is no file");
    assert!(error.to_string().starts_with("failed to write "), "{error}");
    assert!(error.to_string().ends_with("hosts.csv"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn terminal_tables_fit_into_100_columns() {
    let mut recording = month();
    for (index, job) in recording.jobs.iter_mut().enumerate() {
        job.class = format!("a class with a rather long name, number {}", index % 20).into();
    }
    let text = terminal_table(&Summary::of(&recording));
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?} columns:\n{text}");
    assert!(text.contains("8 more in summary.json"));
    assert!(text.ends_with(&format!("digest {}\n", digest(&recording))));
}

#[test]
fn performance_is_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let performance = Performance::of(&tiny(), std::time::Duration::from_millis(500));
    write_performance(&performance, folder.path()).expect("it is written");
    let text = fs::read_to_string(folder.path().join("performance.json")).expect("the file");
    assert!(text.contains("\"wall_time\": 0.5") && text.contains("\"speedup\": 400.0"), "{text}");
}
