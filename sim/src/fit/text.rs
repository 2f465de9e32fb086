//! A fitted lab as a scenario file that people read and change: every figure with what it rests on beside it.

use std::fmt::{self, Write};

use yardmaster_engine::{Span, Time};

use crate::host_list::host_list_of;

use super::model::{
    Arrivals, FittedLab, Generator, HostGroup, JobType, Manner, OutageOf, OutageTimes, Outages, Place, Suite,
    TaskHabit, Tasks,
};
use super::rates::Rate;
use super::sample::{Fitted, significant};

/// Comments are broken before this column.
const WIDTH: usize = 120;

/// As `yardmaster-sim run` reads it.
impl fmt::Display for FittedLab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            comment(f, note)?;
        }
        writeln!(f, "\nname = {}", quoted(&self.name))?;
        writeln!(f, "about = {}", quoted(&self.about))?;
        writeln!(f, "start = {}", moment(self.start, self.unix_time))?;
        writeln!(f, "end = {}", moment(self.end, self.unix_time))?;
        if !self.settings.is_empty() {
            write!(f, "\n[settings]\n{}", self.settings)?;
        }
        self.hosts.iter().try_for_each(|hosts| write_hosts(f, hosts))?;
        for (name, processes) in &self.drones {
            write!(f, "\n[[drone]]\nname = {}\nmax_processes = {processes}\n", quoted(name))?;
        }
        writeln!(f, "\n[workload.job]")?;
        manner(&self.usual, None).into_iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))?;
        for (name, rate) in &self.bursts {
            write!(f, "\n[[workload.bursts]]\nname = {}\n", quoted(name))?;
            write_rate(f, rate)?;
        }
        self.generators.iter().try_for_each(|generator| write_generator(f, generator, &self.usual))?;
        self.write_processes(f)?;
        self.outages.iter().try_for_each(|outages| write_outages(f, outages))
    }
}

impl FittedLab {
    fn write_processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.processes.is_empty() {
            let whole = toml::Table::from_iter([("processes".to_owned(), self.processes.clone().into())]);
            write!(f, "\n{whole}")?;
        }
        if let Some(tests) = &self.tests {
            writeln!(f, "\n[processes.test]                    # where a job type says nothing")?;
            line(f, "runtime", tests)?;
        }
        self.tasks.iter().try_for_each(|tasks| write_tasks(f, tasks))
    }
}

fn write_hosts(f: &mut fmt::Formatter<'_>, hosts: &HostGroup) -> fmt::Result {
    let names: Vec<&str> = hosts.names.iter().map(|name| &**name).collect();
    writeln!(f, "\n[[host]]")?;
    writeln!(f, "name = {}", quoted(&host_list_of(&names)))?;
    writeln!(f, "kind = {}", quoted(&hosts.kind))?;
    writeln!(f, "labels = {}", list(&hosts.labels))?;
    if hosts.locked { writeln!(f, "locked = true") } else { Ok(()) }
}

fn write_rate(f: &mut fmt::Formatter<'_>, rate: &Rate) -> fmt::Result {
    match &rate.per_hour[..] {
        [one] => writeln!(f, "per_hour = {one}   # n = {}", rate.moments)?,
        hours => {
            let of = if hours.len() == 24 { "by hour of the day" } else { "by hour of the week, from Monday" };
            writeln!(f, "per_hour = [   # {of}, UTC; mean {}, n = {}", significant(rate.mean()), rate.moments)?;
            for half_day in hours.chunks(12) {
                let hours: Vec<String> = half_day.iter().map(f64::to_string).collect();
                writeln!(f, "  {},", hours.join(", "))?;
            }
            writeln!(f, "]")?;
        }
    }
    let Some(sigma) = rate.day_sigma else { return Ok(()) };
    let median = significant(libm::exp(-sigma * sigma / 2.0));
    writeln!(f, "day_factor = {{ lognormal = {{ median = {median}, sigma = {sigma} }} }}   # days differ beyond chance")
}

fn write_generator(f: &mut fmt::Formatter<'_>, generator: &Generator, usual: &Manner) -> fmt::Result {
    writeln!(f, "\n[[workload.generate]]\nname = {}", quoted(&generator.name))?;
    let pinned = |arrivals: &Arrivals| match arrivals {
        Arrivals::EachHostEvery(_) | Arrivals::EachHostAtRandom { .. } => true,
        Arrivals::Single(_) | Arrivals::OnBursts { .. } => false,
    };
    if generator.arrivals.iter().any(pinned) {
        writeln!(f, "only_in_service = true")?;
    }
    for arrivals in &generator.arrivals {
        if generator.arrivals.len() > 1 {
            writeln!(f, "[[workload.generate.arrivals]]")?;
        }
        write_arrivals(f, arrivals)?;
    }
    generator.mix.iter().try_for_each(|one| write_job_type(f, one, usual))
}

fn write_arrivals(f: &mut fmt::Formatter<'_>, arrivals: &Arrivals) -> fmt::Result {
    match arrivals {
        Arrivals::Single(rate) => {
            let process = if rate.per_hour.len() == 1 { "poisson" } else { "profile" };
            writeln!(f, "[workload.generate.arrivals.{process}]")?;
            write_rate(f, rate)
        }
        Arrivals::OnBursts { bursts, chance, met, size, delay, spread } => {
            writeln!(f, "[workload.generate.arrivals.on]\nbursts = {}", quoted(bursts))?;
            writeln!(f, "chance = {}   # {met} pushes", significant(*chance))?;
            line(f, "size", size)?;
            line(f, "delay_sec", delay)?;
            line(f, "spread_sec", spread)
        }
        Arrivals::EachHostEvery(minutes) => {
            writeln!(f, "[workload.generate.arrivals.every]")?;
            line(f, "minutes", minutes)
        }
        Arrivals::EachHostAtRandom { per_hour, jobs } => {
            writeln!(f, "[workload.generate.arrivals.poisson]")?;
            writeln!(f, "per_hour = {}   # n = {jobs}, for each host", significant(*per_hour))
        }
    }
}

fn write_job_type(f: &mut fmt::Formatter<'_>, one: &JobType, usual: &Manner) -> fmt::Result {
    writeln!(f, "[[workload.generate.mix]]\nprofile = {}\nweight = {}", quoted(&one.profile), one.weight)?;
    match &one.place {
        Place::Any { label, count: 1 } => writeln!(f, "label = {}", quoted(label))?,
        Place::Any { label, count } => writeln!(f, "label = {}\ncount = {count}", quoted(label))?,
        Place::EachOfKind(kind) => writeln!(f, "each_host_of_kind = {}", quoted(kind))?,
        Place::Host(name) => writeln!(f, "hosts = {}", quoted(name))?,
        Place::Hostless => writeln!(f, "hostless = true")?,
    }
    if let Some(runtime) = &one.runtime {
        line(f, "runtime", runtime)?;
    }
    write_failures(f, one.failed, one.ended)?;
    if let Some(tests_failed) = &one.tests_failed {
        line(f, "tests_failed", tests_failed)?;
    }
    let differs: Vec<String> =
        manner(&one.manner, Some(usual)).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    if !differs.is_empty() {
        writeln!(f, "job = {{ {} }}", differs.join(", "))?;
    }
    // A table of its own: nothing of the job type can stand behind it.
    one.suite.as_ref().map_or(Ok(()), |suite| write_suite(f, suite))
}

fn write_suite(f: &mut fmt::Formatter<'_>, suite: &Suite) -> fmt::Result {
    writeln!(f, "[workload.generate.mix.suite]")?;
    match &suite.children[..] {
        [(only, _)] => writeln!(f, "child = {}", quoted(only))?,
        many => {
            let weights: Vec<String> = many.iter().map(|(name, count)| format!("{} = {count}", quoted(name))).collect();
            writeln!(f, "child = {{ {} }}", weights.join(", "))?;
        }
    }
    line(f, "children", &suite.count)?;
    line(f, "delay_sec", &suite.delay)?;
    writeln!(f, "min_duts = {}", suite.min_hosts)
}

fn write_failures(f: &mut fmt::Formatter<'_>, failed: usize, ended: usize) -> fmt::Result {
    if ended == 0 {
        return Ok(());
    }
    writeln!(f, "failure = {}   # {failed} of {ended}", significant(failed as f64 / ended as f64))
}

fn write_tasks(f: &mut fmt::Formatter<'_>, tasks: &Tasks) -> fmt::Result {
    let habit = |f: &mut fmt::Formatter<'_>, habit: &TaskHabit| {
        line(f, "runtime", &habit.runtime)?;
        write_failures(f, habit.failed, habit.ended)
    };
    writeln!(f, "\n[processes.{}]", tasks.kind.lower())?;
    habit(f, &tasks.usual)?;
    for (kind, differing) in &tasks.by_host_kind {
        writeln!(f, "[processes.{}.kind.{}]", tasks.kind.lower(), quoted(kind))?;
        habit(f, differing)?;
    }
    Ok(())
}

fn write_outages(f: &mut fmt::Formatter<'_>, outages: &Outages) -> fmt::Result {
    writeln!(f, "\n[[outage]]")?;
    match &outages.of {
        OutageOf::Kind { kind, except } => {
            writeln!(f, "kind = {}", quoted(kind))?;
            if !except.is_empty() {
                let names: Vec<&str> = except.iter().map(|name| &**name).collect();
                writeln!(f, "except = {}", quoted(&host_list_of(&names)))?;
            }
        }
        OutageOf::Host(name) => writeln!(f, "hosts = {}   # not like its kind", quoted(name))?,
        OutageOf::Together { label, share } => {
            if let Some(label) = label {
                writeln!(f, "label = {}", quoted(label))?;
            }
            writeln!(f, "together = true\nshare = {share}")?;
        }
    }
    writeln!(f, "effect = \"offline\"")?;
    match &outages.when {
        OutageTimes::Again { between, lasting } => {
            line(f, "hours_between", between)?;
            line(f, "hours_lasting", lasting)
        }
        OutageTimes::AsTheyWere { outages, weeks } => {
            writeln!(
                f,
                "weekly = [   # hour of the week, from Monday, UTC; hours that it lasts; n = {}",
                outages.len()
            )?;
            for six in outages.chunks(6) {
                let six: Vec<String> = six.iter().map(|[hour, lasting]| format!("[{hour}, {lasting}]")).collect();
                writeln!(f, "  {},", six.join(", "))?;
            }
            writeln!(f, "]\nonce_in_weeks = {weeks}")
        }
    }
}

/// What a job is like, as keys and values; where there is something usual, only what differs from it.
fn manner(manner: &Manner, usual: Option<&Manner>) -> Vec<(&'static str, String)> {
    let minutes = |span: Span| ((span.as_seconds_f64() / 60.0).ceil().max(1.0) as u64).to_string();
    let text = |manner: &Manner| {
        [
            ("class", quoted(&manner.class)),
            ("priority", manner.priority.to_string()),
            ("owner", quoted(&manner.owner)),
            ("synch_count", manner.synch_count.max(1).to_string()),
            ("labels", list(&manner.labels)),
            ("run_verify", manner.run_verify.to_string()),
            ("run_reset", manner.run_reset.to_string()),
            ("reboot_before", quoted(manner.reboot_before.as_str())),
            ("reboot_after", quoted(manner.reboot_after.as_str())),
            ("timeout_mins", minutes(manner.timeout)),
            ("max_runtime_mins", minutes(manner.max_runtime)),
        ]
    };
    let usual = usual.map(text);
    let keys = text(manner).into_iter().enumerate();
    keys.filter(|(index, key)| usual.as_ref().is_none_or(|usual| usual[*index] != *key)).map(|(_, key)| key).collect()
}

fn line(f: &mut fmt::Formatter<'_>, key: &str, fitted: &Fitted) -> fmt::Result {
    writeln!(f, "{key} = {}   # {fitted}", fitted.shape)
}

/// A sentence as a comment, broken into lines.
fn comment(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 3 {
            writeln!(f, "{line}")?;
            line = String::from("#  ");
        }
        line.write_char(' ')?;
        line.push_str(word);
    }
    writeln!(f, "{line}")
}

/// As scenarios write moments.
pub(super) fn moment(time: Time, unix_time: bool) -> String {
    let seconds = time.as_seconds();
    match jiff::Timestamp::from_second(seconds) {
        Ok(timestamp) if unix_time => timestamp.to_string(),
        _ => seconds.to_string(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[std::sync::Arc<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}
