//! The commented file that `config example` prints.

use std::fmt::Write as _;

use super::keys::{KEYS, SECTIONS};
use super::load::as_tables;
use super::sections::Config;

/// A file with every setting, what it is for, and its default. Read back, it changes nothing.
pub fn example() -> String {
    let tables = as_tables(&Config::default());
    let mut text = String::from(
        "# The configuration of Yardmaster. Every setting is here with its default; those without one are commented out.\n\
         # Each can be overridden by an environment variable (YARDMASTER_SCHEDULER__MAX_PARSE_PROCESSES=50) and by a flag\n\
         # (--set scheduler.max_parse_processes=50). Changed settings of [scheduler] are read again on SIGHUP.\n",
    );
    for (section, about) in SECTIONS {
        text.push('\n');
        for line in about.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "[{section}]");
        for key in KEYS.iter().filter(|key| key.section == *section) {
            for line in key.help.lines() {
                let _ = writeln!(text, "# {line}");
            }
            let default = tables.get(*section).and_then(|table| table.get(key.name));
            let _ = match (default, key.sample) {
                (Some(value), _) => writeln!(text, "{} = {value}", key.name),
                (None, sample) => writeln!(text, "#{} = {}", key.name, sample.unwrap_or("\"\"")),
            };
        }
    }
    text
}
