//! What all commands share: the configuration, the database, the way to print.

use std::future::Future;
use std::path::PathBuf;

use anyhow::Context as _;

use super::output::Output;
use crate::database::{Database, DatabaseError};
use crate::frontend::FrontendError;
use crate::service::config::{Loaded, Sources, load};

/// What a command is run with.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where the configuration comes from.
    pub(crate) sources: Sources,
    /// How to print.
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(config: Option<PathBuf>, settings: Vec<String>, json: bool) -> Context {
        Context { sources: Sources::of_process(config, settings), output: Output::new(json) }
    }

    /// The configuration, if nothing is wrong with it.
    pub(crate) fn configuration(&self) -> anyhow::Result<Loaded> {
        load(&self.sources).context("the configuration makes no sense")
    }

    /// Does something with the database.
    pub(crate) fn with_database<T, F>(&self, body: impl FnOnce(Database, Loaded) -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let loaded = self.configuration()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.context("no runtime")?.block_on(async {
            let address = loaded.config.database_address()?;
            let database = Database::open(&address).await.with_context(|| format!("database {address}"))?;
            body(database, loaded).await.map_err(explain)
        })
    }
}

/// A database without tables is the most common first mistake; the server's own words do not help with it.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let cause = error.chain().find_map(|cause| match cause.downcast_ref::<FrontendError>() {
        Some(FrontendError::Database(cause)) => Some(cause),
        Some(_) | None => cause.downcast_ref::<DatabaseError>(),
    });
    match cause {
        Some(DatabaseError::Other { cause, .. })
            if cause.contains("no such table") || cause.contains("doesn't exist") =>
        {
            error.context("tables are missing: run `yardmaster db migrate` first")
        }
        Some(_) | None => error,
    }
}
