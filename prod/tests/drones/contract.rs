//! What the engine may rely on, on this machine and over SSH alike.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use yardmaster_engine::{
    ActOutcome, Command, DroneBackend, EntryId, ExecutionPath, Fence, HostId, PidfileContents, PidfileEvent, PidfileId,
    PidfileName, ResultNote, TaskId, TaskKind, Term, Time, Work, WorkKind,
};

use super::lab::{Backend, Kind, Lab, RUNNING, TERMINATED, ended, kill, path, run, start, start_as, watch, work};

/// Each test on drones of both kinds.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod local { $(#[test] fn $name() { super::run(super::$name(super::Kind::Local)); })+ }
        mod ssh { $(#[test] fn $name() { super::run(super::$name(super::Kind::Ssh)); })+ }
    };
}

on_both!(
    every_end_is_told,
    never_twice,
    whoever_watches_is_told,
    kills,
    a_kill_before_its_start,
    forgotten_is_forgotten,
    notes_are_written_once,
    copies_leave_pidfiles_out,
    an_older_term_is_refused,
    another_lab_is_refused,
    a_second_drone_with_the_same_results_is_refused,
    processes_outlive_the_backend,
    what_a_reinstalled_drone_had_is_gone,
    special_tasks_parsers_and_gathering,
    drones_come_and_go,
    the_engine_gets_a_reason_for_what_cannot_start,
);

async fn every_end_is_told(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, (1..=4).map(start).collect()).await;
    for job in 1..=4 {
        backend.until_last(1, job, &RUNNING).await;
    }
    lab.finish(1, 1, "0 0");
    lab.finish(1, 2, "1 3");
    lab.finish(1, 3, "vanish");
    lab.finish(1, 4, "corrupt");
    backend.until_last(1, 1, &ended(0, 0)).await;
    backend.until_last(1, 2, &ended(256, 3)).await;
    backend.until_last(1, 3, &PidfileEvent::Vanished).await;
    let is_corrupt = |event: &PidfileEvent| matches!(event, PidfileEvent::Changed(PidfileContents::Corrupt(_)));
    backend.until("a corrupt pidfile", |backend, _| backend.of(1, 4).last().is_some_and(is_corrupt)).await;
    assert_eq!(lab.read(1, 1, "control.queued"), "wait = true");
    assert!(
        lab.read(1, 1, "keyval").starts_with("color=blue\njob_queued=1700000000\n"),
        "{}",
        lab.read(1, 1, "keyval")
    );
    assert_eq!(lab.read(1, 1, "host_keyvals/host1"), "platform=board\nlabels=a%2Cb,pool%3Ax\n");
}

async fn never_twice(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    for _ in 0..5 {
        backend.act_surely(1, 1, vec![start(1)]).await;
    }
    backend.until_last(1, 1, &RUNNING).await;
    // Another scheduler, in a newer term, with other numbers.
    let mut second = lab.backend();
    second.act_surely(2, 1, vec![start_as(7, 1)]).await;
    second.until_last(1, 7, &RUNNING).await;
    lab.finish(1, 1, "0");
    second.until_last(1, 7, &ended(0, 0)).await;
    second.act_surely(2, 1, vec![start_as(7, 1), start_as(8, 1)]).await;
    second.until_last(1, 8, &ended(0, 0)).await;
    assert_eq!(lab.marks(1), ["1-me/host1 .autoserv_execute"]);
}

/// A process that a silent drone may have is looked for everywhere, and started anew on one of the others.
async fn whoever_watches_is_told(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![watch(2, 1)]).await;
    backend.act_surely(1, 1, vec![start(1)]).await;
    for number in [1, 2] {
        backend.until_last(1, number, &RUNNING).await;
    }
    lab.finish(1, 1, "0");
    for number in [1, 2] {
        backend.until_last(1, number, &ended(0, 0)).await;
    }
}

async fn kills(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![start(1), start(2)]).await;
    backend.until_last(1, 1, &RUNNING).await;
    backend.until_last(1, 2, &RUNNING).await;
    backend.act_surely(1, 1, vec![kill(1), kill(1)]).await;
    backend.until_last(1, 1, &TERMINATED).await;
    assert_eq!(backend.of(1, 2).last(), Some(&RUNNING));
}

async fn a_kill_before_its_start(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![watch(1, 1), kill(1)]).await;
    backend.act_surely(1, 1, vec![start(1)]).await;
    backend.until_last(1, 1, &PidfileEvent::Vanished).await;
    assert_eq!(lab.marks(1), Vec::<String>::new());
}

async fn forgotten_is_forgotten(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![start(1), start(2)]).await;
    backend.until_last(1, 1, &RUNNING).await;
    backend.until_last(1, 2, &RUNNING).await;
    backend.act_surely(1, 1, vec![Command::Forget { pidfile: PidfileId(1) }]).await;
    lab.finish(1, 1, "0");
    lab.finish(1, 2, "0");
    backend.until_last(1, 2, &ended(0, 0)).await;
    backend.refresh().await;
    assert_eq!(backend.of(1, 1).last(), Some(&RUNNING));
}

async fn notes_are_written_once(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    let write = |note| Command::Write { path: path(1), note };
    let notes = vec![
        write(ResultNote::JobQueued(Time::from_seconds(1))),
        write(ResultNote::JobFinished(Time::from_seconds(2))),
        write(ResultNote::Aborted([EntryId(1)].into_iter().collect())),
        write(ResultNote::LostProcess),
    ];
    for _ in 0..3 {
        backend.act_surely(1, 1, notes.clone()).await;
    }
    assert_eq!(lab.read(1, 1, "keyval"), "job_queued=1\njob_finished=2\naborted_by=anna\naborted_on=1700000100\n");
    let log = lab.read(1, 1, "status.log");
    assert!(log.starts_with("INFO\t----\t----\tJob aborted by anna on 2023-11-1"), "{log}");
    assert_eq!(log.lines().count(), 1);
    assert!(lab.read(1, 1, "job_failure").contains("disappeared"));
}

async fn copies_leave_pidfiles_out(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![start(99)]).await;
    backend.until_last(1, 99, &ended(0, 0)).await;
    let copy = Command::CopyOnDrone { from: path(99), to: path(1) };
    backend.act_surely(1, 1, vec![copy.clone(), copy, Command::CopyOnDrone { from: path(50), to: path(1) }]).await;
    // It may take long, and is done beside everything else.
    let is_copied = || lab.read(1, 1, "status.log") == lab.read(1, 99, "status.log");
    backend.until("the copy", |_, _| is_copied()).await;
    assert!(lab.read(1, 1, "status.log").contains("END GOOD"));
    backend.act_surely(1, 1, vec![watch(2, 1)]).await;
    backend.refresh().await;
    assert_eq!(backend.of(1, 2), []);
    // What was copied there does not keep the job from running there.
    backend.act_surely(1, 1, vec![start(1)]).await;
    backend.until_last(1, 1, &RUNNING).await;
}

async fn an_older_term_is_refused(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let (mut old, mut new) = (lab.backend(), lab.backend());
    old.act_surely(1, 1, vec![start(1)]).await;
    old.until_last(1, 1, &RUNNING).await;
    new.act_surely(2, 1, vec![watch(1, 1)]).await;
    let reports = old.act(1, 1, vec![start(2), kill(1)]).await;
    assert_eq!(reports[0].undelivered, [start(2), kill(1)]);
    let silent = old.refresh().await;
    assert!(silent[&1].contains("term 1 is over"), "{silent:?}");
    new.until_last(1, 1, &RUNNING).await;
    assert_eq!(lab.marks(1).len(), 1);
    // Nor by the backend itself.
    let reports = new.act(1, 1, vec![start(2)]).await;
    assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)));
}

async fn another_lab_is_refused(kind: Kind) {
    let lab = Lab::new(kind, 1);
    fs::create_dir_all(lab.results(1).join(".yardmaster")).expect("a directory");
    fs::write(lab.results(1).join(".yardmaster/lab"), "their lab").expect("written");
    let mut backend = lab.backend();
    let silent = backend.refresh().await;
    assert!(silent[&1].contains("belongs to lab \"their lab\""), "{silent:?}");
    let reports = backend.act(1, 1, vec![start(1)]).await;
    assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)), "{reports:?}");
}

/// Two drones of one lab with one results directory would take each other's processes for their own.
async fn a_second_drone_with_the_same_results_is_refused(kind: Kind) {
    let mut lab = Lab::new(kind, 2);
    let backend = lab.backend();
    let mut first = backend;
    first.until_all_answer().await;
    drop(first);
    let shared = lab.results(1).to_owned();
    lab.addresses[1].results_dir = shared.clone();
    let mut backend = lab.backend();
    backend.until("the second to be refused", |_, silent| silent.keys().eq([&2])).await;
    let silent = backend.refresh().await;
    assert!(silent[&2].contains("belongs to drone \"drone1\""), "{silent:?}");
    assert!(silent[&2].contains(".yardmaster/drone"), "it says the way out: {silent:?}");
}

async fn processes_outlive_the_backend(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, (1..=3).map(start).collect()).await;
    for job in 1..=3 {
        backend.until_last(1, job, &RUNNING).await;
    }
    drop(backend);
    lab.finish(1, 2, "0");
    let mut next: Backend = lab.backend();
    next.act_surely(2, 1, vec![watch(11, 1), watch(12, 2), watch(14, 4)]).await;
    next.until_last(1, 11, &RUNNING).await;
    next.until_last(1, 12, &ended(0, 0)).await;
    assert_eq!(next.of(1, 14), []);
    next.until("the process that nobody claims", |backend, _| !backend.unclaimed.is_empty()).await;
    assert!(next.unclaimed[0].starts_with("3-me/host1 .autoserv_execute: pid "), "{:?}", next.unclaimed);
    // Told once in a term.
    next.refresh().await;
    assert_eq!(next.unclaimed.len(), 1);
}

async fn what_a_reinstalled_drone_had_is_gone(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, (1..=3).map(start).collect()).await;
    backend.act_surely(1, 1, vec![watch(14, 4)]).await;
    for job in 1..=3 {
        backend.until_last(1, job, &RUNNING).await;
    }
    lab.finish(1, 2, "0");
    backend.until_last(1, 2, &ended(0, 0)).await;
    // A connection that is made anew is no reason.
    lab.signal_agents(1, "serve", Signal::KILL);
    backend.until("silence", |_, silent| !silent.is_empty()).await;
    backend.until_all_answer().await;
    backend.refresh().await;
    assert_eq!(backend.of(1, 1).last(), Some(&RUNNING));

    fs::rename(lab.results(1), lab.directory.path().join("before")).expect("moved away");
    lab.signal_agents(1, "serve", Signal::KILL);
    for job in [1, 3] {
        backend.until_last(1, job, &PidfileEvent::Vanished).await;
    }
    assert_eq!(backend.of(1, 2).last(), Some(&ended(0, 0)));
    assert_eq!(backend.of(1, 14), []);
    backend.act_surely(1, 1, vec![start(5)]).await;
    backend.until_last(1, 5, &RUNNING).await;
}

async fn special_tasks_parsers_and_gathering(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    let practice = lab.results(1).join(".practice");
    fs::create_dir_all(&practice).expect("a directory");
    fs::write(practice.join("verify"), "seconds = 0\nexit = 1").expect("written");
    let task = ExecutionPath::Task { hostname: "host1".into(), task: TaskId(5), kind: TaskKind::Verify };
    let verify = Work {
        kind: WorkKind::Special(TaskKind::Verify),
        job: None,
        entries: [].into_iter().collect(),
        hosts: [HostId(1)].into_iter().collect(),
    };
    let begin =
        |pidfile, path, name, work| Command::Start { pidfile: PidfileId(pidfile), path, name, work, processes: 1 };
    let commands = vec![
        begin(1, task, PidfileName::Execute, verify),
        begin(2, path(1), PidfileName::Gather, work(WorkKind::Gather, 1)),
        begin(3, path(1), PidfileName::Parse, work(WorkKind::Parse, 1)),
    ];
    backend.act_surely(1, 1, commands).await;
    backend.until_last(1, 1, &ended(256, 0)).await;
    backend.until_last(1, 2, &ended(0, 0)).await;
    backend.until_last(1, 3, &ended(0, 0)).await;
    let mut marks = lab.marks(1);
    marks.sort();
    let expected = [
        "1-me/host1 .collect_crashinfo_execute",
        "1-me/host1 .parser_execute",
        "hosts/host1/5-verify .autoserv_execute",
    ];
    assert_eq!(marks, expected);
    assert!(lab.results(1).join("hosts/host1/5-verify/host_keyvals/host1").exists());
}

async fn drones_come_and_go(kind: Kind) {
    let lab = Lab::new(kind, 3);
    let mut backend = lab.backend();
    for drone in 1..=3 {
        backend.act_surely(1, drone, vec![start(drone)]).await;
        backend.until_last(drone, drone, &RUNNING).await;
    }
    backend.drones.fleet().set_drones(lab.addresses[..2].to_vec());
    assert_eq!(backend.drones.refresh().await.len(), 2);
    let reports = backend.act(1, 3, vec![start(9)]).await;
    assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)));
    backend.drones.fleet().set_drones(lab.addresses.clone());
    // Without having been told anything: there may be nothing to tell for long.
    backend.until_all_answer().await;
    assert_eq!(backend.unclaimed, Vec::<String>::new());
    backend.act_surely(1, 3, vec![watch(30, 3)]).await;
    backend.until_last(3, 30, &RUNNING).await;
    let health = backend.drones.fleet().health();
    assert_eq!(health.len(), 3);
    for (address, health) in health {
        assert!(health.latency.is_some_and(|latency| latency < Duration::from_secs(5)), "{address}: {health:?}");
        assert!(health.free_disk.is_some_and(|bytes| bytes > 0) && health.agent.is_some(), "{health:?}");
    }
    assert_eq!(backend.drones.act(Fence::first(Term(1)), Vec::new()).await, []);
}

async fn the_engine_gets_a_reason_for_what_cannot_start(kind: Kind) {
    let lab = Lab::new(kind, 1);
    let mut backend = lab.backend();
    // A job that is not there, a file where its directory should be, and one that is well.
    fs::create_dir_all(lab.results(1)).expect("a directory");
    fs::write(lab.results(1).join("2-me"), "in the way").expect("written");
    let mut lost = start(1);
    if let Command::Start { work, .. } = &mut lost {
        work.job = Some(yardmaster_engine::JobId(1000));
    }
    backend.act_surely(1, 1, vec![lost, start(2), start(3)]).await;
    backend.until_last(1, 3, &RUNNING).await;
    let why = |backend: &Backend, pidfile| match backend.of(1, pidfile) {
        [PidfileEvent::Changed(PidfileContents::Corrupt(why))] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why(&backend, 1).contains("there is no job 1000"));
    assert!(why(&backend, 2).contains("2-me"), "{}", why(&backend, 2));
}
