//! The report: one page that needs nothing but itself, for people who have to decide and do not read code.

use askama::Template;

use super::sheets::{self, Sheet};
use super::view::{at_bounds, confirmation, cost, details, is_unstable};
use super::words::{more_jobs, time};
use crate::output::plots::scales::readable_number;
use crate::output::plots::{FONT_FACES, FONT_FAMILY, Picture};
use crate::output::{grouped_count, readable_duration};
use crate::planning::figures::{JobSet, Judgement};
use crate::planning::queue::Queue;
use crate::planning::result::{Answer, PlanResult, PointResult, TICK};
use crate::planning::study::Search;

#[derive(Template)]
#[template(path = "plan.html")]
struct Page<'a> {
    name: &'a str,
    about: &'a str,
    font_family: &'a str,
    font_faces: &'a str,
    /// The answer.
    sentence: String,
    bottleneck: Option<String>,
    /// What was asked and how it was found out.
    lead: String,
    headlines: Vec<Headline>,
    /// Tables before the pictures, and after them.
    first: Vec<Sheet>,
    figures: Vec<Figure<'a>>,
    /// Which pictures there are none of, and why.
    missing: String,
    then: Vec<Sheet>,
    assumptions: &'a [String],
    confidence: String,
    provenance: Vec<(&'static str, String)>,
    command: String,
}

struct Headline {
    figure: String,
    meaning: String,
}

struct Figure<'a> {
    title: &'a str,
    explanation: &'a str,
    svg: String,
}

/// The page as HTML.
pub(super) fn page(result: &PlanResult, pictures: &[Picture]) -> Result<String, askama::Error> {
    let figure = |picture: &'_ Picture| picture.inline_svg();
    Page {
        name: &result.name,
        about: &result.about,
        font_family: FONT_FAMILY,
        font_faces: &FONT_FACES,
        sentence: result.sentence(),
        bottleneck: result.bottleneck(),
        lead: lead(result),
        headlines: headlines(result),
        first: sheets::changes(result).into_iter().chain([sheets::objectives(result)]).collect(),
        figures: pictures
            .iter()
            .map(|picture| Figure { title: picture.title, explanation: &picture.explanation, svg: figure(picture) })
            .collect(),
        missing: missing(pictures),
        then: [sheets::waits(result)]
            .into_iter()
            .chain(sheets::causes(result))
            .chain(sheets::gains(result))
            .chain([sheets::hosts(result), sheets::points(result)])
            .collect(),
        assumptions: &result.assumptions,
        confidence: readable_number(result.simulation.confidence * 100.0, 0),
        provenance: provenance(result),
        command: command(result),
    }
    .render()
}

fn lead(result: &PlanResult) -> String {
    let searched = match result.search {
        Search::Cheapest => "the cheapest sufficient one was looked for",
        Search::Grid => "all combinations of all levels were tried",
        Search::Single => "each level of each change was tried by itself",
    };
    let mut lead = format!("{}: {searched}.", result.extent());
    for sentence in [confirmation(result), at_bounds(result)].into_iter().flatten() {
        lead += &format!(" {sentence}");
    }
    let unstable = result.points.get(result.base).map_or(Vec::new(), unstable);
    if !unstable.is_empty() {
        lead += &format!(" In the lab as it is, queues grow without bound: {}.", unstable.join(", "));
    }
    let plans = result.points.iter().filter(|point| !result.is_probe(point));
    let growing = plans.filter(|point| !point.unstable.is_empty()).count();
    if growing > 0 {
        lead += &format!(
            " {growing} of the plans are unstable; what would depend on how long one looks is not told of them."
        );
    }
    if !result.warm_up.settled {
        lead += " The lab as it is did not settle: see what was assumed.";
    }
    lead
}

fn unstable(point: &PointResult) -> Vec<String> {
    point.unstable.iter().map(Queue::to_string).collect()
}

fn headlines(result: &PlanResult) -> Vec<Headline> {
    let (before, after) = (result.points.get(result.base), result.points.get(result.chosen()));
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let mut headlines = vec![price(result, after)];
    if let (Some(then), Some(now)) = (after.on_time, before.on_time) {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        headlines.push(compared(result, "of jobs on time", percent(now.value), percent(then.value)));
    }
    let met = |point: &PointResult| {
        let met = point.objectives.iter().flatten().filter(|objective| objective.judgement == Judgement::Met).count();
        format!("{met} of {}", result.objectives.len())
    };
    headlines.push(compared(result, "objectives met", met(before), met(after)));
    headlines.extend(wait(result, 0, "half of all jobs wait no longer"));
    headlines.extend(wait(result, 2, "95 in 100 jobs wait no longer"));
    headlines.extend(greatest_cause(result));
    if let Some(gain) = result.gains.first().filter(|gain| gain.on_time.low > 0.0) {
        let figure = more_jobs(gain.jobs);
        headlines.push(Headline { figure, meaning: format!("more on time with {}, the greatest gain", gain.resource) });
    }
    let plans = result.points.iter().filter(|point| !result.is_probe(point)).count();
    let meaning = format!("plans tried, in {} replications", grouped_count(result.replications));
    headlines.push(Headline { figure: grouped_count(plans as u64), meaning });
    headlines
}

fn price(result: &PlanResult, after: &PointResult) -> Headline {
    let meaning = match result.answer {
        Answer::AsItIs => "nothing has to be changed",
        Answer::Cheapest(_) if after.cost < 0.0 => "is what the plan saves",
        Answer::Cheapest(_) => "is what the plan costs",
        Answer::None { .. } => "is what the nearest plan costs; it does not suffice",
    };
    let price = if after.cost < 0.0 && matches!(result.answer, Answer::Cheapest(_)) { -after.cost } else { after.cost };
    Headline { figure: cost(result, price), meaning: meaning.to_owned() }
}

/// A figure of the answer, with what it is now.
fn compared(result: &PlanResult, meaning: &str, now: String, then: String) -> Headline {
    let meaning = match result.after {
        Some(_) => format!("{meaning}; as it is: {now}"),
        None => format!("{meaning}, as it is"),
    };
    Headline { figure: then, meaning }
}

fn wait(result: &PlanResult, percentile: usize, meaning: &str) -> Option<Headline> {
    let of_all = |detail: &crate::planning::Detail| {
        if is_unstable(result, detail, &JobSet::All) {
            return Some("unstable".to_owned());
        }
        let all = detail.waits.iter().find(|waits| waits.jobs == JobSet::All)?;
        Some(time(all.percentiles[percentile]?.value))
    };
    let mut waits = details(result).map(|(_, detail)| of_all(detail));
    let now = waits.next()??;
    let then = waits.next().unwrap_or_else(|| Some(now.clone()))?;
    Some(compared(result, meaning, now, then))
}

fn greatest_cause(result: &PlanResult) -> Option<Headline> {
    let all = result.asked_causes()?;
    let sum: f64 = all.causes.iter().map(|(_, seconds)| seconds).sum();
    let resources = all.causes.iter().filter(|(cause, _)| cause != TICK);
    let (cause, seconds) = resources.max_by(|one, other| one.1.total_cmp(&other.1))?;
    let meaning = format!("of the waiting of {}, as it is, is for this: {cause}", all.jobs.words());
    (sum > 0.0).then(|| Headline { figure: format!("{:.0} %", seconds / sum * 100.0), meaning })
}

/// Says of the pictures that a reader may look for why they are not there.
fn missing(pictures: &[Picture]) -> String {
    let reasons = [
        ("tradeoff", "no trade-off, because fewer than two plans have a share of jobs on time"),
        ("heat_map", "no heat map, because it takes two changes"),
        ("causes", "nothing about what waits are owed to, because nothing waited or it was not noted"),
    ];
    let missing = reasons.iter().filter(|(name, _)| pictures.iter().all(|picture| picture.name != *name));
    let missing: Vec<&str> = missing.map(|(_, reason)| *reason).collect();
    if missing.is_empty() { String::new() } else { format!("There is {}.", missing.join("; ")) }
}

fn provenance(result: &PlanResult) -> Vec<(&'static str, String)> {
    let simulation = &result.simulation;
    let percent = |share: f64| readable_number(share * 100.0, 1);
    let rule = match (result.warm_up.by_rule, result.warm_up.settled) {
        (true, true) => "found by MSER-5 on the queue and the busy hosts of the lab as it is",
        (true, false) => "MSER-5 found no end of the transient within half of the time",
        (false, _) => "as the plan says",
    };
    vec![
        ("plan", result.file.display().to_string()),
        ("scenario", result.scenario_file.display().to_string()),
        ("seed", result.seed.to_string()),
        ("program", format!("yardmaster-sim {}", env!("CARGO_PKG_VERSION"))),
        ("jobs that count", format!("those submitted within {}", readable_duration(simulation.window.0))),
        ("left out before", format!("{}: {rule}", readable_duration(result.warm_up.length.0))),
        (
            "simulated after",
            format!("{}, in which they may still start and end", readable_duration(simulation.drain.0)),
        ),
        (
            "replications of a plan",
            format!(
                "{} to {}, until every objective's interval of {} % lies on one side of its bound, or its estimate on the wrong \
                 side and the interval is narrower than ±{} (shares: percentage points; times: %); of the answer as many again as \
                 there may be, that the search has not seen",
                simulation.replications_min,
                simulation.replications_max,
                percent(simulation.confidence),
                percent(simulation.precision)
            ),
        ),
        ("replications in all", grouped_count(result.replications)),
    ]
}

/// The command that gives this result again.
fn command(result: &PlanResult) -> String {
    let file = result.file.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./+,:=@%".contains(letter);
    let file = if !file.is_empty() && file.chars().all(is_plain) {
        file
    } else {
        format!("'{}'", file.replace('\'', r"'\''"))
    };
    format!("yardmaster-sim plan {file} --seed {}", result.seed)
}
