//! What `sbatch` takes.

use std::path::{Path, PathBuf};

use super::error::ArrayError;

/// A word for a shell: in quotes where it needs them.
pub fn shell_quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+=:,@".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A path as it can stand in a batch script: Slurm reads `%` and backslashes in its names of files in ways of its own.
pub(super) fn text(path: &Path) -> Result<&str, ArrayError> {
    let is_fine = |text: &&str| !text.contains(|c: char| c.is_control() || c == '\\' || c == '%');
    path.to_str().filter(is_fine).ok_or_else(|| ArrayError::Path(path.to_owned()))
}

/// The batch script of a job array.
pub(super) struct Script<'a> {
    /// The plan's name.
    pub(super) name: &'a str,
    /// The array's folder, absolute.
    pub(super) folder: &'a str,
    /// The program, absolute.
    pub(super) program: &'a str,
    /// How many elements.
    pub(super) elements: u32,
}

impl Script<'_> {
    pub(super) fn write(&self) -> String {
        let Script { name, folder, program, elements } = self;
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let script = PathBuf::from(folder).join("array.sbatch");
        let log = format!("{folder}/logs/element-%a.log").replace('"', "\\\"");
        format!(
            r#"#!/bin/bash
# Replications of a plan, as a job array for a Slurm cluster. Submit it, or only some of its elements, with
#   sbatch {submitted}
#   sbatch --array=3,7-9 {submitted}
# This folder, the plan and the program must have the same paths on all nodes; YARDMASTER_SIM names another program.
#SBATCH --job-name=yardmaster-{name}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --output="{log}"
#SBATCH --requeue
# How long an element may take and what memory it needs depend on the lab; where the cluster's defaults do not fit:
##SBATCH --time=04:00:00
##SBATCH --mem-per-cpu=2G

program={program}
exec "${{YARDMASTER_SIM:-$program}}" plan --part {folder} --threads "${{SLURM_CPUS_PER_TASK:-1}}" --quiet
"#,
            submitted = shell_quoted(&script.to_string_lossy()),
            last = elements - 1,
            program = shell_quoted(program),
            folder = shell_quoted(folder),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_quoted("/a/b-c.toml"), "/a/b-c.toml");
        assert_eq!(shell_quoted("a b"), "'a b'");
        assert_eq!(shell_quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_quoted(""), "''");
    }

    #[test]
    fn a_script_for_a_path_with_everything_in_it() {
        let script =
            Script { name: "Lab \"A\"; rm", folder: "/a b/it's \"it\"", program: "/p q/sim", elements: 3 }.write();
        for line in [
            "#SBATCH --job-name=yardmaster-Lab__A___rm",
            "#SBATCH --array=0-2",
            r#"#SBATCH --output="/a b/it's \"it\"/logs/element-%a.log""#,
            "program='/p q/sim'",
            r#"exec "${YARDMASTER_SIM:-$program}" plan --part '/a b/it'\''s "it"' --threads "${SLURM_CPUS_PER_TASK:-1}" --quiet"#,
        ] {
            assert!(script.lines().any(|other| other == line), "{line} is not in\n{script}");
        }
    }

    #[test]
    fn paths_that_slurm_would_read_otherwise_are_refused() {
        assert_eq!(text(Path::new("/a b/c'd")).expect("fine"), "/a b/c'd");
        for path in ["/a\nb", "/a\\b", "/a%j"] {
            assert!(matches!(text(Path::new(path)), Err(ArrayError::Path(_))), "{path}");
        }
    }
}
