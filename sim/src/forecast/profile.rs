//! Which jobs and which hosts are alike.

use std::sync::Arc;

use yardmaster_engine::{Label, LabelId};

/// The profile of a job of this name: what is left of the name without the build that it tests.
///
/// The part after the last `/` counts, of `eve-release/R66-10452.0.0/bvt/dummy_Pass` the test `dummy_Pass`. In it, words
/// (between `-`, `_`, `:`, `@`, blanks and brackets) are left out that name a build: versions such as `10452.0.0`, `v5.4.17`
/// and `R66`, dates, numbers of four and more digits, and hashes of seven and more hexadecimal digits of which one is a
/// digit. Where nothing would be left, the whole part stays.
///
/// ```
/// use yardmaster_sim::forecast::profile_of;
///
/// assert_eq!(&*profile_of("eve-release/R66-10452.0.0/bvt/dummy_Pass"), "dummy_Pass");
/// assert_eq!(&*profile_of("ltp_v5.4.17_2026-11-22_x86"), "ltp_x86");
/// assert_eq!(&*profile_of("boot-3a7f9c1e"), "boot");
/// assert_eq!(&*profile_of("20261122"), "20261122");
/// ```
pub fn profile_of(name: &str) -> Arc<str> {
    let part = name.rsplit('/').find(|part| !part.trim().is_empty()).unwrap_or(name).trim();
    let mut profile = String::new();
    let (mut separator, mut after_number) = (None, false);
    for word in part.split_inclusive(is_separator) {
        let text = word.trim_end_matches(is_separator);
        let end = word.chars().next_back().filter(|last| is_separator(*last));
        // The parts of a date such as 2026-11-22 or 20261122-0930 follow a longer number.
        let within_date = after_number && text.len() <= 4 && is_number(text);
        if text.is_empty() || names_build(text) || within_date {
            after_number |= is_number(text);
            continue;
        }
        after_number = false;
        if let Some(between) = separator.filter(|_| !profile.is_empty()) {
            profile.push(between);
        }
        profile.push_str(text);
        separator = end;
    }
    if profile.is_empty() { part.into() } else { profile.into() }
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '-' | '_' | ':' | '@' | '(' | ')' | '[' | ']' | '#') || letter.is_whitespace()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn names_build(word: &str) -> bool {
    let number = word.strip_prefix(['R', 'r', 'v', 'V', 'b']).unwrap_or(word);
    let version = number.contains('.') && number.split('.').all(is_number);
    let release = word.len() > number.len() && is_number(number);
    let long_number = word.len() >= 4 && is_number(word);
    let hexadecimal = word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = hexadecimal && word.bytes().any(|byte| byte.is_ascii_digit());
    version || release || long_number || hash
}

/// The kind of a host with these labels: its platform, else its first `board:` or `type:` label, else `host`; in either case
/// without such a prefix.
pub fn kind_of_host<'a>(labels: &[LabelId], label: impl Fn(LabelId) -> Option<&'a Label>) -> Arc<str> {
    let labels: Vec<&Label> = labels.iter().filter_map(|id| label(*id)).filter(|label| !label.invalid).collect();
    let named = |label: &&Label| label.name.strip_prefix("board:").or(label.name.strip_prefix("type:")).map(Arc::from);
    match labels.iter().find(|label| label.platform) {
        Some(platform) => named(platform).unwrap_or_else(|| platform.name.clone()),
        None => labels.iter().find_map(named).unwrap_or_else(|| "host".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_no_part_of_a_profile() {
        for (name, profile) in [
            ("dummy_Pass", "dummy_Pass"),
            ("eve-release/R66-10452.0.0/bvt/dummy_Pass", "dummy_Pass"),
            ("eve-release/R66-10452.0.0/bvt/", "bvt"),
            ("smoke (R66)", "smoke"),
            ("linux-5.10.1-boot", "linux-boot"),
            ("boot_3", "boot_3"),
            ("stress_10", "stress_10"),
            ("suite-2026-11-22", "suite"),
            ("nightly 123456", "nightly"),
            ("v7", "v7"),
            ("deadbeef", "deadbeef"),
            ("", ""),
            ("///", "///"),
        ] {
            assert_eq!(&*profile_of(name), profile, "{name:?}");
        }
    }
}
