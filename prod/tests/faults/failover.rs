//! The database server dies for good, and its replica takes over under the same address.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use yardmaster::database::{Database, DatabaseAddress, MySqlAddress};

use super::database_server::DatabaseServer;
use super::lab::{Kind, Lab, Place, Plan};

const PLAN: Plan = Plan { hosts: 8, drones: 2, kind: Kind::Local, broken_host: false };
/// May do everything with the lab's tables, and nothing on a server that only reads.
const ACCOUNT: &str = "lab";

/// An address that leads to one server at a time.
struct Switch {
    port: u16,
    /// The server's port; none: nobody answers.
    leads_to: watch::Sender<Option<u16>>,
}

impl Switch {
    async fn to(server: u16) -> Switch {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (leads_to, led) = watch::channel(Some(server));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut led = led.clone();
                tokio::spawn(async move {
                    let Some(server) = *led.borrow_and_update() else { return };
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = led.changed() => {}
                    }
                });
            }
        });
        Switch { port, leads_to }
    }

    /// All connections break; new ones lead there.
    fn lead_to(&self, server: Option<u16>) {
        self.leads_to.send_replace(server);
    }
}

fn port(server: &DatabaseServer) -> u16 {
    server_address(&server.address("mysql")).port
}

fn server_address(address: &DatabaseAddress) -> MySqlAddress {
    let DatabaseAddress::MySql(address) = address else { panic!("a server's address") };
    address.clone()
}

/// A server whose log others can follow.
async fn replicated(options: &'static [&'static str]) -> Arc<DatabaseServer> {
    let always = ["--log-bin=log", "--binlog-format=ROW", "--log-slave-updates"];
    let options = move || always.iter().chain(options).map(|option| (*option).to_owned()).collect();
    let server = tokio::task::spawn_blocking(move || DatabaseServer::prepared(|_| options())).await;
    Arc::new(server.expect("a server"))
}

async fn execute(database: &Database, sql: &str) {
    database.execute(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A replica that has all that the primary server ever confirmed (semi-synchronous replication).
async fn replica_of(primary: &DatabaseServer) -> Arc<DatabaseServer> {
    let replica = replicated(&["--server-id=2", "--read-only=ON", "--rpl-semi-sync-slave-enabled=ON"]).await;
    let administrator = replica.administrator().await;
    let follow = format!(
        "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'root', master_password = '', \
         master_use_gtid = slave_pos",
        port(primary)
    );
    execute(&administrator, &follow).await;
    execute(&administrator, "START SLAVE").await;
    let primary = primary.administrator().await;
    let following = "SELECT variable_value = 'ON' FROM information_schema.global_status \
                     WHERE variable_name = 'Rpl_semi_sync_master_status' AND EXISTS (SELECT 1 FROM \
                     information_schema.processlist WHERE command LIKE 'Binlog Dump%')";
    until_true(&primary, following).await;
    replica
}

/// Waits until the first column of the first row is 1.
async fn until_true(database: &Database, sql: &str) {
    let began = SystemTime::now();
    loop {
        let rows = database.query(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        if rows.first().is_some_and(|row| row.get::<i64>(0).expect("a number") == 1) {
            return;
        }
        assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(60), "never true: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Carries out what the replica has received but not done yet, and lets others write there.
async fn promote(replica: &DatabaseServer) {
    let administrator = replica.administrator().await;
    execute(&administrator, "STOP SLAVE IO_THREAD").await;
    until_true(
        &administrator,
        "SELECT state LIKE 'Slave has read all relay log%' FROM information_schema.processlist \
         WHERE command = 'Slave_SQL'",
    )
    .await;
    execute(&administrator, "STOP SLAVE").await;
    execute(&administrator, "RESET SLAVE ALL").await;
    execute(&administrator, "SET GLOBAL read_only = OFF").await;
}

/// The address leads to the replica before that may be written to, as it does where an address moves first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over() {
    if std::env::var_os("YARDMASTER_TEST_MYSQLD").is_some() {
        eprintln!("not tried on MySQL: its statements of replication are others");
        return;
    }
    let primary =
        replicated(&["--server-id=1", "--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-master-timeout=600000"])
            .await;
    let replica = replica_of(&primary).await;
    let mut lab = Lab::new(Place::Server(Arc::clone(&primary)), PLAN).await;
    let address = server_address(&lab.address);
    let administrator = primary.administrator().await;
    execute(&administrator, &format!("CREATE USER {ACCOUNT}@'127.0.0.1'")).await;
    execute(&administrator, &format!("GRANT ALL ON {}.* TO {ACCOUNT}@'127.0.0.1'", address.database)).await;

    let switch = Switch::to(address.port).await;
    let through = format!("mysql://{ACCOUNT}@127.0.0.1:{}/{}", switch.port, address.database);
    lab.config.database.address = Some(through);
    lab.write_configuration();
    let mut service = lab.serve();
    lab.submit_mixed(16).await;
    tokio::time::sleep(lab.dice.between(500, 2500)).await;
    primary.kill();
    switch.lead_to(None);
    tokio::time::sleep(lab.dice.between(0, 1000)).await;
    switch.lead_to(Some(port(&replica)));
    service.until_said("this server only reads", 1).await;
    promote(&replica).await;

    lab.address = replica.address(&address.database);
    lab.database = Database::open(&lab.address).await.expect("the replica lets root in");
    lab.server = Some(replica);
    service.must_live();
    lab.submit_mixed(8).await;
    lab.all_is_well(service).await;
}
