//! The digest of a run: proof that two runs did the same, down to the microsecond.

use std::sync::Arc;

use yardmaster_engine::{Span, Time};

use crate::recording::{HostRecord, JobRecord, ProcessRecord, Recording, TimelinePoint};

/// Changes whenever the encoding below changes, so that digests of different encodings never meet.
const ENCODING: &[u8] = b"yardmaster recording 1\n";

/// Flushed into the hash when it has grown to this many bytes.
const CHUNK: usize = 1 << 16;

/// The BLAKE3 hash, in hexadecimal, of what happened in the simulated lab: hosts, drones, jobs, processes, timeline.
///
/// It covers what happened and nothing else: the scenario's name, the seed and the number of ticks are left out, so a
/// renamed scenario, or a simulator that jumps over more idle moments, keeps its digests. Integers are encoded as
/// little-endian, texts and lists with their length before them, enumerations by their words; the digest is the same
/// on every machine.
pub fn digest(recording: &Recording) -> String {
    let mut encoder = Encoder { hasher: blake3::Hasher::new(), pending: Vec::with_capacity(2 * CHUNK) };
    encoder.pending.extend_from_slice(ENCODING);
    encoder.time(recording.start);
    encoder.time(recording.end);
    encoder.span(recording.tick);
    encoder.integer(i64::from(recording.unix_time));
    encoder.list(&recording.hosts, Encoder::host);
    encoder.list(&recording.drones, |encoder, drone| {
        encoder.text(&drone.name);
        encoder.integer(i64::from(drone.max_processes));
        encoder.count(drone.started);
        encoder.integer(i64::from(drone.peak));
        encoder.span(drone.busy);
    });
    encoder.list(&recording.jobs, Encoder::job);
    encoder.list(&recording.processes, Encoder::process);
    encoder.list(&recording.timeline, Encoder::point);
    encoder.hasher.update(&encoder.pending);
    encoder.hasher.finalize().to_hex().to_string()
}

struct Encoder {
    hasher: blake3::Hasher,
    pending: Vec<u8>,
}

impl Encoder {
    fn integer(&mut self, value: i64) {
        self.pending.extend_from_slice(&value.to_le_bytes());
    }

    fn count(&mut self, value: u64) {
        self.pending.extend_from_slice(&value.to_le_bytes());
    }

    fn time(&mut self, value: Time) {
        self.integer(value.0);
    }

    fn span(&mut self, value: Span) {
        self.integer(value.0);
    }

    fn text(&mut self, value: &str) {
        self.count(value.len() as u64);
        self.pending.extend_from_slice(value.as_bytes());
    }

    fn texts(&mut self, values: &[&Arc<str>]) {
        for value in values {
            self.text(value);
        }
    }

    fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Encoder, T)) {
        self.pending.push(u8::from(value.is_some()));
        if let Some(value) = value {
            encode(self, value);
        }
    }

    fn list<T>(&mut self, values: &[T], mut encode: impl FnMut(&mut Encoder, &T)) {
        self.count(values.len() as u64);
        for value in values {
            encode(self, value);
            if self.pending.len() >= CHUNK {
                self.hasher.update(&self.pending);
                self.pending.clear();
            }
        }
    }

    fn indices(&mut self, values: &[u32]) {
        self.list(values, |encoder, &index| encoder.integer(i64::from(index)));
    }

    fn host(&mut self, host: &HostRecord) {
        self.texts(&[&host.name, &host.kind]);
        self.list(&host.time_in_status, |encoder, &span| encoder.span(span));
        self.count(host.tests);
        self.count(host.special_tasks);
        self.count(host.repair_failures);
    }

    fn job(&mut self, job: &JobRecord) {
        self.integer(i64::from(job.id));
        self.texts(&[&job.workload, &job.profile, &job.host_kind, &job.owner, &job.class]);
        self.integer(i64::from(job.priority));
        self.time(job.submitted);
        self.option(job.started, Encoder::time);
        self.option(job.assigned, Encoder::time);
        self.option(job.finished, Encoder::time);
        self.integer(i64::from(job.requested_hosts));
        self.span(job.requested_time);
        self.text(job.final_status.as_str());
        self.indices(&job.hosts);
        self.option(job.execution, Encoder::span);
        self.integer(i64::from(job.prejob_failures));
        self.integer(i64::from(job.requeues));
        self.option(job.recorded, |encoder, recorded| {
            encoder.time(recorded.started);
            encoder.time(recorded.finished);
            encoder.integer(i64::from(recorded.success));
        });
    }

    fn process(&mut self, process: &ProcessRecord) {
        self.text(process.kind.as_str());
        self.option(process.job, |encoder, job| encoder.integer(i64::from(job)));
        self.indices(&process.hosts);
        self.integer(i64::from(process.drone));
        self.time(process.started);
        self.option(process.finished, Encoder::time);
        self.option(process.exit_status, |encoder, status| encoder.integer(i64::from(status)));
        self.integer(i64::from(process.tests_failed));
    }

    fn point(&mut self, point: &TimelinePoint) {
        self.time(point.time);
        for figure in [
            point.queued,
            point.preparing,
            point.running,
            point.finishing,
            point.processes,
            point.hosts_busy,
            point.hosts_out,
        ] {
            self.integer(i64::from(figure));
        }
    }
}
