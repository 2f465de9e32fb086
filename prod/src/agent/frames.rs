//! How messages are framed: a greeting line from the agent, then in both directions a length (four bytes, big end first)
//! and so many bytes of JSON.
//!
//! The greeting lets whatever a login prints before it be skipped. Lengths, and not lines, because a length can be refused
//! before its message is read: garbage shows at once, as an absurd one. JSON, because it can be read in a log.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The agent's first line. Whatever comes before it is not the agent's.
pub const GREETING: &str = "yardmaster-drone speaks 1";

/// A longer message is garbage, or a defect.
pub const MAX_FRAME: usize = 32 << 20;

/// How much may come before the greeting.
pub const MAX_BANNER: usize = 64 << 10;

/// Why no message could be had.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side has closed the channel.
    #[error("the channel was closed")]
    Closed,
    /// The channel broke.
    #[error("the channel broke: {0}")]
    Io(#[from] io::Error),
    /// This cannot be a length.
    #[error(
        "{length} bytes were announced, {MAX_FRAME} are the limit: this is not a message, something else writes to the channel"
    )]
    TooLong {
        /// What was announced.
        length: usize,
    },
    /// It is no JSON, or not of the right kind.
    #[error("a message made no sense ({cause}): {start:?}")]
    Nonsense {
        /// What the parser said.
        cause: String,
        /// How it begins.
        start: String,
    },
    /// No greeting came.
    #[error("no agent answered, but: {0:?}")]
    NoGreeting(String),
}

/// A message as bytes, length first.
///
/// # Errors
/// If it is too long to be sent.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(io::Error::from)?;
    let length = bytes.len() - 4;
    let Some(announced) = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME) else {
        return Err(FrameError::TooLong { length });
    };
    bytes[..4].copy_from_slice(&announced.to_be_bytes());
    Ok(bytes)
}

/// The length that four bytes announce.
///
/// # Errors
/// If it is absurd.
pub fn announced(header: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(header) as usize;
    if length > MAX_FRAME { Err(FrameError::TooLong { length }) } else { Ok(length) }
}

/// A message from its bytes.
///
/// # Errors
/// If it makes no sense.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(|error| FrameError::Nonsense {
        cause: error.to_string(),
        start: String::from_utf8_lossy(bytes).chars().take(80).collect(),
    })
}

/// Writes a message at once.
///
/// # Errors
/// If the channel broke, or the message is too long.
pub fn write<T: Serialize>(channel: &mut impl Write, message: &T) -> Result<(), FrameError> {
    let bytes = encode(message)?;
    channel.write_all(&bytes)?;
    Ok(channel.flush()?)
}

/// Waits for a message. `None`: the other side has closed the channel between two messages.
///
/// # Errors
/// If the channel broke or brought nonsense.
pub fn read<T: DeserializeOwned>(channel: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut header = [0; 4];
    match channel.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; announced(header)?];
    channel.read_exact(&mut bytes)?;
    decode(&bytes).map(Some)
}
