//! An SSH server of the test's own: on a free port of the loopback address, with its own keys, for the user who runs the
//! tests. Stopped by pid when it is dropped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// See the module.
pub(crate) struct Sshd {
    directory: PathBuf,
    port: u16,
    server: Option<Child>,
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port()
}

impl Sshd {
    /// Starts a server whose files lie in this directory.
    pub(crate) fn start(directory: &Path) -> Sshd {
        fs::create_dir_all(directory).expect("a directory");
        // Where sshd insists on it: when the tests run as root.
        let _ = fs::create_dir_all("/run/sshd");
        for key in ["host_key", "user_key"] {
            let file = directory.join(key);
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file.to_string_lossy()]);
        }
        fs::copy(directory.join("user_key.pub"), directory.join("authorized_keys")).expect("the keys");
        let mut sshd = Sshd { directory: directory.to_owned(), port: free_port(), server: None };
        sshd.write_known_hosts();
        sshd.restart();
        sshd
    }

    fn write_known_hosts(&self) {
        let key = fs::read_to_string(self.directory.join("host_key.pub")).expect("the host key");
        fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {key}", self.port)).expect("known hosts");
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let file = |name: &str| self.directory.join(name).display().to_string();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\n",
            self.port,
            file("host_key"),
            file("authorized_keys"),
        );
        let path = self.directory.join("sshd_config");
        fs::write(&path, configuration).expect("the configuration");
        let log = fs::File::create(self.directory.join("sshd.log")).expect("the log");
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd is installed");
        self.server = Some(server);
        let began = SystemTime::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed().unwrap_or_default() < Duration::from_secs(30), "sshd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server and all connections of it.
    pub(crate) fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let mut doomed = vec![server.id()];
        let mut next = 0;
        // Only sshd's own processes: what the sessions started finds out by itself.
        while let Some(parent) = doomed.get(next).copied() {
            doomed.extend(children(parent).into_iter().filter(|pid| name_of(*pid).starts_with("sshd")));
            next += 1;
        }
        for pid in doomed {
            kill(pid);
        }
        let _ = server.wait();
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The private key that it lets in.
    pub(crate) fn identity(&self) -> PathBuf {
        self.directory.join("user_key")
    }

    /// A file with its public key.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }
}

fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("a process table").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    pids.filter(is_child).collect()
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}
