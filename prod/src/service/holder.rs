//! Who holds a term: a process of a machine, in words from which people can read who it is, and this program whether it lives.

use std::fs;

use crate::agent::ProcessIdentity;

/// The parts of a holder's name.
const PARTS: [&str; 4] = [" pid ", " start ", " boot ", " in "];

/// This machine and process, unlike any other.
pub(super) fn this_process() -> String {
    let ProcessIdentity { pid, started, boot } = ProcessIdentity::own();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let [a, b, c, d] = PARTS;
    format!("{host}{a}{pid}{b}{started}{c}{boot}{d}{}", namespace())
}

/// Pids mean something within one of these: a container has its own.
fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map_or_else(|_| "pid".to_owned(), |link| link.display().to_string())
}

/// Whether a holder is a process that ran here, and has ended. Nothing is known of those of other machines and containers.
pub(super) fn has_ended(holder: &str) -> bool {
    let identity = || {
        let (_, rest) = holder.rsplit_once(PARTS[0])?;
        let (pid, rest) = rest.split_once(PARTS[1])?;
        let (started, rest) = rest.split_once(PARTS[2])?;
        let (boot, place) = rest.split_once(PARTS[3])?;
        (place == namespace()).then_some(())?;
        Some(ProcessIdentity { pid: pid.parse().ok()?, started: started.parse().ok()?, boot: boot.to_owned() })
    };
    identity().is_some_and(|identity| {
        // The same namespace number after a reboot says nothing about the machine, so the boot must be the same, too.
        identity.boot == ProcessIdentity::own().boot && !identity.lives()
    })
}

#[cfg(test)]
mod tests {
    use super::{has_ended, this_process};

    #[test]
    fn only_an_ended_process_of_this_place_has_ended() {
        let own = this_process();
        assert!(!has_ended(&own));
        let mut child = std::process::Command::new("true").spawn().expect("true can be run");
        let pid = child.id();
        child.wait().expect("it ends");
        let dead = own.replace(&format!(" pid {} ", std::process::id()), &format!(" pid {pid} "));
        assert!(has_ended(&dead), "{dead}");
        assert!(!has_ended(&dead.replace(" boot ", " boot x")), "another boot, perhaps another machine");
        assert!(!has_ended(&format!("{dead}0")), "another container");
        assert!(!has_ended("somebody"));
    }
}
