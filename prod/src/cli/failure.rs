//! What is said when something fails, and the exit status that goes with it.

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::frontend::FrontendError;

/// Tells people what went wrong.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever read the output has had enough of it: `yardmaster … | head`.
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("yardmaster: {error:#}");
    let missing = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<FrontendError>();
        cause.is_some_and(|cause| matches!(cause, FrontendError::Unknown { .. }))
    });
    ExitCode::from(if missing { 3 } else { 1 })
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(ErrorKind::BrokenPipe)
}
