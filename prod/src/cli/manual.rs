//! Shell completions and man pages.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Outcome};
use crate::cli::output::print;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  yardmaster completions bash > /etc/bash_completion.d/yardmaster
  yardmaster completions zsh > ~/.zfunc/_yardmaster")]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  yardmaster man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder for the pages; it is made if need be.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl CompletionsArgs {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "yardmaster", &mut text);
        print(&String::from_utf8(text)?)?;
        Ok(Outcome::Done)
    }
}

impl ManArgs {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        std::fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let mut command = Cli::command();
        // Puts the flags of all commands into their subcommands, as they are when the program runs.
        command.build();
        write_pages(&command, &self.folder)?;
        Ok(Outcome::Done)
    }
}

fn write_pages(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    let own = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
    command.get_subcommands().filter(own).try_for_each(|command| write_pages(command, folder))
}
