//! Servers as operators set them up: passwords, encryption, binary logs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use yardmaster::database::schema::migrate;
use yardmaster::database::{Database, DatabaseAddress, DatabaseError, MySqlAddress, Tls};

use crate::database_server::DatabaseServer;
use crate::place::{Place, number};

async fn server(prepare: impl FnOnce(&Path) -> Vec<String> + Send + 'static) -> DatabaseServer {
    tokio::task::spawn_blocking(|| DatabaseServer::prepared(prepare)).await.expect("a server")
}

fn of_a_server(address: DatabaseAddress) -> MySqlAddress {
    let DatabaseAddress::MySql(address) = address else { panic!("a server's address") };
    address
}

async fn execute(database: &Database, statements: &[String]) {
    for sql in statements {
        database.execute(sql, vec![]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Without encryption: MySQL has the password sent under a key of its own then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_the_door() {
    let place = Place::server().await;
    let administrator = place.server.as_ref().expect("a server").administrator().await;
    let mut address = of_a_server(place.address.clone());
    let grant = format!("GRANT ALL ON {}.* TO keyholder@'127.0.0.1'", address.database);
    execute(&administrator, &["CREATE USER keyholder@'127.0.0.1' IDENTIFIED BY 'häsh \"1\"'".to_owned(), grant]).await;
    address.user = "keyholder".to_owned();
    let open = async |password: Option<&str>| {
        let address = DatabaseAddress::MySql(address.clone()).with_password(password.map(str::to_owned));
        Database::open(&address).await
    };
    // The first time the server has the whole password sent; after that it may know it.
    for _ in 0..2 {
        let database = open(Some("häsh \"1\"")).await.expect("it opens");
        assert_eq!(number(&database, "SELECT 1", vec![]).await, 1);
    }
    for wrong in [Some("wrong"), None] {
        let error = open(wrong).await.expect_err("the wrong password");
        assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("check the user, the password file"), "{error}");
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    let made = openssl.args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let made = made.unwrap_or_else(|error| panic!("{openssl:?}: {error}; install the package openssl"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A server's certificate of a lab's own authority; another authority has signed nothing.
fn certificates(folder: &Path) -> Vec<String> {
    for authority in ["ca", "other"] {
        let (key, certificate) = (format!("{authority}.key"), format!("{authority}.pem"));
        openssl(folder, &["-keyout", &key, "-out", &certificate, "-subj", &format!("/CN={authority}")]);
    }
    let signed =
        ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=db"];
    let extensions = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    openssl(folder, &[signed.as_slice(), &extensions].concat());
    [("ssl-ca", "ca.pem"), ("ssl-cert", "server.pem"), ("ssl-key", "server.key")]
        .map(|(option, file)| format!("--{option}={}", folder.join(file).display()))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encryption_is_required_and_the_authority_checked() {
    let server = server(certificates).await;
    let administrator = server.administrator().await;
    let address = server.fresh_database().await;
    let database = of_a_server(address.clone()).database;
    execute(
        &administrator,
        &[
            "CREATE USER secret@'127.0.0.1' IDENTIFIED BY 'hush' REQUIRE SSL".to_owned(),
            format!("GRANT ALL ON {database}.* TO secret@'127.0.0.1'"),
        ],
    )
    .await;
    let open = async |tls: Tls| {
        let address = MySqlAddress { user: "secret".to_owned(), tls, ..of_a_server(address.clone()) };
        Database::open(&DatabaseAddress::MySql(address).with_password(Some("hush".to_owned()))).await
    };
    let authority = |name: &str| Tls::Required { authorities: Some(server.file(name)) };
    let database = open(authority("ca.pem")).await.expect("it opens");
    let rows = database.query("SHOW SESSION STATUS LIKE 'Ssl_version'", vec![]).await.expect("a row");
    assert!(rows[0].get::<String>(1).is_ok_and(|version| version.starts_with("TLSv1")), "{rows:?}");
    migrate(&database).await.expect("it migrates");
    for (tls, why) in [(authority("other.pem"), "certificate"), (Tls::Required { authorities: None }, "certificate")] {
        let error = open(tls).await.expect_err("an unknown authority").to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = open(Tls::Off).await.expect_err("the account requires encryption");
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binary_log_stops_with_the_way_out() {
    let server = Arc::new(server(|_| vec!["--log-bin".to_owned(), "--server-id=1".to_owned()]).await);
    let administrator = server.administrator().await;
    let mut address = of_a_server(server.fresh_database().await);
    let name = address.database.clone();
    execute(
        &administrator,
        &[
            "CREATE USER owner@'127.0.0.1' IDENTIFIED BY ''".to_owned(),
            format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER ON {name}.* \
                 TO owner@'127.0.0.1'"
            ),
            "SET GLOBAL binlog_format = 'STATEMENT'".to_owned(),
        ],
    )
    .await;
    address.user = "owner".to_owned();
    let open = async || Database::open(&DatabaseAddress::MySql(address.clone())).await.expect("it opens");
    let error = migrate(&open().await).await.expect_err("nothing can be written");
    assert!(error.to_string().contains("binlog_format = ROW"), "{error}");
    execute(&administrator, &["SET GLOBAL binlog_format = 'ROW'".to_owned()]).await;
    let database = open().await;
    let why = migrate(&database).await.expect("it migrates").polling.expect("no triggers");
    assert!(why.contains("SET GLOBAL log_bin_trust_function_creators = 1"), "{why}");
    execute(&administrator, &["SET GLOBAL log_bin_trust_function_creators = 1".to_owned()]).await;
    let report = migrate(&database).await.expect("it migrates");
    assert!(report.polling.is_none() && report.triggers > 0, "{report:?}");
}
