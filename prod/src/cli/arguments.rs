//! Arguments that several commands take.

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use yardmaster_engine::{EntryStatus, HostStatus, JobId, Protection, TaskKind};

use crate::frontend::view::Moment;

/// In whose name something is done.
#[derive(Debug, Args)]
pub(crate) struct Actor {
    /// In whose name [default: $YARDMASTER_USER, else $USER].
    #[arg(long = "as", value_name = "LOGIN")]
    login: Option<String>,
}

impl Actor {
    pub(crate) fn login(&self) -> anyhow::Result<String> {
        let set = |variable: &str| std::env::var(variable).ok().filter(|login| !login.is_empty());
        let login = self.login.clone().or_else(|| set("YARDMASTER_USER")).or_else(|| set("USER"));
        login.ok_or_else(|| anyhow::anyhow!("nobody is named: give --as LOGIN, or set YARDMASTER_USER"))
    }
}

/// A moment in the past: a span as `2h` or `3days`, or a date with or without time.
pub(crate) fn since(text: &str) -> Result<Moment, String> {
    if let Ok(span) = humantime::parse_duration(text) {
        let seconds = i64::try_from(span.as_secs()).map_err(|_| format!("{text:?} is too long ago"))?;
        return Ok(Moment(Moment::now().0.saturating_sub(seconds)));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(Moment(moment.as_second()));
    }
    let local = text.parse::<DateTime>().ok().and_then(|local| local.to_zoned(TimeZone::system()).ok());
    let moment = local.or_else(|| text.parse::<Zoned>().ok());
    moment
        .map(|moment| Moment(moment.timestamp().as_second()))
        .ok_or_else(|| "expected a span, as 2h or 3days, or a moment, as 2026-11-22 or 2026-11-22T18:00".to_owned())
}

/// `KEY=VALUE`
pub(crate) fn keyval(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err("expected KEY=VALUE, the key without blanks".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// A word of one of the engine's vocabularies, in whatever case and with - for blanks.
fn word<W: Copy + ToString>(all: &[W], what: &str, text: &str) -> Result<W, String> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], " ");
    let wanted = plain(text);
    let found = all.iter().find(|word| plain(&word.to_string()) == wanted);
    found.copied().ok_or_else(|| {
        let known: Vec<String> = all.iter().map(W::to_string).collect();
        let near = crate::suggestion::nearest(text, known.iter().map(String::as_str));
        let suggestion = crate::suggestion::did_you_mean(near);
        format!("unknown {what}{suggestion}: expected one of {}", known.join(", "))
    })
}

pub(crate) fn entry_status(text: &str) -> Result<EntryStatus, String> {
    word(EntryStatus::ALL, "entry status", text)
}

pub(crate) fn host_status(text: &str) -> Result<HostStatus, String> {
    word(HostStatus::ALL, "host status", text)
}

pub(crate) fn task_kind(text: &str) -> Result<TaskKind, String> {
    word(TaskKind::ALL, "special task", text)
}

pub(crate) fn protection(text: &str) -> Result<Protection, String> {
    word(Protection::ALL, "protection level", text)
}

pub(crate) fn reboot_before(text: &str) -> Result<yardmaster_engine::RebootBefore, String> {
    word(yardmaster_engine::RebootBefore::ALL, "reboot_before", text)
}

pub(crate) fn reboot_after(text: &str) -> Result<yardmaster_engine::RebootAfter, String> {
    word(yardmaster_engine::RebootAfter::ALL, "reboot_after", text)
}

pub(crate) fn job_id(text: &str) -> Result<JobId, String> {
    text.parse().map(JobId).map_err(|_| "expected the number of a job".to_owned())
}
