//! What surrounds the service: mail, systemd, metrics, and the record from which its decisions are made again.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::database_server::DatabaseServer;
use super::lab::{Kind, Lab, Place, Plan, in_each_place};
use super::service::Service;
use super::work::{Fate, bare};

in_each_place!(decisions_can_be_made_again);

const PLAN: Plan = Plan { hosts: 6, drones: 2, kind: Kind::Local, broken_host: true };

/// What a scheduler took in, across its death, gives the same decisions in the simulator.
async fn decisions_can_be_made_again(place: Place) {
    let mut lab = Lab::new(place, PLAN).await;
    let records = ["first.jsonl", "second.jsonl"].map(|name| lab.folder().join(name));
    lab.submit_mixed(10).await;
    let mut first = record(&lab, &records[0]);
    first.until_said("INFO entry", 10).await;
    first.kill();
    lab.submit_mixed(5).await;
    let second = record(&lab, &records[1]);
    lab.all_is_well(second).await;
    for record in records {
        let file = std::fs::File::open(&record).expect("a record");
        let mut lines: Vec<String> = BufReader::new(file).lines().map(|line| line.expect("text")).collect();
        // The first scheduler may have died in the middle of a line.
        if lines.last().is_some_and(|line| !line.ends_with('}')) {
            lines.pop();
        }
        let replayed = yardmaster_sim::replay::replay(lines.join("\n").as_bytes()).expect("the same decisions");
        assert!(replayed.ticks > 2 && replayed.undecided <= 1, "{replayed:?}");
    }
}

fn record(lab: &Lab, file: &Path) -> Service {
    Service::start(&lab.config_file(), &lab.log_file(), &["--record", &file.to_string_lossy()])
}

/// A mail server that takes everything, one connection after the other.
struct PostOffice {
    port: u16,
    letters: Arc<Mutex<Vec<String>>>,
}

impl PostOffice {
    fn open() -> PostOffice {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let box_ = Arc::clone(&letters);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away in the middle is its own business.
                let _ = take_letters(stream, &box_);
            }
        });
        PostOffice { port, letters }
    }

    /// How many letters have these words.
    fn count(&self, words: &str) -> usize {
        self.letters.lock().expect("no panic in here").iter().filter(|letter| letter.contains(words)).count()
    }

    fn has(&self, words: &[&str]) -> bool {
        let letters = self.letters.lock().expect("no panic in here");
        letters.iter().any(|letter| words.iter().all(|word| letter.contains(word)))
    }
}

fn take_letters(mut stream: TcpStream, letters: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 here\r\n")?;
    let mut envelope = String::new();
    while let Some(line) = lines.next() {
        let line = line?;
        let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        match word.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut letter = envelope.clone();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    letter += &line;
                    letter.push('\n');
                }
                letters.lock().expect("no panic in here").push(letter);
                envelope.clear();
                stream.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => {
                envelope += &line;
                envelope.push('\n');
                stream.write_all(b"250 fine\r\n")?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_to_those_who_want_it() {
    let office = PostOffice::open();
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    mail_to(&mut lab, &office);
    let mut job = bare("with mail", "exit = 1\n");
    job.email = vec!["ada@lab.example".to_owned(), "bob@lab.example".to_owned()];
    let service = lab.serve();
    let job = lab.submit(&job, Fate::Failed).await;
    lab.until("the summary", || office.has(&["<ada@lab.example>", "has ended", "1 Failed"])).await;
    lab.until("the status", || office.has(&["<bob@lab.example>", &format!("Job {job} (with mail): Failed on dut")]))
        .await;
    let lost = lab.submit(&bare("lost", "wait = true\n"), Fate::Failed).await;
    let (_, path) = lab.test_of(lost).await;
    std::fs::write(path.join(".finish"), "vanish").expect("written");
    lab.until("the trouble", || office.has(&["<operators@lab.example>", "disappeared without an exit status"])).await;
    lab.all_is_well(service).await;
}

/// One letter for each kind of trouble, however much of it there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_hear_of_senseless_rows_and_outages() {
    let office = PostOffice::open();
    let server = Arc::new(tokio::task::spawn_blocking(DatabaseServer::private).await.expect("a server"));
    let mut lab = Lab::new(Place::Server(Arc::clone(&server)), PLAN).await;
    mail_to(&mut lab, &office);
    lab.run("UPDATE afe_hosts SET status = 'Nonsense' WHERE hostname IN ('dut01', 'dut02')").await;
    let mut service = lab.serve();
    lab.until("the rows", || office.has(&["These rows make no sense", "afe_hosts 1:", "afe_hosts 2:"])).await;
    lab.run("UPDATE afe_hosts SET status = 'Nonsense' WHERE hostname = 'dut04'").await;
    service.until_said("a row makes no sense", 3).await;
    server.kill();
    service.until_said("the database does not answer: nothing is decided", 2).await;
    assert!(!office.has(&["The database did not answer"]), "it is told when it is back");
    let again = Arc::clone(&server);
    tokio::task::spawn_blocking(move || again.start()).await.expect("it starts");
    lab.until("the outage", || office.has(&["The database did not answer", "from ", " to "])).await;
    assert_eq!(office.count("These rows make no sense"), 1);
    lab.database = yardmaster::database::Database::open(&lab.address).await.expect("it is back");
    lab.run("UPDATE afe_hosts SET status = 'Ready'").await;
    lab.all_is_well(service).await;
}

fn mail_to(lab: &mut Lab, office: &PostOffice) {
    lab.config.notify.smtp_server = Some("127.0.0.1".to_owned());
    lab.config.notify.smtp_port = office.port;
    lab.config.notify.tls = yardmaster::service::config::MailTls::Off;
    lab.config.notify.operators = vec!["operators@lab.example".to_owned()];
    lab.write_configuration();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_and_prometheus_are_told() {
    let mut lab = Lab::new(Place::Sqlite, PLAN).await;
    let socket = lab.folder().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket");
    systemd.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    lab.config.service.metrics_address = Some(([127, 0, 0, 1], port).into());
    lab.write_configuration();
    let service = Service::start_as(
        "serve",
        &lab.config_file(),
        &lab.log_file(),
        &[],
        &[("NOTIFY_SOCKET", &socket.to_string_lossy())],
    );
    let told = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length =
                systemd.recv(&mut buffer).unwrap_or_else(|error| panic!("systemd never hears {wanted}: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == wanted) {
                return;
            }
        }
    };
    tokio::task::block_in_place(|| {
        told("READY=1");
        told("WATCHDOG=1");
    });
    let job = lab.submit(&bare("counted", "exit = 0\n"), Fate::Completed).await;
    lab.until_status(job, "Completed").await;
    lab.until("the processes among the figures", || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("metrics are served");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("asked");
        let page = std::io::read_to_string(stream).expect("an answer");
        page.contains("yardmaster_events_total{event=\"processes_started\"} 1\n") && page.contains("drone_answers")
    })
    .await;
    lab.all_is_well(service).await;
    tokio::task::block_in_place(|| told("STOPPING=1"));
}
