//! When hosts break or are taken out of service, and when they come back.

use std::collections::BTreeMap;

use yardmaster_engine::{Span, Time};

use super::distribution::Distribution;
use super::draw::chance;
use super::error::ScenarioError;
use super::file::{AvailabilitySpec, EffectSpec, File, OutageSpec};
use super::lab::Lab;
use super::plan::{Outage, OutageEffect};
use super::random::{Concern, Stream, number_of};
use super::source::Source;
use super::trace::{TraceData, TraceJob};
use crate::host_list::host_list;

/// The most outages that a scenario may have.
const OUTAGES_MAX: usize = 5_000_000;

/// Outages as they are collected: for each effect and host the times between which it is out, in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct Outages {
    spans: BTreeMap<(OutageEffect, u32), Vec<(Time, Time)>>,
    count: usize,
}

impl Outages {
    fn add(&mut self, effect: OutageEffect, host: u32, from: Time, to: Time) {
        if from < to {
            self.spans.entry((effect, host)).or_default().push((from, to));
            self.count += 1;
        }
    }

    /// When each host is out, whatever the effect: ascending, without overlaps. By host.
    pub(super) fn by_host(&self) -> BTreeMap<u32, Vec<(Time, Time)>> {
        let mut of_host: BTreeMap<u32, Vec<(Time, Time)>> = BTreeMap::new();
        for ((_, host), spans) in &self.spans {
            of_host.entry(*host).or_default().extend(spans);
        }
        of_host.into_iter().map(|(host, spans)| (host, merged(spans))).collect()
    }

    /// The plan's list, ascending in time. Outages of one effect that overlap on a host become one; what began before
    /// `start` begins there, and what would end after `horizon` has no end.
    pub(super) fn into_list(self, [start, horizon]: [Time; 2]) -> Vec<Outage> {
        let mut list = Vec::new();
        for ((effect, host), spans) in self.spans {
            for (from, to) in merged(spans).into_iter().filter(|(from, to)| *from < horizon && start < *to) {
                list.push(Outage { time: from.max(start), host, broken: true, effect });
                if to < horizon {
                    list.push(Outage { time: to, host, broken: false, effect });
                }
            }
        }
        list.sort_by_key(|outage| (outage.time, outage.host, outage.effect, outage.broken));
        list
    }

    /// What a trace tells of boards out of service, without a look at when any waiting job was started; see
    /// docs/reality.md. A board that is in service gets its health check every few hours, so a board from which nothing
    /// was heard for longer was out from the end of its last job to the submission of its next, as a rule a check. After
    /// a check that failed, it was out until the next job that it ran was submitted, however soon. What the trace shows
    /// to have run before is run before in the simulation too: see [`OutageEffect::Silent`].
    pub(super) fn add_inferred(
        &mut self,
        source: &Source,
        spec: &AvailabilitySpec,
        trace: &TraceData,
        lab: &Lab,
        start: Time,
    ) -> Result<(), ScenarioError> {
        if !(spec.silence_hours > 0.0 && spec.silence_hours <= 1e6) {
            return Err(source.wrong("lab.availability.silence_hours", "must be > 0 and at most 1,000,000"));
        }
        let silence = Span::from_seconds_f64(spec.silence_hours * 3600.0);
        let mut of_board: BTreeMap<u32, Vec<&TraceJob>> = BTreeMap::new();
        for job in &trace.jobs {
            if let (Some(board), Some(_)) = (job.board, job.ended) {
                of_board.entry(board).or_default().push(job);
            }
        }
        for (board, mut jobs) in of_board {
            let Some(host) = lab.host(&trace.boards[board as usize].name) else { continue };
            jobs.sort_by_key(|job| (job.ended, job.line));
            // Of a board that appears late, nothing was heard before the window either.
            let mut last_heard = start;
            let mut failed_check = false;
            for job in jobs {
                let back = back_in_service(job, last_heard);
                if back - last_heard > silence || (failed_check && spec.after_failed_check) {
                    self.add(OutageEffect::Silent, host, last_heard, back);
                }
                failed_check = job.pinned && job.success == Some(false);
                last_heard = job.ended.unwrap_or(last_heard).max(last_heard);
            }
            let end = trace.window.to.unwrap_or(last_heard);
            if end - last_heard > silence || (failed_check && spec.after_failed_check) {
                self.add(OutageEffect::Silent, host, last_heard, Time::MAX);
            }
        }
        Ok(())
    }
}

/// Everything of a scenario that takes hosts out of service.
#[derive(Debug)]
pub(super) struct OutagePlan {
    listed: Vec<ListedOutage>,
    /// What a trace shows.
    inferred: Outages,
}

/// An `[[outage]]`, checked.
#[derive(Debug)]
struct ListedOutage {
    /// Each with the number by which questions know it.
    hosts: Vec<(u32, u64)>,
    effect: OutageEffect,
    when: When,
    /// All its hosts are out at the same times.
    together: bool,
    /// The chance that a host is out when its turn has come.
    share: f64,
}

/// When an outage begins.
#[derive(Debug)]
enum When {
    /// Once, for so many hours.
    Once { at: Time, lasting: Distribution },
    /// Again and again: hours from the end of one to the beginning of the next, and hours that each lasts.
    Again { between: Distribution, lasting: Distribution },
    /// Each of these in a week by chance: the hour of the week at which it begins, from Monday, and hours that it lasts.
    Weekly { outages: Vec<[f64; 2]>, chance: f64 },
}

impl OutagePlan {
    /// Checks every `[[outage]]`, and infers from the trace what `[lab.availability]` asks for.
    pub(super) fn checked(
        source: &Source,
        file: &File,
        lab: &Lab,
        trace: Option<&TraceData>,
        start: Time,
    ) -> Result<OutagePlan, ScenarioError> {
        let outages = file.outage.iter().enumerate();
        let listed = outages.map(|(index, spec)| ListedOutage::checked(source, index, spec, lab));
        let listed = listed.collect::<Result<_, _>>()?;
        let mut inferred = Outages::default();
        if let (Some(spec), Some(trace)) = (&file.lab.availability, trace) {
            if file.workload.trace.as_ref().is_some_and(|spec| spec.compress.is_some_and(|factor| factor != 1.0)) {
                return Err(source.wrong("lab.availability", "cannot be inferred where time is compressed"));
            }
            inferred.add_inferred(source, spec, trace, lab, start)?;
        }
        Ok(OutagePlan { listed, inferred })
    }

    /// What a trace shows.
    pub(super) fn inferred(&self) -> &Outages {
        &self.inferred
    }

    /// The outages of this seed that begin between the two moments. What is drawn up to a later moment begins with what
    /// is drawn up to an earlier one.
    ///
    /// # Errors
    /// There are more than a scenario may have.
    pub(super) fn draw(&self, source: &Source, seed: u64, extent: [Time; 2]) -> Result<Outages, ScenarioError> {
        let mut outages = self.inferred.clone();
        for (index, listed) in self.listed.iter().enumerate() {
            let concern = Concern::new(seed, &format!("outage {index}"));
            listed.add(&concern, extent, &mut outages).map_err(|()| {
                let problem = format_args!("comes to more than {OUTAGES_MAX} outages");
                source.wrong(&format!("outage[{index}]"), problem)
            })?;
        }
        Ok(outages)
    }
}

impl ListedOutage {
    fn checked(source: &Source, index: usize, spec: &OutageSpec, lab: &Lab) -> Result<ListedOutage, ScenarioError> {
        let key = format!("outage[{index}]");
        let hosts = listed_hosts(source, &key, spec, lab)?;
        let hosts = hosts.into_iter().map(|host| (host, number_of(&lab.hosts[host as usize].name))).collect();
        let effect = match spec.effect {
            None | Some(EffectSpec::Broken) => OutageEffect::Fails,
            Some(EffectSpec::Offline) => OutageEffect::Locked,
        };
        let when = When::checked(source, &key, spec)?;
        let share = chance(source, &format!("{key}.share"), spec.share)?.unwrap_or(1.0);
        Ok(ListedOutage { hosts, effect, when, together: spec.together, share })
    }

    /// Adds what these streams say.
    ///
    /// # Errors
    /// There are too many.
    fn add(&self, concern: &Concern, extent: [Time; 2], to: &mut Outages) -> Result<(), ()> {
        if !self.together {
            return self.hosts.iter().try_for_each(|host| {
                self.add_series(concern.stream([host.1, 0, 0]), extent, std::slice::from_ref(host), concern, to)
            });
        }
        // A stream that is no host's.
        self.add_series(concern.stream([0, 2, 0]), extent, &self.hosts, concern, to)
    }

    /// Adds a series of outages, each of which hits every one of these hosts by chance.
    fn add_series(
        &self,
        mut stream: Stream,
        [start, horizon]: [Time; 2],
        hosts: &[(u32, u64)],
        concern: &Concern,
        to: &mut Outages,
    ) -> Result<(), ()> {
        let hit = |number: u64, from: Time, end: Time, to: &mut Outages| {
            for (host, known_as) in hosts {
                if self.share >= 1.0 || concern.stream([*known_as, 1, number]).chance(self.share) {
                    to.add(self.effect, *host, from, end);
                }
            }
        };
        match &self.when {
            When::Once { at, lasting } => hit(0, *at, *at + hours(lasting, stream.unit()), to),
            When::Again { between, lasting } => {
                let (mut from, mut number) = (start + hours(between, stream.unit()), 0);
                while from < horizon {
                    let end = from + hours(lasting, stream.unit());
                    hit(number, from, end, to);
                    within_limit(to, number)?;
                    from = end + hours(between, stream.unit());
                    number += 1;
                }
            }
            When::Weekly { outages, chance } => {
                let longest = outages.iter().map(|[_, lasting]| *lasting).fold(0.0, f64::max);
                let first = start - Span::from_seconds_f64(longest * 3600.0);
                let mut number = 0;
                for week in week_of(first)..=week_of(horizon) {
                    for [hour, lasting] in outages {
                        let from =
                            Time::from_seconds(week * WEEK - WEEK_AT_EPOCH) + Span::from_seconds_f64(hour * 3600.0);
                        if stream.chance(*chance) && from < horizon {
                            hit(number, from, from + Span::from_seconds_f64(lasting * 3600.0), to);
                            within_limit(to, number)?;
                        }
                        number += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

impl When {
    fn checked(source: &Source, key: &str, spec: &OutageSpec) -> Result<When, ScenarioError> {
        let lasting = || {
            let lasting = spec.hours_lasting.as_ref().ok_or_else(|| source.wrong(key, "needs hours_lasting"))?;
            Distribution::checked(source, &format!("{key}.hours_lasting"), lasting)
        };
        match (&spec.hours_between, spec.at, &spec.weekly, spec.once_in_weeks) {
            (None, Some(at), None, None) => Ok(When::Once { at: at.time, lasting: lasting()? }),
            (Some(between), None, None, None) => {
                let between = Distribution::checked(source, &format!("{key}.hours_between"), between)?;
                Ok(When::Again { between, lasting: lasting()? })
            }
            (None, None, Some(outages), Some(weeks)) if spec.hours_lasting.is_none() => {
                if !(1.0..=1e6).contains(&weeks) {
                    let problem = format_args!("must be ≥ 1 and at most 1,000,000, not {weeks}");
                    return Err(source.wrong(&format!("{key}.once_in_weeks"), problem));
                }
                let fine =
                    |[hour, lasting]: &[f64; 2]| (0.0..168.0).contains(hour) && *lasting > 0.0 && *lasting <= 1e5;
                if let Some([hour, lasting]) = outages.iter().find(|outage| !fine(outage)) {
                    let problem = format_args!(
                        "must hold pairs of an hour of the week, from 0 up to, not including, 168, and of hours that it lasts, \
                         above 0, at most 100,000; not [{hour}, {lasting}]"
                    );
                    return Err(source.wrong(&format!("{key}.weekly"), problem));
                }
                Ok(When::Weekly { outages: outages.clone(), chance: 1.0 / weeks })
            }
            _ => {
                let problem = "needs exactly one of hours_between (again and again) and at (once), with hours_lasting, or \
                               weekly with once_in_weeks and without hours_lasting";
                Err(source.wrong(key, problem))
            }
        }
    }
}

/// Seconds of a week.
const WEEK: i64 = 7 * 86_400;
/// The Unix epoch was a Thursday: so many seconds after a week's beginning.
const WEEK_AT_EPOCH: i64 = 3 * 86_400;

fn week_of(time: Time) -> i64 {
    (time.as_seconds() + WEEK_AT_EPOCH).div_euclid(WEEK)
}

fn within_limit(outages: &Outages, number: u64) -> Result<(), ()> {
    if outages.count > OUTAGES_MAX || number > OUTAGES_MAX as u64 { Err(()) } else { Ok(()) }
}

/// When a board that was silent since `last_heard` and then ran this job was there again: when the job was submitted.
/// For a health check that is the moment itself, since nobody asks a board that is away for its health. Any other job
/// may have waited for the board; then this is too early, down to no outage at all, and never too late.
fn back_in_service(job: &TraceJob, last_heard: Time) -> Time {
    job.submit.max(last_heard)
}

fn listed_hosts(source: &Source, key: &str, spec: &OutageSpec, lab: &Lab) -> Result<Vec<u32>, ScenarioError> {
    let mut hosts = match (&spec.hosts, &spec.kind, &spec.label) {
        (Some(list), None, None) => named_hosts(source, &format!("{key}.hosts"), list, lab)?,
        (None, Some(kind), None) => {
            lab.check_kind(source, &format!("{key}.kind"), kind)?;
            lab.of_kind(kind)
        }
        (None, None, Some(label)) => {
            lab.check_request(1, label, &[])
                .map_err(|(problem, like)| source.wrong_name(&format!("{key}.label"), problem, like))?;
            lab.with_label(label)
        }
        (None, None, None) => (0..).take(lab.hosts.len()).collect(),
        _ => return Err(source.wrong(key, "takes one of hosts, kind and label, not several")),
    };
    if let Some(list) = &spec.except {
        let except = named_hosts(source, &format!("{key}.except"), list, lab)?;
        hosts.retain(|host| !except.contains(host));
    }
    Ok(hosts)
}

fn named_hosts(source: &Source, key: &str, list: &str, lab: &Lab) -> Result<Vec<u32>, ScenarioError> {
    let names = host_list(list).map_err(|error| source.wrong(key, error))?;
    let known = |name: String| {
        lab.host(&name).ok_or_else(|| {
            let problem = format!("the lab has no host {name:?}");
            source.wrong_name(key, problem, lab.host_like(&name))
        })
    };
    names.into_iter().map(known).collect()
}

/// The same times, ascending, those that overlap or touch being one.
fn merged(mut spans: Vec<(Time, Time)>) -> Vec<(Time, Time)> {
    spans.sort();
    let mut merged: Vec<(Time, Time)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Hours drawn from a distribution; at least a second, so that every series of outages ends.
fn hours(distribution: &Distribution, u: f64) -> Span {
    Span::from_seconds_f64((distribution.quantile(u) * 3600.0).clamp(1.0, 1e9))
}
