//! Mail: to the people a job names, when its entries come to certain statuses and when it has ended; to the operators, when
//! something does not add up.
//!
//! A task of its own sends it. The scheduler hands over what is to be told and never waits: with a mail server that is down
//! or slow, letters wait here, up to a limit, and are tried again.

use std::collections::VecDeque;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use yardmaster_engine::{EntryId, EntryStatus, JobId, Notice};

use super::config::{Config, MailTls, first_line};
use crate::database::{Database, DatabaseError};

/// Letters that wait for the mail server; the oldest are dropped beyond that.
const WAITING_MAX: usize = 1000;
/// Between two attempts to reach a mail server that does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// What a scheduler that stops gives the last letters.
const LAST_LETTERS: Duration = Duration::from_secs(5);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Something to tell by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// An entry came to a status that its job's people want to hear of.
    EntryStatus {
        /// The entry.
        entry: EntryId,
        /// Its job.
        job: JobId,
        /// Its status.
        status: EntryStatus,
    },
    /// All entries of a job have ended.
    JobEnded(JobId),
    /// Something for the operators.
    Trouble(String),
}

impl News {
    /// What a notice is by mail; one that is not for a job's people goes to the operators, in words.
    pub(super) fn of(notice: &Notice, words: impl FnOnce() -> String) -> News {
        match notice {
            Notice::EntryStatus { entry, job, status } => {
                News::EntryStatus { entry: *entry, job: *job, status: *status }
            }
            Notice::JobEnded { job } => News::JobEnded(*job),
            Notice::StartRefused { .. }
            | Notice::NoResults { .. }
            | Notice::CorruptPidfile { .. }
            | Notice::LostProcess { .. }
            | Notice::DroneSilent { .. }
            | Notice::DroneBack { .. }
            | Notice::Quarantined { .. }
            | Notice::ActiveAndComplete { .. }
            | Notice::PlatformCount { .. }
            | Notice::HostRecovered { .. }
            | Notice::NoDroneSet { .. }
            | Notice::Orphans { .. } => News::Trouble(words()),
        }
    }
}

/// Why there can be no mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum MailError {
    /// The settings of the mail server make no sense.
    #[error("notify: the mail server cannot be used: {0}")]
    Server(#[from] lettre::transport::smtp::Error),
    /// An address makes no sense.
    #[error("notify: {address:?} is no mail address: {cause}")]
    Address {
        /// Which.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The password cannot be read.
    #[error("notify.password_file: {0}")]
    Password(#[from] super::config::AccessError),
}

/// The way to the task that sends mail.
#[derive(Debug)]
pub(super) struct Mailer {
    news: mpsc::Sender<Vec<News>>,
    task: JoinHandle<()>,
}

impl Mailer {
    /// Starts it; `None` where no mail server is set.
    ///
    /// # Errors
    /// If the settings make no sense.
    pub(super) fn start(config: &Config, database: Database) -> Result<Option<Mailer>, MailError> {
        let Some(server) = &config.notify.smtp_server else { return Ok(None) };
        let section = &config.notify;
        let builder = match section.tls {
            MailTls::Off => Transport::builder_dangerous(server),
            MailTls::StartTls => Transport::starttls_relay(server)?,
            MailTls::Implicit => Transport::relay(server)?,
        };
        let builder = if section.smtp_port == 0 { builder } else { builder.port(section.smtp_port) };
        let builder = match &section.login {
            Some(login) => {
                let password = section.password_file.as_deref().map(first_line).transpose()?;
                builder.credentials(Credentials::new(login.clone(), password.unwrap_or_default()))
            }
            None => builder,
        };
        for address in std::iter::once(&section.from).chain(&section.operators) {
            check_address(address)?;
        }
        let (news, inbox) = mpsc::channel(WAITING_MAX);
        let office = Office {
            transport: builder.timeout(Some(Duration::from_secs(20))).build(),
            database,
            from: section.from.clone(),
            operators: section.operators.clone(),
            letters: VecDeque::new(),
        };
        Ok(Some(Mailer { news, task: tokio::spawn(office.work(inbox)) }))
    }

    /// Hands over what a tick has to tell; if the task is hopelessly behind, it is dropped, and the log says so.
    pub(super) fn tell(&self, news: Vec<News>) {
        if !news.is_empty() && self.news.try_send(news).is_err() {
            warn!("mail is not sent: too much of it waits already");
        }
    }

    /// Gives the last letters a moment.
    pub(super) async fn stop(self) {
        drop(self.news);
        let mut task = self.task;
        if tokio::time::timeout(LAST_LETTERS, &mut task).await.is_err() {
            warn!("mail that was waiting is lost: the mail server does not answer");
            task.abort();
        }
    }
}

fn check_address(address: &str) -> Result<(), MailError> {
    let parsed: Result<lettre::message::Mailbox, _> = address.parse();
    parsed.map(|_| ()).map_err(|cause| MailError::Address { address: address.to_owned(), cause: cause.to_string() })
}

/// The task's own things.
struct Office {
    transport: Transport,
    database: Database,
    from: String,
    operators: Vec<String>,
    letters: VecDeque<Message>,
}

impl Office {
    async fn work(mut self, mut inbox: mpsc::Receiver<Vec<News>>) {
        loop {
            if self.letters.is_empty() {
                match inbox.recv().await {
                    Some(news) => self.write_all(news).await,
                    None => return,
                }
            }
            while let Ok(news) = inbox.try_recv() {
                self.write_all(news).await;
            }
            if !self.send_all().await {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn write_all(&mut self, news: Vec<News>) {
        for news in news {
            match self.write(&news).await {
                Ok(letters) => self.letters.extend(letters),
                Err(cause) => warn!(%cause, ?news, "no mail about this: the database does not tell whom to write to"),
            }
        }
        while self.letters.len() > WAITING_MAX {
            self.letters.pop_front();
            warn!("a letter is dropped: more than {WAITING_MAX} wait for the mail server");
        }
    }

    /// Sends what waits; whether all of it went, or was refused for good.
    async fn send_all(&mut self) -> bool {
        while let Some(letter) = self.letters.front() {
            match self.transport.send(letter.clone()).await {
                Ok(_) => info!(to = ?letter.envelope().to(), "mail sent"),
                Err(cause) if cause.is_permanent() || cause.is_client() => {
                    warn!(%cause, "the mail server refuses a letter: it is dropped")
                }
                Err(cause) => {
                    warn!(%cause, waiting = self.letters.len(), "mail waits: the mail server does not take it");
                    return false;
                }
            }
            self.letters.pop_front();
        }
        true
    }

    async fn write(&self, news: &News) -> Result<Vec<Message>, DatabaseError> {
        let (recipients, subject, body) = match news {
            News::Trouble(text) => {
                (self.operators.clone(), "Yardmaster: something does not add up".to_owned(), text.clone())
            }
            News::EntryStatus { entry, job, status } => {
                let Some((name, recipients)) = self.job(*job).await? else { return Ok(Vec::new()) };
                let hosts = self.hosts(*job, Some(*entry)).await?;
                let host = hosts.first().map_or("no host", |(host, _)| host);
                let subject = format!("Job {job} ({name}): {status} on {host}");
                (recipients, subject.clone(), format!("{subject}\n"))
            }
            News::JobEnded(job) => {
                let Some((name, recipients)) = self.job(*job).await? else { return Ok(Vec::new()) };
                (recipients, format!("Job {job} ({name}) has ended"), summary(&self.hosts(*job, None).await?))
            }
        };
        Ok(recipients.iter().filter_map(|to| self.letter(to, &subject, &body)).collect())
    }

    fn letter(&self, to: &str, subject: &str, body: &str) -> Option<Message> {
        let (Ok(from), Ok(recipient)) = (self.from.parse(), to.parse()) else {
            warn!(to, subject, "no mail to this address: it is none");
            return None;
        };
        let letter = Message::builder().from(from).to(recipient).subject(subject).header(ContentType::TEXT_PLAIN);
        letter.body(body.to_owned()).inspect_err(|cause| warn!(%cause, to, "no mail: it cannot be written")).ok()
    }

    /// A job's name, and who wants to hear of it.
    async fn job(&self, job: JobId) -> Result<Option<(String, Vec<String>)>, DatabaseError> {
        let sql = "SELECT COALESCE(name, ''), email_list FROM afe_jobs WHERE id = ?";
        let rows = self.database.query(sql, vec![job.0.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let list: String = row.get(1)?;
        let addresses = list.split([',', ' ', ';', ':']).map(str::trim).filter(|address| !address.is_empty());
        Ok(Some((row.get(0)?, addresses.map(str::to_owned).collect())))
    }

    /// Hosts and statuses of a job's entries, or of one of them.
    async fn hosts(&self, job: JobId, entry: Option<EntryId>) -> Result<Vec<(String, String)>, DatabaseError> {
        let sql = "SELECT COALESCE(h.hostname, 'no host'), e.status FROM afe_host_queue_entries e \
                   LEFT JOIN afe_hosts h ON h.id = e.host_id WHERE e.job_id = ? AND (? IS NULL OR e.id = ?) ORDER BY e.id";
        let entry = entry.map(|entry| entry.0);
        let rows = self.database.query(sql, vec![job.0.into(), entry.into(), entry.into()]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }
}

/// How a job went, by status, then host by host.
fn summary(hosts: &[(String, String)]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for (_, status) in hosts {
        *counts.entry(status).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let width = hosts.iter().map(|(host, _)| host.len()).max().unwrap_or(0);
    let lines: Vec<String> = hosts.iter().map(|(host, status)| format!("  {host:width$}  {status}\n")).collect();
    format!("{}\n\n{}", counts.join(", "), lines.concat())
}
