//! Putting the agent on a drone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::address::{Connection, DroneAddress, DroneSettings, Multiplex, quote, ssh_command};
use super::channel::{Channel, ConnectError};
use crate::agent::protocol::AgentHello;

/// For so long the copy may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The agent could not be put on a drone, or does not work there.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The agent's program is not here.
    #[error("cannot read the agent's program {path}: {cause}: it lies beside `yardmaster`, or name it")]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it was not read.
        cause: io::Error,
    },
    /// It could not be copied.
    #[error("cannot copy the agent to {to}: {cause}")]
    Copy {
        /// Where it was to go.
        to: PathBuf,
        /// What SSH or the drone said.
        cause: String,
    },
    /// It is there and does not answer.
    #[error("the agent is installed and does not work: {0}")]
    Check(#[from] ConnectError),
}

/// Copies the agent's program to a drone, in place of an older one, and asks it who it is. Processes that run there, and
/// agents that serve them, go on. The results directory becomes the lab's.
///
/// # Errors
/// If it cannot be copied or does not answer.
pub async fn install(
    program: &Path,
    address: &DroneAddress,
    settings: &DroneSettings,
    lab: &str,
) -> Result<AgentHello, InstallError> {
    let read = |cause| InstallError::Program { path: program.to_owned(), cause };
    let bytes = tokio::fs::read(program).await.map_err(read)?;
    let copied = match &address.connection {
        Connection::Local if program == address.agent => Ok(()),
        Connection::Local => copy_here(&bytes, &address.agent),
        Connection::Nowhere(why) => Err(why.clone()),
        Connection::Ssh(ssh) => {
            let line = format!(
                // One that does not run there must not take the place of one that does.
                "set -e; mkdir -p {directory}; cat > {temporary}; chmod 755 {temporary}; {temporary} --version > /dev/null \
                 || {{ rm -f {temporary}; exit 1; }}; mv -f {temporary} {agent}",
                directory = quote(&address.agent.parent().unwrap_or(Path::new("/")).to_string_lossy()),
                temporary = quote(&format!("{}.new-{}", address.agent.display(), std::process::id())),
                agent = quote(&address.agent.to_string_lossy()),
            );
            let copy = copy_there(ssh_command(ssh, &settings.ssh, Multiplex::No, &line), &bytes);
            timeout(PATIENCE, copy).await.unwrap_or_else(|_| Err(format!("it took more than {PATIENCE:?}")))
        }
    };
    copied.map_err(|cause| InstallError::Copy { to: address.agent.clone(), cause })?;
    check(address, settings, lab).await
}

/// Asks the agent on a drone who it is.
///
/// # Errors
/// If it does not answer.
pub async fn check(address: &DroneAddress, settings: &DroneSettings, lab: &str) -> Result<AgentHello, InstallError> {
    let (_channel, hello) = Channel::connect(address, settings, lab, Multiplex::No).await?;
    Ok(hello)
}

fn copy_here(bytes: &[u8], to: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let copy = || -> io::Result<()> {
        let directory = to.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory)?;
        let temporary = tempfile::NamedTempFile::new_in(directory)?;
        std::fs::write(temporary.path(), bytes)?;
        std::fs::set_permissions(temporary.path(), std::fs::Permissions::from_mode(0o755))?;
        temporary.persist(to)?;
        Ok(())
    };
    copy().map_err(|error| error.to_string())
}

async fn copy_there(mut command: tokio::process::Command, bytes: &[u8]) -> Result<(), String> {
    use std::process::Stdio;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().ok_or("no channel")?;
    let mut stderr = child.stderr.take().ok_or("no channel")?;
    let mut said = String::new();
    // What is said comes while the program is still being written, or never read at all if the drone gives up early.
    let (written, _) = tokio::join!(
        async {
            let written = input.write_all(bytes).await;
            drop(input);
            written
        },
        stderr.read_to_string(&mut said)
    );
    let status = child.wait().await.map_err(|error| error.to_string())?;
    match written {
        Ok(()) if status.success() => Ok(()),
        Ok(()) => Err(format!("{status}: {}", said.trim())),
        Err(error) => Err(format!("{error}: {}", said.trim())),
    }
}
