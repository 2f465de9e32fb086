//! Plans as job arrays: the merge comes to the same bytes as the plan by itself, whatever happened to the elements.

mod cluster;
mod lab;

use std::fs;

use cluster::Cluster;
use lab::Lab;

/// The line that a merge gives for the elements that are missing, without the script's path.
fn named(err: &str) -> Option<&str> {
    let words = err.lines().find_map(|line| line.trim().strip_prefix("sbatch --array="))?;
    words.split_whitespace().next()
}

#[test]
fn elements_one_by_one_and_a_merge_are_the_plan_by_itself() {
    let lab = Lab::new("grid");
    let emitted = lab.emit(7, "the array").out;
    assert!(emitted.contains("in 7 elements"), "{emitted}");
    assert_eq!(lab.elements("the array"), 7);
    for element in [0, 1, 2, 6] {
        lab.run_element("the array", element);
    }
    let missing = lab.plan(&["--merge", "the array", "--out", "merged"]).expect(1);
    assert_eq!((missing.out.as_str(), named(&missing.err)), ("", Some("3-5")), "{}", missing.err);
    assert!(!lab.path("merged").exists(), "nothing is written");
    lab.run_element("the array", 4);
    assert_eq!(named(&lab.plan(&["--merge", "the array"]).expect(1).err), Some("3,5"));
    assert!(!lab.path("out").exists(), "nothing is written");
    lab.plan(&["--part", "the array", "--element", "3"]).expect(0);
    lab.plan(&["--part", "the array", "--element", "5"]).expect(0);
    assert_eq!(lab.merged("the array"), lab.direct());
}

#[test]
fn a_search_goes_on_in_further_arrays_until_nothing_is_missing() {
    let lab = Lab::new("cheapest");
    lab.emit(3, "array0");
    let direct = lab.direct();
    let mut rounds = 0;
    loop {
        let array = format!("array{rounds}");
        let others = (0..lab.elements(&array)).map(|element| (element, lab.element(&array, element)));
        for (element, mut process) in others.collect::<Vec<_>>() {
            assert!(process.wait().expect("a child of ours").success(), "element {element}");
        }
        if rounds == 0 {
            assert_eq!(lab.merged(&array), direct, "the rest is simulated by the merge");
        }
        rounds += 1;
        let next = format!("array{rounds}");
        let emitted = lab.plan(&["--merge", &array, "--jobs", "3", "--emit", "slurm", &next]).expect(0);
        if emitted.out.starts_with("nothing is missing") {
            assert!(!lab.path(&next).exists());
            assert_eq!(lab.merged(&array), direct);
            break;
        }
        assert!(rounds < 20, "{}", emitted.out);
    }
    assert!(rounds > 1, "a search asks for what depends on what it has found");
    fs::remove_dir_all(lab.path("array0/results/element-1")).expect("it was there");
    let missing = lab.plan(&["--merge", &format!("array{}", rounds - 1), "--out", "other"]).expect(1);
    assert_eq!(named(&missing.err), Some("1"), "an array needs those before it");
    assert!(missing.err.contains("array0/array.sbatch"), "{}", missing.err);
}

#[test]
fn an_element_that_was_killed_damaged_or_repeated_does_no_harm() {
    let lab = Lab::new("single");
    lab.emit(3, "array");
    // Two of each at once.
    let twice = (0..3).chain(0..3).map(|element| lab.element("array", element));
    for mut process in twice.collect::<Vec<_>>() {
        assert!(process.wait().expect("a child of ours").success());
    }
    let results = |of: &str| lab.files(&format!("array/results{of}"));
    let whole = results("");
    assert!(
        whole.keys().all(|file| file.starts_with("element-0")
            || file.starts_with("element-1")
            || file.starts_with("element-2"))
    );
    lab.run_element("array", 1);
    assert_eq!(results(""), whole, "what is done is not done again");

    let cut = |folder: &str| {
        let files = results(folder);
        let (name, bytes) = files.iter().next().expect("results");
        fs::write(lab.path(&format!("array/results{folder}")).join(name), &bytes[..bytes.len() / 2]).expect("written");
    };
    cut("/element-1");
    // So a run that was killed leaves things: in a folder that is not taken for a result.
    fs::rename(lab.path("array/results/element-2"), lab.path("array/results/.element-2.0")).expect("renamed");
    cut("/.element-2.0");
    assert_eq!(named(&lab.plan(&["--merge", "array"]).expect(1).err), Some("1-2"));
    lab.run_element("array", 1);
    lab.run_element("array", 2);
    assert_eq!(results("").len(), whole.len(), "what was left over is cleared away");
    assert_eq!(lab.merged("array"), lab.direct());
}

#[test]
fn results_of_different_things_are_not_put_together() {
    let lab = Lab::new("grid");
    lab.emit(2, "array");
    lab.run_element("array", 0);
    lab.run_element("array", 1);
    for (file, what) in [("plan.toml", "the plan"), ("lab.toml", "the scenario"), ("runtimes.csv", "the data file")] {
        let before = lab.read(file);
        lab.write(file, &format!("{before}\n"));
        let words = format!("{what} {} is not what it was", lab.path(file).display());
        for arguments in [["--part", "array", "--element", "0"].as_slice(), &["--merge", "array"]] {
            let refused = lab.plan(arguments).expect(2);
            assert!(refused.err.contains(&words), "{}", refused.err);
        }
        lab.write(file, &before);
    }
    let contents = lab.read("array/parts.json");
    let program = contents.find("\"program\":\"").expect("the digest of the program") + "\"program\":\"".len();
    let mut other = contents.clone();
    other.replace_range(program..program + 4, "none");
    lab.write("array/parts.json", &other);
    for arguments in [["--part", "array", "--element", "0"].as_slice(), &["--merge", "array"]] {
        let refused = lab.plan(arguments).expect(2);
        assert!(refused.err.contains("another version of yardmaster-sim"), "{}", refused.err);
    }
    lab.write("array/parts.json", &contents);
    lab.plan(&["--merge", "array", "--no-cache"]).expect(0);
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let lab = Lab::new("grid");
    lab.emit(2, "array");
    let told = |arguments: &[&str], words: &str| {
        let refused = lab.plan(arguments).expect(2);
        assert!(refused.err.contains(words), "{arguments:?}: {}", refused.err);
    };
    told(&["plan.toml", "--jobs", "2", "--emit", "slurm", "array"], "holds a job array already");
    told(&["plan.toml", "--jobs", "2", "--emit", "pbs", "other"], "only slurm is known");
    told(&["plan.toml", "--jobs", "0", "--emit", "slurm", "other"], "0 is not in 1..");
    told(&["plan.toml", "--jobs", "2"], "--emit");
    told(&["plan.toml", "--jobs", "2", "--emit", "slurm", "100%"], "cannot stand in a batch script");
    told(&["--part", "array"], "SLURM_ARRAY_TASK_ID");
    told(&["--part", "array", "--element", "2"], "no element 2, only 0 to 1");
    told(&["--part", "nowhere", "--element", "0"], "nowhere/parts.json cannot be read");
    told(&["--merge", "nowhere"], "nowhere/parts.json cannot be read");
    let mut odd = lab.command(&["--part", "array"]);
    let refused = lab::ended(odd.env("SLURM_ARRAY_TASK_ID", "4294967294x")).expect(2);
    assert!(refused.err.contains("SLURM_ARRAY_TASK_ID=4294967294x is no number"), "{}", refused.err);
    for nonsense in ["", "{}", "{\"version\":2}", "{\"version\":1,\"elements\":[]}", "[1,2"] {
        lab.write("array/parts.json", nonsense);
        told(&["--merge", "array"], "is no job array of this version");
    }
}

#[test]
fn a_slurm_cluster_runs_the_array() {
    let lab = Lab::new("grid");
    let cluster = Cluster::start();
    lab.emit(4, "first");
    let job = cluster.submit(&[], &lab.path("first/array.sbatch"));
    cluster.await_all(&job, 4, "COMPLETED");
    let direct = lab.direct();
    assert_eq!(lab.merged("first"), direct);
    for element in 0..4 {
        let log = lab.read(&format!("first/logs/element-{element}.log"));
        assert_eq!(log, format!("element {element}: done\n"));
    }

    // One element gets stuck, and is cancelled while it runs.
    lab.emit(4, "second");
    let stuck = lab.path("stuck.sh");
    let program = lab::program().display();
    lab.write(
        "stuck.sh",
        &format!("#!/bin/bash\n[ $SLURM_ARRAY_TASK_ID != 2 ] || sleep 3600\nexec '{program}' \"$@\"\n"),
    );
    fs::set_permissions(&stuck, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permitted");
    let script = lab.path("second/array.sbatch");
    let job = cluster.submit(&[("YARDMASTER_SIM", &stuck)], &script);
    cluster.await_all(&job, 3, "COMPLETED");
    cluster.await_all(&job, 1, "RUNNING");
    cluster.cancel(&format!("{job}_2"));
    cluster.await_all(&job, 1, "CANCELLED");
    let missing = lab.plan(&["--merge", "second", "--out", "merged"]).expect(1);
    assert_eq!(named(&missing.err), Some("2"), "{}", missing.err);

    // What is told to do is done, by a shell.
    let told = missing.err.lines().find(|line| line.trim().starts_with("sbatch ")).expect("a command");
    let job = cluster.shell(told);
    cluster.await_all(&job, 1, "COMPLETED");
    assert_eq!(lab.merged("second"), direct);
}
