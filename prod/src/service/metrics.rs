//! Figures for Prometheus: how ticks go, what is at work, what the drones do. Served over HTTP at `/metrics` where
//! `service.metrics_address` says so.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::{info, warn};
use yardmaster_engine::{Core, Notice, Span, TickReport, TickTimes, Time};

use crate::drones::{DroneHealth, DroneState, Fleet};

/// Entries are counted so often: it takes a pass over all of them.
const COUNT_ENTRIES_EVERY: Span = Span::from_seconds(10);

type Labels = [(&'static str, String); 1];

/// The figures of one scheduler.
pub(super) struct Metrics {
    registry: Arc<Registry>,
    parts: Family<Labels, Histogram, fn() -> Histogram>,
    ticks: Family<Labels, Counter>,
    counts: Family<Labels, Counter>,
    agents: Gauge,
    entries: Family<Labels, Gauge>,
    processes: OfDrones,
    answering: OfDrones,
    counted_at: Option<Time>,
}

/// A figure of each drone. One that is gone has none any more.
#[derive(Default)]
struct OfDrones {
    figures: Family<Labels, Gauge>,
    drones: BTreeSet<String>,
}

impl OfDrones {
    fn set_all(&mut self, figures: impl Iterator<Item = (String, i64)>) {
        let mut gone = std::mem::take(&mut self.drones);
        for (drone, figure) in figures {
            self.figures.get_or_create(&label("drone", &drone)).set(figure);
            gone.remove(&drone);
            self.drones.insert(drone);
        }
        for drone in gone {
            self.figures.remove(&label("drone", drone));
        }
    }
}

fn tick_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

fn label(name: &'static str, value: impl ToString) -> Labels {
    [(name, value.to_string())]
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("yardmaster");
        let parts = Family::new_with_constructor(tick_histogram as fn() -> Histogram);
        let (ticks, counts, agents) = (Family::default(), Family::default(), Gauge::default());
        let (entries, processes, answering) = (Family::default(), OfDrones::default(), OfDrones::default());
        registry.register("tick_seconds", "How long the parts of a tick take", parts.clone());
        registry.register("ticks", "Ticks by how they ended", ticks.clone());
        registry.register("events", "What ticks did, and what they came across", counts.clone());
        registry.register("agents", "Tasks that the scheduler is busy with", agents.clone());
        registry.register("entries", "Live host queue entries by status", entries.clone());
        registry.register("drone_processes", "Processes that count against a drone's limit", processes.figures.clone());
        registry.register("drone_answers", "Whether a drone answers", answering.figures.clone());
        let registry = Arc::new(registry);
        Metrics { registry, parts, ticks, counts, agents, entries, processes, answering, counted_at: None }
    }

    /// Serves them from now on.
    pub(super) async fn serve(&self, address: SocketAddr) -> anyhow::Result<()> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("service.metrics_address: cannot listen on {address}"))?;
        info!(%address, "metrics at /metrics");
        let registry = Arc::clone(&self.registry);
        let page = move || async move {
            let mut text = String::new();
            encode(&mut text, &registry).expect("a String takes everything");
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        };
        let router = Router::new().route("/metrics", get(page));
        tokio::spawn(async move {
            if let Err(cause) = axum::serve(listener, router).await {
                warn!(%cause, "metrics are not served any more");
            }
        });
        Ok(())
    }

    /// Takes in how a tick went.
    pub(super) fn note(&mut self, report: &TickReport, times: TickTimes, core: &Core, fleet: &Fleet, now: Time) {
        let TickTimes { hear, decide, commit, act } = times;
        for (part, time) in [("hear", hear), ("decide", decide), ("commit", commit), ("act", act)] {
            self.parts.get_or_create(&label("part", part)).observe(time.as_seconds_f64());
        }
        let outcome = match report {
            TickReport::Done(_) => "done",
            TickReport::Skipped(_) => "skipped",
            TickReport::NotCommitted(_) => "not_committed",
        };
        self.ticks.get_or_create(&label("outcome", outcome)).inc();
        if let TickReport::Done(output) = report {
            let stats = &output.stats;
            self.agents.set(stats.agents as i64);
            for (event, count) in [
                ("hosts_assigned", stats.hosts_assigned),
                ("agents_started", stats.agents_started),
                ("agents_ended", stats.agents_ended),
                ("processes_started", stats.processes_started),
                ("processes_ended", stats.processes_ended),
                ("rows_quarantined", stats.quarantined),
                ("ticks_throttled", u32::from(stats.throttled)),
            ] {
                self.counts.get_or_create(&label("event", event)).inc_by(count.into());
            }
            output.notices.iter().filter_map(error_of).for_each(|error| {
                self.counts.get_or_create(&label("event", error)).inc();
            });
        }
        self.processes
            .set_all(core.processes_by_drone().map(|(drone, active)| (drone.name.to_string(), active.into())));
        if self.counted_at.is_none_or(|counted| counted + COUNT_ENTRIES_EVERY <= now) {
            self.counted_at = Some(now);
            for (status, count) in core.entries_by_status() {
                self.entries.get_or_create(&label("status", status)).set(count as i64);
            }
            let answers = |health: DroneHealth| i64::from(health.state == DroneState::Up);
            self.answering.set_all(fleet.health().into_iter().map(|(drone, health)| (drone.name, answers(health))));
        }
    }
}

/// The name under which a notice is counted, if it tells of something that went wrong and was dealt with.
fn error_of(notice: &Notice) -> Option<&'static str> {
    match notice {
        Notice::StartRefused { .. } => Some("starts_refused"),
        Notice::NoResults { .. } => Some("jobs_without_results"),
        Notice::CorruptPidfile { .. } => Some("corrupt_pidfiles"),
        Notice::LostProcess { .. } => Some("processes_lost"),
        Notice::DroneSilent { .. } => Some("drones_fallen_silent"),
        Notice::ActiveAndComplete { .. } => Some("entries_active_and_complete"),
        Notice::PlatformCount { .. } => Some("hosts_without_one_platform"),
        Notice::HostRecovered { .. } => Some("hosts_recovered"),
        Notice::NoDroneSet { .. } => Some("missing_drone_sets"),
        Notice::Orphans { .. } => Some("orphan_reports"),
        // Quarantined rows are counted with the tick; the others tell of nothing wrong.
        Notice::Quarantined { .. }
        | Notice::EntryStatus { .. }
        | Notice::JobEnded { .. }
        | Notice::DroneBack { .. } => None,
    }
}
