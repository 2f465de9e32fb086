//! The configuration: what an operator can set, where a value may come from, and what is said about mistakes.
//!
//! * `sections` has the types, with the defaults; `words` the values that are more than a number or a text.
//! * `keys` describes every setting once, for people: the commented example, `config show` and the messages read it.
//! * `layers` reads files, environment and flags; `load` puts them over the defaults and remembers each value's origin.
//! * `changes` says what differs from a configuration that is in force, and from when on it counts.
//! * `check` looks at what types cannot say: ranges, files, combinations.
//! * `mistake` is how all of this reports what is wrong, everything at once.

mod changes;
mod check;
mod example;
mod keys;
mod layers;
mod load;
mod mistake;
mod sections;
mod words;

pub use changes::Change;
pub use example::example;
pub use keys::{KEYS, Key, Kind};
pub use layers::{Origin, Sources};
pub use load::{Effective, Loaded, load};
pub use mistake::{Mistake, Mistakes};
pub(crate) use sections::first_line;
pub use sections::{
    AccessError, Config, DatabaseSection, DronesSection, LogSection, NotifySection, ResultsSection, ServiceSection,
};
pub use words::{LogFormat, MailTls};
