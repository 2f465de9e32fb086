//! The limit to compare with: nothing but an event queue.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Puts through a bare queue as many events as so many lifecycles make, with as many pending at a time as there are hosts,
/// and gives a sum that depends on all of them.
pub fn run_bare_events(lifecycles: u32, hosts: u32, events_per_lifecycle: u32) -> u64 {
    let mut queue: BinaryHeap<Reverse<(u64, u32)>> = (0..hosts).map(|host| Reverse((u64::from(host), host))).collect();
    let mut sum = 0u64;
    for _ in 0..u64::from(lifecycles) * u64::from(events_per_lifecycle) {
        let Some(Reverse((time, host))) = queue.pop() else { break };
        sum = sum.wrapping_add(time ^ u64::from(host));
        queue.push(Reverse((time + 60_000_000 + (time ^ u64::from(host)) % 60_000_000, host)));
    }
    sum
}
