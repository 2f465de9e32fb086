//! A connection to an agent: a child process, its standard input and output, and the messages on them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::{DroneAddress, DroneSettings, Multiplex, seconds};
use crate::agent::frames::{self, FrameError, GREETING, MAX_BANNER};
use crate::agent::protocol::{AgentHello, PROTOCOL, Reply, ReplyBody, Request, RequestBody};

/// Why a drone cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The program that makes the connection did not start.
    #[error("cannot run {program:?}: {cause}")]
    Spawn {
        /// Which.
        program: String,
        /// Why.
        cause: std::io::Error,
    },
    /// No connection, or not to an agent.
    #[error("{cause}{}", said(.stderr))]
    Channel {
        /// What went wrong.
        cause: FrameError,
        /// What the other side or SSH said about it.
        stderr: String,
    },
    /// Nobody knows where it is.
    #[error("its row makes no sense: {0}")]
    Row(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The agent does not want to.
    #[error("the agent refuses: {0}")]
    Refused(String),
}

fn said(stderr: &str) -> String {
    let stderr = stderr.trim();
    if stderr.is_empty() { String::new() } else { format!(": {}", stderr.lines().collect::<Vec<_>>().join(" / ")) }
}

/// A connection that stands. Whoever drops it ends it.
#[derive(Debug)]
pub(super) struct Channel {
    requests: UnboundedSender<Vec<u8>>,
    replies: UnboundedReceiver<Result<Reply, FrameError>>,
    stderr: Arc<Mutex<String>>,
    next: u64,
    /// Killed when dropped.
    child: Child,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Channel {
    /// Connects and says hello.
    pub(super) async fn connect(
        address: &DroneAddress,
        settings: &DroneSettings,
        lab: &str,
        multiplex: Multiplex<'_>,
    ) -> Result<(Channel, AgentHello), ConnectError> {
        let deadline = seconds(settings.connect_deadline_sec);
        let connect = Channel::try_connect(address, settings, lab, multiplex);
        timeout(deadline, connect).await.map_err(|_| ConnectError::Timeout(deadline))?
    }

    async fn try_connect(
        address: &DroneAddress,
        settings: &DroneSettings,
        lab: &str,
        multiplex: Multiplex<'_>,
    ) -> Result<(Channel, AgentHello), ConnectError> {
        let results = address.results_dir.to_string_lossy().into_owned();
        let grace = settings.kill_grace_sec.to_string();
        let mut arguments = ["serve", "--results", &results, "--kill-grace", &grace].map(str::to_owned).to_vec();
        arguments.extend(settings.for_runner.then(|| "--for-runner".to_owned()));
        let mut command = address.agent_command(&settings.ssh, multiplex, &arguments).map_err(ConnectError::Row)?;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|cause| ConnectError::Spawn { program, cause })?;
        let mut tasks = JoinSet::new();
        let stderr = Arc::new(Mutex::new(String::new()));
        if let Some(pipe) = child.stderr.take() {
            tasks.spawn(keep_last(pipe, Arc::clone(&stderr)));
        }
        let (requests, outbox) = unbounded_channel();
        if let Some(pipe) = child.stdin.take() {
            tasks.spawn(write_all(pipe, outbox));
        }
        let (inbox, replies) = unbounded_channel();
        if let Some(pipe) = child.stdout.take() {
            tasks.spawn(read_all(pipe, inbox));
        }
        let mut channel = Channel { requests, replies, stderr, next: 0, child, _tasks: tasks };
        let (lab, drone) = (lab.to_owned(), address.name.clone());
        let hello = RequestBody::Hello { protocol: PROTOCOL, lab, drone };
        if let Err(cause) = channel.send(hello) {
            return Err(channel.explain(cause).await);
        }
        match channel.receive().await {
            Ok(Reply { body: ReplyBody::Hello(hello), .. }) if hello.protocol == PROTOCOL => Ok((channel, hello)),
            Ok(Reply { body: ReplyBody::Refused(refusal), .. }) => Err(ConnectError::Refused(refusal.to_string())),
            Ok(other) => Err(ConnectError::Refused(format!("it answers a hello with {other:?}"))),
            Err(cause) => Err(channel.explain(cause).await),
        }
    }

    /// Sends a request; its number comes back with the reply.
    pub(super) fn send(&mut self, body: RequestBody) -> Result<u64, FrameError> {
        self.next += 1;
        let bytes = frames::encode(&Request { id: self.next, body })?;
        self.requests.send(bytes).map_err(|_| FrameError::Closed)?;
        Ok(self.next)
    }

    /// Waits for a reply. May be given up at any moment without losing one.
    pub(super) async fn receive(&mut self) -> Result<Reply, FrameError> {
        self.replies.recv().await.unwrap_or(Err(FrameError::Closed))
    }

    /// With what the other side said about it, for which it has a moment.
    pub(super) async fn explain(&mut self, cause: FrameError) -> ConnectError {
        let _ = timeout(Duration::from_millis(500), self.child.wait()).await;
        tokio::task::yield_now().await;
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ConnectError::Channel { cause, stderr }
    }
}

/// Keeps the end of what a program says.
async fn keep_last(mut pipe: impl AsyncRead + Unpin, kept: Arc<Mutex<String>>) {
    const LONGEST: usize = 2000;
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if kept.len() > LONGEST {
            let start = kept.ceil_char_boundary(kept.len() - LONGEST);
            kept.drain(..start);
        }
    }
}

async fn write_all(mut pipe: ChildStdin, mut outbox: UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = outbox.recv().await {
        if pipe.write_all(&bytes).await.is_err() || pipe.flush().await.is_err() {
            // The reader finds out why.
            return;
        }
    }
}

async fn read_all(pipe: ChildStdout, inbox: UnboundedSender<Result<Reply, FrameError>>) {
    let mut pipe = BufReader::new(pipe);
    if let Err(error) = find_greeting(&mut pipe).await {
        let _ = inbox.send(Err(error));
        return;
    }
    loop {
        let message = read_one(&mut pipe).await;
        let is_over = message.is_err();
        if inbox.send(message).is_err() || is_over {
            return;
        }
    }
}

/// Skips what a login may print before the agent speaks.
async fn find_greeting(pipe: &mut BufReader<ChildStdout>) -> Result<(), FrameError> {
    let mut banner = Vec::new();
    loop {
        let start = banner.len();
        let room = u64::try_from(MAX_BANNER.saturating_sub(start)).unwrap_or(0);
        let count = (&mut *pipe).take(room).read_until(b'\n', &mut banner).await?;
        let line = String::from_utf8_lossy(&banner[start..]);
        if line.trim() == GREETING {
            return Ok(());
        }
        if count == 0 && banner.iter().all(u8::is_ascii_whitespace) {
            return Err(FrameError::Closed);
        }
        if count == 0 {
            return Err(FrameError::NoGreeting(String::from_utf8_lossy(&banner).trim().chars().take(200).collect()));
        }
    }
}

async fn read_one(pipe: &mut BufReader<ChildStdout>) -> Result<Reply, FrameError> {
    let mut header = [0; 4];
    match pipe.read_exact(&mut header).await {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(FrameError::Closed),
        other => other?,
    };
    let mut bytes = vec![0; frames::announced(header)?];
    pipe.read_exact(&mut bytes).await?;
    frames::decode(&bytes)
}

/// The socket of a drone's master connection must not be one that a dead master left.
pub(super) fn remove_stale(socket: &Path) {
    // There is none in most cases.
    let _ = std::fs::remove_file(socket);
}
