//! The scheduler as a process.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running `yardmaster serve`, killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
    /// Where in the log it began.
    from: usize,
}

impl Service {
    /// Starts one; its log lines are added to a file.
    pub(crate) fn start(config: &Path, log: &Path, arguments: &[&str]) -> Service {
        let out = OpenOptions::new().create(true).append(true).open(log).expect("the log");
        let from = fs::read(log).map_or(0, |text| text.len());
        let child = Command::new(env!("CARGO_BIN_EXE_yardmaster"))
            .env_remove("YARDMASTER_CONFIG")
            .arg("--config")
            .arg(config)
            .args(arguments)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .expect("the service starts");
        Service { child, log: log.to_owned(), from }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("the service lives");
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    #[track_caller]
    pub(crate) fn must_live(&mut self) {
        if let Some(status) = self.ended() {
            panic!("the service has ended by itself ({status})");
        }
    }

    /// kill -9.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.must_live();
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }

    /// Waits for it to end by itself.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let began = SystemTime::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "the service does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGTERM, after which it must end well.
    pub(crate) async fn stop(mut self) {
        self.must_live();
        self.signal(Signal::TERM);
        let status = self.wait().await;
        assert!(status.success(), "after SIGTERM the service ended with {status}");
    }

    /// How often it has said something.
    pub(crate) fn said(&self, text: &str) -> usize {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[self.from.min(log.len())..]).matches(text).count()
    }

    /// Waits until it has said something so often.
    pub(crate) async fn until_said(&mut self, text: &str, times: usize) {
        let began = SystemTime::now();
        while self.said(text) < times {
            self.must_live();
            assert!(began.elapsed().unwrap_or_default() < PATIENCE, "the service does not say {text:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
