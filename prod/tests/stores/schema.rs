//! Migrations, there and back.

use yardmaster::database::schema::{MigrationError, autotest_tables, migrate, own_tables, remove, status};
use yardmaster::database::{Database, DatabaseError, Dialect};

use crate::place::{Place, in_each_place, number};

in_each_place!(
    an_empty_database_becomes_an_autotest_one,
    migrating_twice_changes_nothing,
    triggers_that_were_dropped_are_missed,
    removal_leaves_autotest_alone,
    an_autotest_installation_keeps_its_rows,
    older_tables_are_refused,
    a_dropped_transaction_is_rolled_back,
    numbers_texts_and_moments_come_back,
    duplicates_are_told_apart,
);

async fn an_empty_database_becomes_an_autotest_one(place: Place) {
    let database = place.open().await;
    let report = migrate(&database).await.expect("it migrates");
    assert_eq!(report.tables.len(), autotest_tables().len() + own_tables().len());
    assert_eq!(report.polling, None);
    let status = status(&database).await.expect("a status");
    assert!(status.missing_tables.is_empty() && status.triggers, "{status:?}");
    let system = "SELECT COUNT(*) FROM afe_users u JOIN afe_acl_groups_users m ON m.user_id = u.id \
                  JOIN afe_acl_groups g ON g.id = m.aclgroup_id WHERE u.login = ? AND g.name = ?";
    assert_eq!(number(&database, system, vec!["autotest_system".into(), "Everyone".into()]).await, 1);
    // Every line of the description of the tables was understood.
    let (columns, keys): (usize, usize) = autotest_tables()
        .iter()
        .map(|table| (table.columns.len(), table.keys.len()))
        .fold((0, 0), |sum, table| (sum.0 + table.0, sum.1 + table.1));
    // All but the reference to afe_parameterized_jobs, which is not described.
    assert_eq!((columns, keys), (145, 126 - 1));
}

async fn migrating_twice_changes_nothing(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let before = status(&database).await.expect("a status");
    let again = migrate(&database).await.expect("it migrates again");
    assert_eq!((again.tables.len(), again.triggers, again.polling), (0, 0, None));
    assert_eq!(status(&database).await.expect("a status"), before);
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_users", vec![]).await, 1);
}

/// By hand, after the migration: what was done once is not what is there.
async fn triggers_that_were_dropped_are_missed(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let has_triggers = async || {
        let mut store = yardmaster::store::SqlStore::new(place.open().await, Default::default());
        store.begin_term("the test").await.expect("a term");
        yardmaster_engine::Store::load(&mut store).await.expect("it loads");
        store.release_term().await.expect("given back");
        store.has_triggers()
    };
    assert!(has_triggers().await);
    database.execute("DROP TRIGGER yardmaster_afe_jobs_update", vec![]).await.expect("dropped");
    let found = status(&database).await.expect("a status");
    assert_eq!((found.triggers, found.missing_triggers), (false, vec!["yardmaster_afe_jobs_update".to_owned()]));
    assert!(!has_triggers().await, "changed jobs would not be heard of");
    assert_eq!(migrate(&database).await.expect("it migrates").triggers, 1);
    assert!(status(&database).await.expect("a status").triggers);
    assert!(has_triggers().await);
}

async fn removal_leaves_autotest_alone(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    hold_a_term(&database).await;
    let error = remove(&database, false).await.expect_err("a scheduler is at work");
    assert!(matches!(&error, MigrationError::InUse(term) if term.holder == "someone"), "{error}");
    remove(&database, true).await.expect("it is removed");
    let status = status(&database).await.expect("a status");
    assert_eq!(status.missing_tables.len(), own_tables().len());
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_users", vec![]).await, 1);
    // No trigger is left that would make others' statements fail.
    database.execute("UPDATE afe_users SET login = ?", vec!["renamed".into()]).await.expect("no trigger is left");
    let again = migrate(&database).await.expect("it migrates again");
    assert_eq!(again.tables.len(), own_tables().len());
    assert!(again.triggers > 0);
}

async fn hold_a_term(database: &Database) {
    let sql = format!(
        "INSERT INTO yardmaster_terms (role, term, number, holder, held, renewed_on) VALUES ('dispatcher', 1, 0, ?, 1, {})",
        database.dialect().now_seconds()
    );
    database.execute(&sql, vec!["someone".into()]).await.expect("a term");
}

async fn an_autotest_installation_keeps_its_rows(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    remove(&database, false).await.expect("only Autotest's tables are left");
    // One that was made before there were static labels, and whose people are others.
    for table in ["afe_static_hosts_labels", "afe_static_host_attributes", "afe_static_labels"] {
        database.execute(&format!("DROP TABLE {table}"), vec![]).await.expect("it goes");
    }
    let host = crate::lab::host(&database, "dut").await;
    database.execute("UPDATE afe_users SET login = ?", vec!["boss".into()]).await.expect("renamed");
    let report = migrate(&database).await.expect("it migrates");
    assert_eq!(report.tables.len(), own_tables().len() + 3);
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_users", vec![]).await, 1, "nobody is added");
    assert_eq!(number(&database, "SELECT id FROM afe_hosts", vec![]).await, i64::from(host));
    let mut store = yardmaster::store::SqlStore::new(place.open().await, Default::default());
    store.begin_term("the test").await.expect("a term");
    assert_eq!(yardmaster_engine::Store::load(&mut store).await.expect("it loads").hosts.len(), 1);
    assert!(store.has_triggers());
}

async fn older_tables_are_refused(place: Place) {
    let database = place.open().await;
    let table = "CREATE TABLE afe_hosts (id INTEGER PRIMARY KEY, hostname VARCHAR(255))";
    database.execute(table, vec![]).await.expect("an old table");
    // The other tables' foreign keys want an index here; the column is looked for in any case.
    let error = migrate(&database).await.expect_err("columns are missing");
    assert!(matches!(error, MigrationError::TooOld { .. } | MigrationError::Database(_)), "{error}");
}

async fn a_dropped_transaction_is_rolled_back(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    for _ in 0..20 {
        let mut transaction = database.begin().await.expect("a transaction");
        transaction.execute("UPDATE afe_users SET login = 'half'", vec![]).await.expect("an update");
        drop(transaction);
        assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_users WHERE login = 'half'", vec![]).await, 0);
    }
    let mut transaction = database.begin().await.expect("a transaction");
    transaction.execute("UPDATE afe_users SET login = 'whole'", vec![]).await.expect("an update");
    transaction.commit().await.expect("it commits");
    assert_eq!(number(&database, "SELECT COUNT(*) FROM afe_users WHERE login = 'whole'", vec![]).await, 1);
}

async fn numbers_texts_and_moments_come_back(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let dialect = database.dialect();
    // In summer and in winter.
    for moment in [1_700_000_000_i64, 1_720_000_000] {
        let sql = format!(
            "INSERT INTO afe_job_handoffs (job_id, created, completed, drone) VALUES (?, {}, 1, ?)",
            dialect.datetime_of("?")
        );
        let job = "INSERT INTO afe_jobs (owner, name, synch_count, timeout, email_list, reboot_before, reboot_after, \
                   max_runtime_hrs, max_runtime_mins, timeout_mins) VALUES (?, NULL, 1, 1, '', 0, 0, 1, 1, 1)";
        let job = database.execute(job, vec!["jürgen".into()]).await.expect("a job").last_id;
        let parameters = vec![(job as u32).into(), moment.into(), "dröne's \"1\"; --".into()];
        database.execute(&sql, parameters).await.expect("a row");
        let read = format!(
            "SELECT {}, drone, completed, NULL FROM afe_job_handoffs WHERE job_id = ?",
            dialect.seconds_of("created")
        );
        let rows = database.query(&read, vec![(job as u32).into()]).await.expect("a row");
        assert_eq!(rows[0].get::<i64>(0), Ok(moment));
        assert_eq!(rows[0].get::<String>(1).as_deref(), Ok("dröne's \"1\"; --"));
        assert_eq!(rows[0].get::<bool>(2), Ok(true));
        assert_eq!(rows[0].get::<Option<u32>>(3), Ok(None));
        let error = rows[0].get::<u32>(1).expect_err("a text is no number");
        assert!(error.to_string().contains("column 1"), "{error}");
        assert!(rows[0].get::<u32>(3).is_err() && rows[0].get::<u32>(9).is_err());
    }
}

async fn duplicates_are_told_apart(place: Place) {
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    let sql = "INSERT INTO afe_drones (id, hostname) VALUES (?, ?)";
    database.execute(sql, vec![7.into(), "d".into()]).await.expect("the first");
    let error = database.execute(sql, vec![7.into(), "e".into()]).await.expect_err("the same id");
    assert!(error.is_duplicate(), "{error}");
    let error = database.execute("SELEC", vec![]).await.expect_err("nonsense");
    assert!(matches!(error, DatabaseError::Other { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_make_triggers_the_rest_goes_on() {
    let place = Place::server().await;
    let server = place.server.as_ref().expect("a server");
    let administrator = server.administrator().await;
    let address = server.fresh_database().await;
    let yardmaster::database::DatabaseAddress::MySql(mut address) = address else { panic!("a server's address") };
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, REFERENCES ON";
    for sql in [
        "CREATE USER IF NOT EXISTS plain@'127.0.0.1'".to_owned(),
        format!("{grant} {}.* TO plain@'127.0.0.1'", address.database),
    ] {
        administrator.execute(&sql, vec![]).await.expect(&sql);
    }
    address.user = "plain".to_owned();
    let database = Database::open(&yardmaster::database::DatabaseAddress::MySql(address)).await.expect("it opens");
    let report = migrate(&database).await.expect("it migrates");
    let why = report.polling.as_deref().expect("no triggers");
    // A server with a binary log has its own reason, and says it first.
    assert!(why.contains("docs/operations.md") || why.contains("log_bin_trust_function_creators = 1"), "{why}");
    assert!(!status(&database).await.expect("a status").triggers);
    assert_eq!(database.dialect(), Dialect::MySql);
}

/// Whoever wants the table waits behind a change of the schema that waits for it: never for long, and the change gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_somebody_keeps_holds_nobody_up_for_long() {
    let place = Place::server().await;
    let database = place.open().await;
    migrate(&database).await.expect("it migrates");
    database.execute("DROP TRIGGER yardmaster_afe_jobs_update", vec![]).await.expect("dropped");
    let mut reader = database.begin_snapshot().await.expect("a transaction");
    reader.query("SELECT id FROM afe_jobs", vec![]).await.expect("it reads");
    let migration = tokio::spawn({
        let database = place.open().await;
        async move { (migrate(&database).await, database) }
    });
    while !migration.is_finished() {
        let begun = tokio::time::Instant::now();
        crate::lab::job(&database, "autotest_system", None).await;
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "a stranger waited for {:?}", begun.elapsed());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (outcome, other) = migration.await.expect("no panic");
    let error = outcome.expect_err("the table is kept");
    assert!(matches!(&error, MigrationError::TableKept { table } if table == "afe_jobs"), "{error}");
    reader.rollback().await.expect("it ends");
    // Through another handle: the lock was given back.
    assert_eq!(migrate(&database).await.expect("it goes on").triggers, 1);
    assert_eq!(migrate(&other).await.expect("nothing is left to do").triggers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do() {
    let place = Place::server().await;
    let server = place.server.as_ref().expect("a server");
    let error = Database::open(&server.address("nowhere")).await.expect_err("no such database");
    assert!(
        matches!(error, DatabaseError::Refused { .. }) && error.to_string().contains("create the database"),
        "{error}"
    );
    let address = "mysql://root@127.0.0.1:1/lab".parse().expect("an address");
    let error = Database::open(&address).await.expect_err("nobody listens");
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
}

#[test]
fn addresses_are_understood_and_keep_their_secret() {
    use yardmaster::database::DatabaseAddress;
    let address: DatabaseAddress =
        "mysql://me@db.lab:3307/autotest?connections=4&tls=required".parse().expect("an address");
    let address = address.with_password(Some("hush".to_owned()));
    assert_eq!(address.to_string(), "mysql://me@db.lab:3307/autotest");
    assert!(!format!("{address:?}").contains("hush"));
    for (wrong, why) in [
        ("mysql://me:secret@db/autotest", "password file"),
        ("mysql://db", "name one database"),
        ("mysql://db/autotest?pool=3", "unknown option \"pool\""),
        ("mysql://db/autotest?connections=1", "at least 2"),
        ("postgres://db/autotest", "unknown scheme"),
        ("sqlite:", "names no file"),
    ] {
        let error = wrong.parse::<DatabaseAddress>().expect_err(wrong).to_string();
        assert!(error.contains(why) && !error.contains("secret"), "{error}");
    }
}
