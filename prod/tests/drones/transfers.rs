//! Results on their way to the repository, and the agent on its way to a drone.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use yardmaster::drones::{Connection, SshAddress, install};
use yardmaster_engine::Command;

use super::lab::{AGENT, Backend, Kind, Lab, PATIENCE, ended, path, run, start};

fn with_repository(kind: Kind) -> Lab {
    let mut lab = Lab::new(kind, 1);
    let repository = lab.directory.path().join("repository");
    fs::create_dir_all(&repository).expect("a directory");
    lab.settings.repository = Some(repository);
    lab
}

fn repository(lab: &Lab) -> &Path {
    lab.settings.repository.as_deref().expect("a repository")
}

/// Refreshes, as the engine does, until this is so.
async fn until(backend: &mut Backend, what: &str, is_so: impl Fn() -> bool) {
    let began = SystemTime::now();
    while !is_so() {
        assert!(began.elapsed().unwrap_or_default() < PATIENCE, "not seen: {what}");
        backend.refresh().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn notes(lab: &Lab) -> usize {
    fs::read_dir(lab.results(1).join(".yardmaster/transfers")).expect("a directory").count()
}

async fn fetched(kind: Kind) {
    let lab = with_repository(kind);
    let mut backend = lab.backend();
    backend.act_surely(1, 1, vec![start(99)]).await;
    backend.until_last(1, 99, &ended(0, 0)).await;
    fs::create_dir_all(lab.file(1, 99, "sysinfo/deep")).expect("a directory");
    fs::write(lab.file(1, 99, "sysinfo/deep/large"), vec![7; 3_000_000]).expect("written");
    std::os::unix::fs::symlink("deep/large", lab.file(1, 99, "sysinfo/link")).expect("a symlink");
    backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(99) }]).await;
    let arrived = repository(&lab).join("99-me/host1");
    until(&mut backend, "the results", || arrived.exists() && notes(&lab) == 0).await;
    assert_eq!(fs::read(arrived.join("sysinfo/link")).expect("through the symlink").len(), 3_000_000);
    assert!(fs::read_to_string(arrived.join("status.log")).expect("the log").contains("END GOOD"));
    assert!(!arrived.join(".autoserv_execute").exists() && !arrived.join(".yardmaster").exists());
    // More of it comes over what is there, and what the repository has of its own stays.
    fs::write(arrived.join("parsed"), "here").expect("written");
    fs::write(lab.file(1, 99, "more"), "more").expect("written");
    backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(99) }]).await;
    until(&mut backend, "the rest", || arrived.join("more").exists() && notes(&lab) == 0).await;
    assert!(arrived.join("parsed").exists());
    // The drone forgets them once they have arrived; that nothing is left over here may come after that.
    let left_over = || fs::read_dir(repository(&lab).join(".yardmaster/incoming")).expect("a directory").count();
    until(&mut backend, "nothing that is left over", || left_over() == 0).await;
}

#[test]
fn results_arrive_from_another_directory() {
    run(fetched(Kind::Local));
}

#[test]
fn results_arrive_over_ssh() {
    run(fetched(Kind::Ssh));
}

/// A drone that hangs while it sends keeps no other's results waiting, and is given up for the moment itself.
#[test]
fn a_drone_that_hangs_holds_up_nobody() {
    run(async {
        let mut lab = with_repository(Kind::Local);
        let second = yardmaster::drones::DroneAddress {
            id: yardmaster_engine::DroneId(2),
            name: "drone2".to_owned(),
            results_dir: lab.directory.path().join("results2"),
            ..lab.addresses[0].clone()
        };
        lab.addresses.push(second);
        (lab.settings.max_transfer_processes, lab.settings.max_transfers_per_drone) = (3, 10);
        lab.settings.transfer_stall_sec = 2.0;
        let hangs = lab.directory.path().join("hangs");
        fs::write(&hangs, "").expect("written");
        let script = format!(
            "if [ \"$1\" = send ] && [ -e {} ]; then exec sleep 1000; fi; exec {AGENT} \"$@\"",
            hangs.display()
        );
        lab.wrap_agent(1, &script);
        let mut backend = lab.backend();
        for job in 1..=6 {
            fs::create_dir_all(lab.file(1, job, "")).expect("a directory");
            fs::write(lab.file(1, job, "result"), "1").expect("written");
            backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(job) }]).await;
        }
        backend.refresh().await;
        fs::create_dir_all(lab.file(2, 7, "")).expect("a directory");
        fs::write(lab.file(2, 7, "result"), "2").expect("written");
        backend.act_surely(1, 2, vec![Command::CopyToRepository { path: path(7) }]).await;
        let of = |job: u32| repository(&lab).join(format!("{job}-me/host1/result"));
        until(&mut backend, "the second drone's results", || of(7).exists()).await;
        assert!((1..=6).all(|job| !of(job).exists()));
        // Those that hung are given up, and arrive when the drone does not hang any more.
        fs::remove_file(&hangs).expect("removed");
        until(&mut backend, "the first drone's results", || (1..=6).all(|job| of(job).exists())).await;
    });
}

#[test]
fn results_that_lie_in_the_repository_stay() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 1);
        lab.settings.repository = Some(lab.results(1).to_owned());
        fs::create_dir_all(lab.results(1)).expect("a directory");
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(99), Command::CopyToRepository { path: path(99) }]).await;
        backend.until_last(1, 99, &ended(0, 0)).await;
        assert_eq!(notes(&lab), 0);
    });
}

#[test]
fn results_are_fetched_though_the_repository_was_out_of_reach() {
    run(async {
        let lab = with_repository(Kind::Local);
        // As a mount that is not there.
        let mounted = lab.directory.path().join("mounted");
        fs::remove_dir(repository(&lab)).expect("removed");
        std::os::unix::fs::symlink(&mounted, repository(&lab)).expect("a symlink");
        let mut backend = lab.backend();
        fs::create_dir_all(lab.file(1, 1, "")).expect("a directory");
        fs::write(lab.file(1, 1, "result"), "1").expect("written");
        backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(1) }]).await;
        assert_eq!(notes(&lab), 1);
        fs::create_dir(&mounted).expect("a directory");
        let arrived = mounted.join("1-me/host1/result");
        until(&mut backend, "the results", || arrived.exists() && notes(&lab) == 0).await;
    });
}

#[test]
fn what_cannot_be_read_is_named_and_keeps_nothing_else_from_arriving() {
    run(async {
        let lab = with_repository(Kind::Local);
        let mut backend = lab.backend();
        fs::create_dir_all(lab.file(1, 1, "")).expect("a directory");
        fs::write(lab.file(1, 1, "result"), "1").expect("written");
        // Too deep for anybody to reach by its path, also for root, who may read everything else.
        let name = "d".repeat(240);
        let mut directory = fs::File::open(lab.file(1, 1, "")).expect("the directory");
        for _ in 0..18 {
            rustix::fs::mkdirat(&directory, name.as_str(), Mode::RWXU).expect("a directory");
            let inner = rustix::fs::openat(&directory, name.as_str(), OFlags::DIRECTORY, Mode::empty());
            directory = inner.expect("the directory").into();
        }
        backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(1) }]).await;
        let arrived = repository(&lab).join("1-me/host1");
        let missing = arrived.join("yardmaster_not_fetched");
        until(&mut backend, "the results", || arrived.exists() && notes(&lab) == 0).await;
        assert_eq!(fs::read_to_string(arrived.join("result")).expect("the result"), "1");
        let named = fs::read_to_string(&missing).expect("a list");
        assert!(named.contains(&name) && named.contains("too long"), "{named}");
        fs::remove_dir_all(lab.file(1, 1, &name)).expect("removed");
        fs::write(lab.file(1, 1, "result"), "2").expect("written");
        backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(1) }]).await;
        until(&mut backend, "them again", || notes(&lab) == 0).await;
        assert_eq!(fs::read_to_string(arrived.join("result")).expect("the result"), "2");
        assert!(!missing.exists());
    });
}

#[test]
fn a_file_that_grows_while_it_is_fetched_arrives() {
    run(async {
        let lab = with_repository(Kind::Local);
        let mut backend = lab.backend();
        fs::create_dir_all(lab.file(1, 1, "")).expect("a directory");
        let grows = lab.file(1, 1, "grows");
        fs::write(&grows, vec![7; 20_000_000]).expect("written");
        fs::write(lab.file(1, 1, "later"), "is whole").expect("written");
        let is_over = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let mut file = fs::OpenOptions::new().append(true).open(grows).expect("the file");
                while !is_over.load(Ordering::Relaxed) {
                    file.write_all(&[7; 4096]).expect("written");
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(1) }]).await;
        let arrived = repository(&lab).join("1-me/host1");
        until(&mut backend, "the results", || arrived.exists() && notes(&lab) == 0).await;
        is_over.store(true, Ordering::Relaxed);
        writer.join().expect("no panic in there");
        assert!(fs::metadata(arrived.join("grows")).expect("the file").len() >= 20_000_000);
        assert_eq!(fs::read_to_string(arrived.join("later")).expect("the file"), "is whole");
    });
}

/// A symlink of an earlier fetch, where a directory is now, would lead files out of the repository.
#[test]
fn a_later_fetch_replaces_what_has_become_something_else() {
    run(async {
        let lab = with_repository(Kind::Local);
        let mut backend = lab.backend();
        let (elsewhere, arrived) = (lab.directory.path().join("elsewhere"), repository(&lab).join("1-me/host1"));
        fs::create_dir(&elsewhere).expect("a directory");
        let of = |name: &str| lab.file(1, 1, name);
        fs::create_dir_all(of("directory")).expect("a directory");
        fs::write(of("directory/inside"), "1").expect("written");
        fs::write(of("file"), "1").expect("written");
        std::os::unix::fs::symlink(&elsewhere, of("link")).expect("a symlink");
        let fetch = vec![Command::CopyToRepository { path: path(1) }];
        backend.act_surely(1, 1, fetch.clone()).await;
        until(&mut backend, "the results", || arrived.exists() && notes(&lab) == 0).await;
        assert!(arrived.join("link").is_symlink());
        fs::remove_dir_all(of("directory")).expect("removed");
        fs::write(of("directory"), "2").expect("written");
        for name in ["file", "link"] {
            fs::remove_file(of(name)).expect("removed");
            fs::create_dir(of(name)).expect("a directory");
            fs::write(of(name).join("inside"), "2").expect("written");
        }
        backend.act_surely(1, 1, fetch).await;
        until(&mut backend, "them again", || notes(&lab) == 0).await;
        let read = |name: &str| fs::read_to_string(arrived.join(name)).expect("the file");
        assert_eq!(["directory", "file/inside", "link/inside"].map(read), ["2", "2", "2"]);
        assert!(!arrived.join("link").is_symlink());
        assert_eq!(fs::read_dir(&elsewhere).expect("a directory").count(), 0);
    });
}

#[test]
fn what_a_broken_fetch_has_left_is_swept() {
    run(async {
        let lab = with_repository(Kind::Local);
        let incoming = repository(&lab).join(".yardmaster/incoming");
        fs::create_dir_all(incoming.join("half/of/it")).expect("a directory");
        let backend = lab.backend();
        backend.drones.fleet().sweep_repository();
        let began = SystemTime::now();
        while fs::read_dir(&incoming).expect("a directory").count() > 0 {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn a_transfer_goes_on_after_its_sender_and_the_backend_died() {
    run(async {
        let mut lab = with_repository(Kind::Local);
        // The first that sends stops half-way.
        let first = lab.directory.path().join("first");
        fs::write(&first, "").expect("written");
        let script = format!(
            "if test \"$1\" = send && rm {first}; then {AGENT} \"$@\" | head -c 100000; exit 1; fi; exec {AGENT} \"$@\"",
            first = first.display()
        );
        lab.wrap_agent(1, &script);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(99)]).await;
        backend.until_last(1, 99, &ended(0, 0)).await;
        fs::write(lab.file(1, 99, "large"), vec![7; 3_000_000]).expect("written");
        backend.act_surely(1, 1, vec![Command::CopyToRepository { path: path(99) }]).await;
        until(&mut backend, "the first attempt", || !first.exists()).await;
        lab.signal_agents(1, "serve", Signal::KILL);
        drop(backend);
        let arrived = repository(&lab).join("99-me/host1/large");
        assert!(!arrived.exists());
        let mut next = lab.backend();
        next.act_surely(2, 1, vec![start(98)]).await;
        until(&mut next, "the results", || arrived.exists() && notes(&lab) == 0).await;
        assert_eq!(fs::read(&arrived).expect("the file").len(), 3_000_000);
    });
}

#[test]
fn the_agent_is_installed_over_ssh_and_tells_of_the_drone() {
    run(async {
        let mut lab = Lab::new(Kind::Ssh, 1);
        let agent = lab.directory.path().join("it's new/bin/yardmaster-drone");
        lab.addresses[0].agent = agent.clone();
        for _ in 0..2 {
            let hello = install(AGENT.as_ref(), &lab.addresses[0], &lab.settings, "test lab").await.expect("installed");
            assert!(hello.free_disk > 0 && hello.cores > 0 && !hello.host.is_empty(), "{hello:?}");
        }
        assert_eq!(fs::read(&agent).expect("a program"), fs::read(AGENT).expect("a program"));
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(99)]).await;
        backend.until_last(1, 99, &ended(0, 0)).await;
    });
}

#[test]
fn a_drone_whose_key_is_unknown_is_not_spoken_to() {
    run(async {
        let mut lab = Lab::new(Kind::Ssh, 1);
        fs::write(lab.settings.ssh.known_hosts.as_ref().expect("a file"), "").expect("written");
        let error = install(AGENT.as_ref(), &lab.addresses[0], &lab.settings, "test lab").await.expect_err("refused");
        assert!(error.to_string().contains("Host key verification failed"), "{error}");
        let silent = lab.backend().refresh().await;
        assert!(silent[&1].contains("Host key verification failed"), "{silent:?}");
        // Nor one that is not there.
        lab.addresses[0].connection =
            Connection::Ssh(SshAddress { host: "127.0.0.1".to_owned(), port: Some(1), login: None });
        let error = install(AGENT.as_ref(), &lab.addresses[0], &lab.settings, "test lab").await.expect_err("refused");
        assert!(error.to_string().contains("Connection refused"), "{error}");
    });
}
