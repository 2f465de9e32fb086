//! Faults on real parts: the service, agents, sshd, processes, databases and disks break while jobs run. Afterwards every job
//! has ended, everything has run exactly once, no host is held and nothing lives on.
//!
//! * `lab` builds a lab with real drones and a database; `work` is what it is given to do; `service` is the scheduler's process.
//! * `checks` is what must hold after every fault.
//! * `host_scheduler`, `live` and `surroundings` are what else the service does: mail, systemd, metrics, records.
//! * `hand_off` are jobs whose remaining life is a runner's, and everything that may happen to runner and scheduler.
//! * `containers` are cleaned beside everything else.
//! * `subnets`: hosts that only some drones may drive.
//! * `schedulers`, `handover`, `agents`, `silence`, `disks`, `upgrade`, `databases` and `failover` are the faults.
//!
//! `YARDMASTER_FAULTS=full` takes much longer. `YARDMASTER_SEED` repeats a run whose seed a failure has told, as far as real
//! parts can be made to repeat anything. `YARDMASTER_KEEP=1` leaves the folder of a failed test.

#[path = "../support/cutter.rs"]
mod cutter;
#[path = "../support/database_server.rs"]
mod database_server;
#[path = "../support/sshd.rs"]
mod sshd;

mod agents;
mod checks;
mod containers;
mod databases;
mod dice;
mod disks;
mod failover;
mod hand_off;
mod handover;
mod host_scheduler;
mod lab;
mod live;
mod processes;
mod schedulers;
mod service;
mod silence;
mod subnets;
mod surroundings;
mod upgrade;
mod work;
