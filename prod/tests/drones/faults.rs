//! Whatever breaks: nothing is started twice or lost, and nobody waits for the drone that broke.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yardmaster::drones::{Connection, DroneState, SshAddress};
use yardmaster_engine::{ActOutcome, DroneBackend, DroneBatch, DroneId, Fence, PidfileEvent, Term};

use super::lab::{Backend, Kind, Lab, PATIENCE, RUNNING, TERMINATED, ended, kill, run, start, start_as, watch};

/// Pauses of uneven length, the same in every run.
fn pauses() -> impl Iterator<Item = Duration> {
    let mut state: u64 = 88_172_645_463_325_252;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(Duration::from_micros(state % 15_000))
    })
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = SystemTime::now();
    while !is_so() {
        assert!(began.elapsed().unwrap_or_default() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Raises a flag when it goes, also in a panic.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The calm is how many times longer an agent is left alone than it takes to start a process, at most.
fn agents_killed_at_random_moments(kind: Kind, jobs: u32, calm: u32) {
    run(async {
        let mut lab = Lab::new(kind, 1);
        lab.settings.retry_max_sec = 0.05;
        let mut backend = lab.backend();
        backend.until_all_answer().await;
        let (over, killed) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for pause in pauses().take_while(|_| !over.load(Ordering::Relaxed)) {
                    std::thread::sleep(pause * calm);
                    killed.fetch_add(lab.signal_agents(1, "launch", Signal::KILL), Ordering::Relaxed);
                    std::thread::sleep(pause);
                    killed.fetch_add(lab.signal_agents(1, "serve", Signal::KILL), Ordering::Relaxed);
                }
            });
            let _at_its_end = Raise(&over);
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    // Every start is sent at least once more, whatever became of it.
                    for job in (1..=jobs).chain(1..=jobs) {
                        backend.act_surely(1, 1, vec![start(job)]).await;
                    }
                    while killed.load(Ordering::Relaxed) < 5 {
                        backend.act_surely(1, 1, vec![start(1)]).await;
                    }
                });
            });
        });
        // A launcher that was killed between its claim and its program has started nothing, for ever: that is told.
        let mut expected = Vec::new();
        for job in 1..=jobs {
            backend
                .until("its process, or that it is gone", |backend, _| {
                    matches!(backend.of(1, job).last(), Some(event) if *event == RUNNING || *event == PidfileEvent::Vanished)
                })
                .await;
            let mark = format!("{job}-me/host1 .autoserv_execute");
            if backend.of(1, job).last() == Some(&RUNNING) {
                expected.push(mark);
                lab.finish(1, job, "0");
                backend.until_last(1, job, &ended(0, 0)).await;
            }
        }
        let mut marks = lab.marks(1);
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), lab.marks(1).len(), "something ran twice");
        expected.retain(|mark| !marks.contains(mark));
        assert_eq!(expected, Vec::<String>::new(), "these were told to run and did not");
        assert!(marks.len() > jobs as usize / 2, "{marks:?}");
    });
}

#[test]
fn local_agents_killed_at_random_moments() {
    agents_killed_at_random_moments(Kind::Local, 30, 4);
}

#[test]
fn distant_agents_killed_at_random_moments() {
    agents_killed_at_random_moments(Kind::Ssh, 15, 30);
}

fn a_stopped_agent(kind: Kind) {
    run(async {
        let mut lab = Lab::new(kind, 3);
        lab.settings.refresh_deadline_sec = 0.3;
        lab.settings.act_deadline_sec = 0.6;
        let mut backend = lab.backend();
        for drone in 1..=3 {
            backend.act_surely(1, drone, vec![start(drone)]).await;
            backend.until_last(drone, drone, &RUNNING).await;
        }
        assert!(lab.signal_agents(2, "serve", Signal::STOP) > 0);
        lab.finish(1, 1, "0");
        lab.finish(2, 2, "0");
        backend.until("silence", |_, silent| silent.contains_key(&2)).await;
        backend.until_last(1, 1, &ended(0, 0)).await;
        // The others are not held up once it is known to be silent, neither by refreshes nor by commands.
        backend.act(1, 2, vec![start(12)]).await;
        let began = SystemTime::now();
        for round in 0..20 {
            let silent = backend.refresh().await;
            assert_eq!(silent.keys().collect::<Vec<_>>(), [&2]);
            let batch = |drone: u32, job| DroneBatch { drone: DroneId(drone), commands: vec![start(job)] };
            let reports =
                backend.drones.act(Fence::first(Term(1)), vec![batch(1, 20 + round), batch(2, 50 + round)]).await;
            assert_eq!(reports.len(), 1, "{reports:?}");
            assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)), "{reports:?}");
        }
        let took = began.elapsed().unwrap_or_default();
        assert!(took < Duration::from_secs(5), "20 rounds took {took:?}");
        assert_eq!(backend.drones.fleet().health()[1].1.state, DroneState::Late);
        assert_eq!(backend.of(2, 2).last(), Some(&RUNNING));
        lab.signal_agents(2, "serve", Signal::CONT);
        backend.until_last(2, 2, &ended(0, 0)).await;
        assert_eq!(backend.drones.fleet().health()[1].1.state, DroneState::Up);
        backend.act_surely(1, 2, vec![start(12)]).await;
        backend.until_last(2, 12, &RUNNING).await;
        assert_eq!(lab.marks(2).len(), 2);
    });
}

#[test]
fn a_stopped_local_agent_is_silent_and_delays_nobody() {
    a_stopped_agent(Kind::Local);
}

#[test]
fn a_stopped_distant_agent_is_silent_and_delays_nobody() {
    a_stopped_agent(Kind::Ssh);
}

/// Has the last drone of a lab be reached on another way, on which what it says takes as long as the milliseconds say.
async fn slow_way(lab: &mut Lab, delay: Arc<AtomicU64>) {
    let server = lab.sshd.as_ref().expect("a server").port();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let delay = Arc::clone(&delay);
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let there = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
                let back = async {
                    let mut bytes = vec![0; 65536];
                    while let length @ 1.. = from_server.read(&mut bytes).await? {
                        tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
                        to_client.write_all(&bytes[..length]).await?;
                    }
                    Ok::<(), std::io::Error>(())
                };
                // Whoever ends first ends the other.
                tokio::select! { _ = there => {}, _ = back => {} }
            });
        }
    });
    // It is the same key there.
    let known = lab.settings.ssh.known_hosts.as_ref().expect("a file");
    let keys = fs::read_to_string(known).expect("the keys");
    let also = keys.replace(&server.to_string(), &port.to_string());
    fs::write(known, format!("{keys}\n{also}")).expect("written");
    let last = lab.addresses.last_mut().expect("a drone");
    last.connection = Connection::Ssh(SshAddress { host: "127.0.0.1".to_owned(), port: Some(port), login: None });
}

#[test]
fn a_slow_drone_delays_nobody_and_still_does_its_work() {
    run(async {
        let mut lab = Lab::new(Kind::Ssh, 2);
        lab.settings.refresh_deadline_sec = 5.0;
        let delay = Arc::new(AtomicU64::new(0));
        slow_way(&mut lab, Arc::clone(&delay)).await;
        let mut backend = lab.backend();
        for drone in 1..=2 {
            backend.act_surely(1, drone, vec![start(drone), start(10 + drone)]).await;
            backend.until_last(drone, drone, &RUNNING).await;
            backend.until_last(drone, 10 + drone, &RUNNING).await;
        }
        delay.store(1500, Ordering::Relaxed);
        // It takes one answer to be found slow.
        assert!(backend.refresh().await.is_empty());
        let began = SystemTime::now();
        let mut commands = vec![kill(12), start(20)];
        let mut rounds = 0;
        lab.finish(2, 2, "0");
        while backend.of(2, 2).last() != Some(&ended(0, 0)) || !commands.is_empty() {
            rounds += 1;
            let elapsed = began.elapsed().unwrap_or_default();
            assert!(elapsed < PATIENCE, "not done: {commands:?}, seen: {:?}", backend.seen);
            assert!(backend.refresh().await.is_empty(), "it answers, if slowly");
            let reports = backend.act(1, 2, std::mem::take(&mut commands)).await;
            commands = reports.into_iter().flat_map(|report| report.undelivered).collect();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = began.elapsed().unwrap_or_default();
        assert!(took > Duration::from_millis(1400) && rounds > 10, "{rounds} rounds in {took:?}");
        backend.until_last(2, 12, &TERMINATED).await;
        backend.until_last(2, 20, &RUNNING).await;
        // What it was told while it was slow was done once.
        assert_eq!(lab.marks(2).len(), 3);
        // Fast again, it is waited for again.
        delay.store(0, Ordering::Relaxed);
        let is_fast = |backend: &Backend| {
            let latency = backend.drones.fleet().health()[1].1.latency;
            latency.is_some_and(|latency| latency < Duration::from_millis(500))
        };
        backend.until("a fast answer", |backend, _| is_fast(backend)).await;
        lab.finish(2, 20, "0");
        backend.until_last(2, 20, &ended(0, 0)).await;
    });
}

/// The engine takes the first answer after its recovery for the truth about what runs there, and one that is slow is no
/// answer yet.
#[test]
fn a_slow_drone_is_not_heard_before_it_has_answered() {
    run(async {
        let mut lab = Lab::new(Kind::Ssh, 1);
        let delay = Arc::new(AtomicU64::new(0));
        slow_way(&mut lab, Arc::clone(&delay)).await;
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(1)]).await;
        backend.until_last(1, 1, &RUNNING).await;
        delay.store(1000, Ordering::Relaxed);
        assert!(backend.refresh().await.is_empty());
        // A new term of the same scheduler, and then, in the midst of it, something more to look for.
        for (term, pidfile) in [(2, 31), (2, 32), (3, 33)] {
            backend.act(term, 1, vec![watch(pidfile, 1)]).await;
            backend.until("an answer", |_, silent| silent.is_empty()).await;
            assert_eq!(backend.of(1, pidfile), [RUNNING], "told with the first answer");
        }
    });
}

#[test]
fn sshd_killed_and_started_again() {
    run(async {
        let mut lab = Lab::new(Kind::Ssh, 3);
        let mut backend = lab.backend();
        for drone in 1..=3 {
            backend.act_surely(1, drone, vec![start(drone), start(10 + drone)]).await;
            backend.until_last(drone, drone, &RUNNING).await;
        }
        lab.sshd.as_mut().expect("a server").stop();
        backend.until("silence of all", |_, silent| silent.len() == 3).await;
        lab.finish(1, 1, "1 2");
        let reports = backend.act(1, 1, vec![start(5)]).await;
        assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)), "{reports:?}");
        lab.sshd.as_mut().expect("a server").restart();
        backend.until_last(1, 1, &ended(256, 2)).await;
        backend.until_all_answer().await;
        // What was said already is not said again.
        assert_eq!(backend.of(2, 2).iter().filter(|event| **event == RUNNING).count(), 1);
        backend.act_surely(1, 1, vec![start(5), kill(11)]).await;
        backend.until_last(1, 5, &RUNNING).await;
        backend.until_last(1, 11, &TERMINATED).await;
        assert_eq!(lab.marks(1).len(), 3);
    });
}

#[test]
fn an_agent_killed_between_refreshes_is_missed_by_nobody() {
    run(async {
        let lab = Lab::new(Kind::Local, 1);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(1)]).await;
        for _ in 0..10 {
            backend.until_last(1, 1, &RUNNING).await;
            assert!(lab.signal_agents(1, "serve", Signal::KILL) > 0);
            backend.until("its loss", |_, silent| silent.contains_key(&1)).await;
            backend.until_all_answer().await;
        }
        assert_eq!(backend.of(1, 1).iter().filter(|event| **event == RUNNING).count(), 1);
        lab.finish(1, 1, "0");
        backend.until_last(1, 1, &ended(0, 0)).await;
    });
}

/// The engine takes the first answer after its recovery for the truth about what runs there.
#[test]
fn no_answer_comes_before_the_drone_knows_what_to_watch() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 1);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, (1..=60).map(start).collect()).await;
        backend.until("all run", |backend, _| (1..=60).all(|job| backend.of(1, job).last() == Some(&RUNNING))).await;
        drop(backend);
        // Slow to connect: the commands are not sent in time.
        lab.settings.act_deadline_sec = 0.05;
        lab.wrap_agent(1, &format!("sleep 0.5; exec {} \"$@\"", super::lab::AGENT));
        for term in 2..5 {
            let mut next = lab.backend();
            let reports = next.act(term, 1, (1..=60).map(|job| watch(100 + job, job)).collect()).await;
            assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)), "{reports:?}");
            next.until_all_answer().await;
            for job in 1..=60 {
                assert_eq!(next.of(1, 100 + job), [RUNNING], "job {job}");
            }
        }
    });
}

/// A launcher is stuck before its claim, its agent dies, and the scheduler begins anew: once the drone has answered under the
/// new fence the engine may start the process elsewhere, so the old launcher must not.
#[test]
fn what_a_launcher_of_before_was_to_start_never_starts() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 2);
        lab.settings.act_deadline_sec = 1.0;
        let mut backend = lab.backend();
        let (before, now) = (Fence::first(Term(1)), Fence::first(Term(1)).next());
        let batch = |drone: u32, command| vec![DroneBatch { drone: DroneId(drone), commands: vec![command] }];
        backend.drones.act(before, Vec::new()).await;
        backend.until_all_answer().await;
        let lock = fs::File::open(lab.results(1).join(".yardmaster/term.lock")).expect("the lock");
        lock.lock().expect("locked");
        let reports = backend.drones.act(before, batch(1, start(1))).await;
        assert!(matches!(reports[0].outcome, ActOutcome::Unknown(_)), "{reports:?}");
        assert_eq!(lab.signal_agents(1, "launch", Signal::STOP), 1);
        // It must not get the lock before it stops.
        let launcher = lab.agents(1, "launch")[0].as_raw_nonzero();
        until("the launcher to stop", || {
            let stat = fs::read_to_string(format!("/proc/{launcher}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, after)| after.trim_start().starts_with('T'))
        })
        .await;
        drop(lock);
        assert!(lab.signal_agents(1, "serve", Signal::KILL) > 0);
        backend.drones.act(now, batch(1, watch(2, 1))).await;
        backend.until_all_answer().await;
        assert_eq!(backend.of(1, 2), []);
        backend.drones.act(now, batch(2, start_as(3, 1))).await;
        backend.until_last(2, 3, &RUNNING).await;
        lab.signal_agents(1, "launch", Signal::CONT);
        until("the launcher to end", || lab.agents(1, "launch").is_empty()).await;
        backend.refresh().await;
        assert_eq!((lab.marks(1).len(), lab.marks(2).len()), (0, 1));
        assert_eq!(backend.of(1, 2), []);
    });
}

/// Numbers belong to a fence: what an agent was told to watch before a new beginning is not reported any more.
#[test]
fn numbers_of_before_are_forgotten() {
    run(async {
        let lab = Lab::new(Kind::Local, 1);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(1), start(2)]).await;
        for pidfile in [1, 2] {
            backend.until_last(1, pidfile, &RUNNING).await;
        }
        let again = Fence::first(Term(1)).next();
        let batch = vec![DroneBatch { drone: DroneId(1), commands: vec![watch(11, 1)] }];
        assert_eq!(backend.drones.act(again, batch).await, []);
        backend.until_last(1, 11, &RUNNING).await;
        lab.finish(1, 1, "0");
        lab.finish(1, 2, "0");
        backend.until_last(1, 11, &ended(0, 0)).await;
        assert_eq!((backend.of(1, 1).last(), backend.of(1, 2).last()), (Some(&RUNNING), Some(&RUNNING)));
        let reports = backend.act(1, 1, vec![start(3)]).await;
        assert!(matches!(reports[0].outcome, ActOutcome::NotDone(_)), "an older fence is refused: {reports:?}");
    });
}

#[test]
fn garbage_instead_of_an_agent() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 4);
        let real = super::lab::AGENT;
        lab.wrap_agent(1, "yes no");
        lab.wrap_agent(2, &format!("echo Welcome to the lab; echo; echo 'Last login: today'; exec {real} \"$@\""));
        lab.wrap_agent(3, "echo 'yardmaster-drone speaks 1'; yes '0123456789'");
        lab.wrap_agent(4, "echo no such thing >&2; exit 1");
        let mut backend = lab.backend();
        backend.act_surely(1, 2, vec![start(1)]).await;
        backend.until_last(2, 1, &RUNNING).await;
        let silent = backend.refresh().await;
        assert_eq!(silent.len(), 3);
        let why = |drone: usize| backend.drones.fleet().health()[drone - 1].1.last_error.clone().expect("an error").1;
        assert!(why(1).contains("no agent answered, but: \"no\\nno"), "{}", why(1));
        assert!(why(3).contains("this is not a message"), "{}", why(3));
        assert!(why(4).contains("no such thing"), "{}", why(4));
    });
}

#[test]
fn garbage_in_the_middle_of_a_conversation() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 1);
        let real = super::lab::AGENT;
        // The first time it breaks off in the middle of a message, after that it is well.
        let first = lab.directory.path().join("first");
        fs::write(&first, "").expect("written");
        let script = format!(
            "if rm {first}; then exec {real} \"$@\" | head -c 1000; else exec {real} \"$@\"; fi",
            first = first.display()
        );
        lab.wrap_agent(1, &script);
        let mut backend = lab.backend();
        let began = SystemTime::now();
        while first.exists() || backend.drones.fleet().health()[0].1.last_error.is_none() {
            assert!(began.elapsed().unwrap_or_default() < PATIENCE);
            backend.act(1, 1, vec![start(1)]).await;
            backend.refresh().await;
        }
        backend.act_surely(1, 1, vec![start(1)]).await;
        backend.until_last(1, 1, &RUNNING).await;
        assert_eq!(lab.marks(1).len(), 1);
    });
}

#[test]
fn late_pidfiles_and_an_empty_one() {
    run(async {
        let lab = Lab::new(Kind::Local, 1);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![watch(1, 1), watch(2, 2)]).await;
        backend.refresh().await;
        assert_eq!(backend.of(1, 1), []);
        // Somebody else's process, slow to write its pid.
        fs::create_dir_all(lab.file(1, 1, "")).expect("a directory");
        fs::write(lab.file(1, 1, ".autoserv_execute"), "").expect("written");
        backend.until_last(1, 1, &PidfileEvent::Changed(yardmaster_engine::PidfileContents::Empty)).await;
        fs::write(lab.file(1, 1, ".autoserv_execute"), format!("{}\n", std::process::id())).expect("written");
        backend.until_last(1, 1, &RUNNING).await;
        fs::write(lab.file(1, 1, ".autoserv_execute"), format!("{}\n271\n", std::process::id())).expect("written");
        backend.refresh().await;
        fs::write(lab.file(1, 1, ".autoserv_execute"), format!("{}\n271\n4\n", std::process::id())).expect("written");
        backend.until_last(1, 1, &ended(271, 4)).await;
        assert_eq!(backend.of(1, 1).len(), 3);
        assert_eq!(backend.of(1, 2), []);
    });
}

#[test]
fn a_reboot_makes_what_ran_vanish() {
    run(async {
        let mut lab = Lab::new(Kind::Local, 1);
        let mut backend = lab.backend();
        backend.act_surely(1, 1, vec![start(1), start(99)]).await;
        backend.until_last(1, 1, &RUNNING).await;
        backend.until_last(1, 99, &ended(0, 0)).await;
        let real = super::lab::AGENT;
        lab.wrap_agent(1, &format!("YARDMASTER_BOOT_ID=next exec {real} \"$@\""));
        backend.drones.fleet().set_drones(lab.addresses.clone());
        backend.until_last(1, 1, &PidfileEvent::Vanished).await;
        assert_eq!(backend.of(1, 99).last(), Some(&ended(0, 0)));
        // It is not started again for that.
        backend.act_surely(1, 1, vec![start_as(2, 1)]).await;
        backend.until_last(1, 2, &PidfileEvent::Vanished).await;
        assert_eq!(lab.marks(1).len(), 2);
    });
}
