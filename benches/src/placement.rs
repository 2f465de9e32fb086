//! Many different requests meet many different hosts, for the first time.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smallvec::SmallVec;
use yardmaster_engine::{
    AclGroupId, Core, Drone, DroneAnswer, DroneId, DroneReport, Host, Job, LabelId, LiveRows, Role, Settings,
    TickInput, Time, User, UserId,
};

use crate::busy_lab::{drone, entry, host, job, label, user};

const LABELS: u32 = 1_000;
const OWNERS: u32 = 20;

/// 5,000 idle hosts of 50 labels each and 100,000 queued jobs that ask for 4, of 1,000 labels in all; 20 owners, each with
/// an ACL group of their own beside the common one, in which half of the hosts are. Ready for the first tick, with the input
/// for it.
pub fn placement_problem(hosts: u32, jobs: u32) -> (Core, Time, TickInput) {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut some_labels = |count: usize| {
        let mut labels: SmallVec<[LabelId; 4]> = SmallVec::new();
        while labels.len() < count {
            let label = LabelId(random.random_range(1..=LABELS));
            if let Err(place) = labels.binary_search(&label) {
                labels.insert(place, label);
            }
        }
        labels
    };
    let now = Time::from_seconds(1_600_000_000);
    let with_groups = |id: u32| User { acls: [AclGroupId(1), AclGroupId(1 + id)].into_iter().collect(), ..user(id) };
    let with_labels = |id: u32, labels| {
        let group = if id.is_multiple_of(2) { 1 } else { 2 + id % OWNERS };
        Host { labels, acls: [AclGroupId(group)].into_iter().collect(), ..host(id, 1) }
    };
    let rows = LiveRows {
        labels: (1..=LABELS).map(|id| label(id, &format!("label{id}"))).collect(),
        users: (1..=OWNERS).map(with_groups).collect(),
        hosts: (1..=hosts).map(|id| with_labels(id, some_labels(50))).collect(),
        drones: vec![Drone { max_processes: hosts * 2, ..drone(1, 0) }],
        jobs: (1..=jobs)
            .map(|id| Job { labels: some_labels(4), ..job(id, UserId(id % OWNERS + 1), &[], now) })
            .collect(),
        ..LiveRows::default()
    };
    let entries = rows.jobs.iter().map(|job| entry(job.id.0, job.labels.first().copied())).collect();
    let rows = LiveRows { entries, next_task: 1, ..rows };
    let (mut core, _) = Core::recover_from(Settings::default(), Role::Whole, rows, now, false);
    let answer = DroneAnswer::News { pidfiles: Vec::new(), unclaimed: Vec::new() };
    let input = TickInput { drones: vec![DroneReport { drone: DroneId(1), answer }], ..TickInput::default() };
    core.tick(now, input);
    (core, now, TickInput::default())
}
