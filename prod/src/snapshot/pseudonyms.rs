//! Snapshots that may leave the house: who somebody is cannot be read from them.
//!
//! Logins become `user-1`, `user-2` … in the order of the users' ids, the same in the live rows and in the history; names of
//! jobs, which people choose, become their profiles. Names of hosts, labels, suites and builds stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use yardmaster_engine::ExecutionPath;
use yardmaster_sim::forecast::profile_of;
use yardmaster_sim::history::Snapshot;

/// The scheduler's own login: nobody's name, and the engine asks for it.
const SYSTEM_LOGIN: &str = "autotest_system";

#[derive(Default)]
struct Pseudonyms {
    known: BTreeMap<Arc<str>, Arc<str>>,
}

impl Pseudonyms {
    fn of(&mut self, login: &Arc<str>) -> Arc<str> {
        if &**login == SYSTEM_LOGIN {
            return login.clone();
        }
        let next = self.known.len() + 1;
        self.known.entry(login.clone()).or_insert_with(|| format!("user-{next}").into()).clone()
    }
}

/// Replaces what says who people are.
pub(super) fn hide(snapshot: &mut Snapshot) {
    let mut pseudonyms = Pseudonyms::default();
    let live = &mut snapshot.live;
    live.users.sort_by_key(|user| user.id);
    live.users.iter_mut().for_each(|user| user.login = pseudonyms.of(&user.login));
    live.jobs.iter_mut().for_each(|job| job.name = profile_of(&job.name));
    let kills = live.kills.iter_mut().map(|kill| &mut kill.path);
    for path in kills.chain(live.strays.iter_mut().map(|stray| &mut stray.path)) {
        if let ExecutionPath::Entry { owner, .. } = path {
            *owner = pseudonyms.of(owner);
        }
    }
    snapshot.history.jobs.iter_mut().for_each(|job| job.owner = pseudonyms.of(&job.owner));
    snapshot.history.remarks.push("owners are pseudonyms, and names of jobs are profiles".to_owned());
}
