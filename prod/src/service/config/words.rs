//! Settings that are one of a few words.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All words, for messages and for the commented example.
            pub const WORDS: &[&str] = &[$($word),+];
        }
    };
}

words! {
    /// How the connection to the mail server is protected.
    MailTls {
        /// In clear.
        Off = "off",
        /// Begins in clear and must go over to TLS.
        StartTls = "starttls",
        /// TLS from the first byte.
        Implicit = "implicit",
    }
}

words! {
    /// What log lines look like.
    LogFormat {
        /// For people on a terminal, JSON otherwise.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
}
