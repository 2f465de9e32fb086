//! The report: one page that needs nothing but itself, written for people who have never seen the simulator.

use askama::Template;
use yardmaster_engine::EntryStatus;

use super::decimal::Decimal;
use super::duration::{grouped_count, percentage, readable_seconds};
use super::plots::{FONT_FACES, FONT_FAMILY, Picture};
use super::quantiles::Distribution;
use super::sheets::{self, Sheet, count};
use super::summary::Summary;

/// Rows of a table shown at most; the others are in `summary.json`.
const ROWS_MAX: usize = 40;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: &'a str,
    font_family: &'a str,
    font_faces: &'a str,
    /// Two or three sentences that say how it went.
    lead: String,
    headlines: Vec<Headline>,
    figures: Vec<Figure<'a>>,
    overview: Vec<(&'static str, String)>,
    sheets: Vec<Sheet>,
    /// How the run was made: names and values.
    provenance: Vec<(&'static str, String)>,
}

/// A figure that a reader in a hurry takes away.
struct Headline {
    figure: String,
    meaning: &'static str,
}

struct Figure<'a> {
    title: &'a str,
    explanation: &'a str,
    svg: String,
}

/// The page as HTML.
pub(super) fn report(summary: &Summary, pictures: &[Picture]) -> Result<String, askama::Error> {
    let mut sheets = vec![
        sheets::waits_by_class(summary, ROWS_MAX),
        sheets::waits_by_host_kind(summary, ROWS_MAX),
        sheets::utilisation(summary, ROWS_MAX),
    ];
    if let Some(recorded) = sheets::recorded(summary, ROWS_MAX) {
        sheets.insert(0, recorded);
    }
    Page {
        title: &summary.scenario,
        font_family: FONT_FAMILY,
        font_faces: &FONT_FACES,
        lead: lead(summary),
        headlines: headlines(summary),
        figures: pictures
            .iter()
            .map(|picture| Figure {
                title: picture.title,
                explanation: &picture.explanation,
                svg: picture.inline_svg(),
            })
            .collect(),
        overview: sheets::overview(summary),
        sheets,
        provenance: provenance(summary),
    }
    .render()
}

fn headlines(summary: &Summary) -> Vec<Headline> {
    let waits = &summary.waiting_time.all;
    let time = |distribution: &Distribution, time| {
        if distribution.count == 0 { "–".to_owned() } else { readable_seconds(time) }
    };
    let completed = summary.jobs.with_status(EntryStatus::Completed);
    let completed = Decimal::ratio(completed.into(), summary.jobs.ended.into());
    let mut headlines = vec![
        Headline { figure: grouped_count(summary.jobs.submitted), meaning: "jobs submitted" },
        Headline { figure: completed.map_or("–".to_owned(), percentage), meaning: "of the ended jobs completed" },
        Headline { figure: time(&waits.distribution, waits.distribution.p50), meaning: "median wait for a start" },
        Headline {
            figure: time(&waits.distribution, waits.distribution.p95),
            meaning: "95 in 100 jobs wait no longer",
        },
        Headline { figure: percentage(waits.started_within_10_minutes), meaning: "of jobs start within 10 minutes" },
        Headline { figure: percentage(summary.lab.hosts.utilisation), meaning: "of the hosts' time is in use" },
        Headline { figure: grouped_count(summary.lab.queue_peak.into()), meaning: "tests in the longest queue" },
    ];
    headlines.push(match &summary.recorded {
        Some(recorded) => Headline {
            figure: readable_seconds(recorded.all.recorded.p50),
            meaning: "median wait that the trace recorded",
        },
        None => {
            Headline { figure: grouped_count(summary.lab.drones.peak_processes), meaning: "processes at once, at most" }
        }
    });
    headlines
}

fn lead(summary: &Summary) -> String {
    let (jobs, lab) = (&summary.jobs, &summary.lab);
    let mut lead = format!(
        "In {} of simulated time, {} were submitted to a lab of {}, whose tests are run by {}.",
        readable_seconds(summary.simulated_time),
        count(jobs.submitted, "job"),
        count(lab.hosts.hosts, "host"),
        count(lab.drones.drones, "drone"),
    );
    let waits = &summary.waiting_time.all.distribution;
    if waits.count > 0 {
        lead += &format!(
            " Half of the jobs that started did so within {}, and 95 in 100 within {}.",
            readable_seconds(waits.p50),
            readable_seconds(waits.p95)
        );
    }
    let failed = jobs.with_status(EntryStatus::Failed);
    if jobs.ended > 0 {
        lead += &format!(
            " Of the {} that ended, {} completed and {} failed.",
            grouped_count(jobs.ended),
            grouped_count(jobs.with_status(EntryStatus::Completed)),
            grouped_count(failed)
        );
    }
    if jobs.started < jobs.submitted {
        lead += &format!(" {} never started.", grouped_count(jobs.submitted - jobs.started));
    }
    if jobs.ended < jobs.submitted {
        lead += &format!(" {} had not ended when the run did.", grouped_count(jobs.submitted - jobs.ended));
    }
    lead
}

fn provenance(summary: &Summary) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("scenario", summary.scenario.clone()),
        ("seed", summary.seed.to_string()),
        ("simulator", format!("yardmaster-sim {}", env!("CARGO_PKG_VERSION"))),
        ("scheduler's tick", readable_seconds(summary.tick)),
        ("ticks run", grouped_count(summary.ticks)),
    ];
    if let Some(start) = summary.start_unix_time {
        let start = jiff::Timestamp::from_microsecond(start.millionths()).unwrap_or_default();
        lines.push(("first tick", start.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
    }
    lines.push(("digest", summary.digest.clone()));
    lines
}
