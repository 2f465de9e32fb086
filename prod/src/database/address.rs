//! Where a database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

/// Where a database is, and how to get in. Its text never shows the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A server.
    MySql(MySqlAddress),
}

/// A MySQL or MariaDB server's address.
#[derive(Clone, PartialEq, Eq)]
pub struct MySqlAddress {
    /// Name or number of the server's machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// A Unix socket to use instead.
    pub socket: Option<PathBuf>,
    /// The account.
    pub user: String,
    /// Its password; never part of the address's text.
    pub password: Option<String>,
    /// The database's name.
    pub database: String,
    /// Encryption of the connection.
    pub tls: Tls,
    /// How many connections may be open at once; at least 2.
    pub connections: usize,
    /// How long a statement may take, and how long to wait for a connection.
    pub time_limit: Duration,
}

/// Encryption of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
    Off,
    /// Required; the server's certificate is checked against this file of authorities, or else the well-known ones.
    Required {
        /// PEM file of the authorities to trust.
        authorities: Option<PathBuf>,
    },
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is no database address: {cause}; write sqlite:/path/file.db or mysql://user@host:3306/database")]
pub struct AddressError {
    address: String,
    cause: String,
}

const DEFAULT_CONNECTIONS: usize = 8;
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(60);

impl DatabaseAddress {
    /// The same address with a password, if it is one that takes a password.
    pub fn with_password(mut self, password: Option<String>) -> DatabaseAddress {
        if let DatabaseAddress::MySql(address) = &mut self {
            address.password = password;
        }
        self
    }
}

impl FromStr for DatabaseAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<DatabaseAddress, AddressError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(AddressError { address: text.to_owned(), cause: "it names no file".to_owned() }),
                _ => Ok(DatabaseAddress::Sqlite(path.into())),
            };
        }
        // The text is shown only once it is known to hold no password.
        let hidden = |cause: String| AddressError { address: "…".to_owned(), cause };
        let url = Url::parse(text).map_err(|error| hidden(error.to_string()))?;
        if url.password().is_some() {
            return Err(hidden("a password does not belong into it: use the password file".to_owned()));
        }
        mysql(&url).map(DatabaseAddress::MySql).map_err(|cause| AddressError { address: text.to_owned(), cause })
    }
}

fn mysql(url: &Url) -> Result<MySqlAddress, String> {
    if url.scheme() != "mysql" {
        return Err(format!("unknown scheme {:?}", url.scheme()));
    }
    let database = url.path().trim_matches('/');
    if database.is_empty() || database.contains('/') {
        return Err("it must name one database after the host".to_owned());
    }
    let user = if url.username().is_empty() { "root" } else { url.username() };
    let mut address = MySqlAddress {
        host: url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost").to_owned(),
        port: url.port().unwrap_or(3306),
        socket: None,
        user: decoded(user),
        password: None,
        database: decoded(database),
        tls: Tls::Off,
        connections: DEFAULT_CONNECTIONS,
        time_limit: DEFAULT_TIME_LIMIT,
    };
    for (key, value) in url.query_pairs() {
        option(&mut address, &key, &value)?;
    }
    Ok(address)
}

fn option(address: &mut MySqlAddress, key: &str, value: &str) -> Result<(), String> {
    let number = |least: u64| {
        let number = value.parse::<u64>().ok().filter(|number| *number >= least);
        number.ok_or_else(|| format!("{key} must be a number of at least {least}, not {value:?}"))
    };
    match key {
        "socket" => address.socket = Some(value.into()),
        "connections" => address.connections = number(2)?.min(1000) as usize,
        "time_limit" => address.time_limit = Duration::from_secs(number(1)?),
        "tls" => {
            address.tls = match value {
                "off" => Tls::Off,
                "required" => Tls::Required { authorities: None },
                _ => return Err(format!("tls must be off or required, not {value:?}")),
            };
        }
        "tls_ca" => address.tls = Tls::Required { authorities: Some(value.into()) },
        _ => {
            let known = "socket, connections, time_limit (seconds), tls (off, required), tls_ca (a file)";
            return Err(format!("unknown option {key:?}: known are {known}"));
        }
    }
    Ok(())
}

fn decoded(text: &str) -> String {
    // The only way that the url crate offers to decode a text is as a form's value, where + is a blank.
    let form = format!("x={}", text.replace('+', "%2B"));
    let base = format!("mysql://x/?{form}");
    let decoded = Url::parse(&base).ok().and_then(|url| url.query_pairs().next().map(|(_, value)| value.into_owned()));
    decoded.unwrap_or_else(|| text.to_owned())
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseAddress::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseAddress::MySql(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for MySqlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql://{}@{}:{}/{}", self.user, self.host, self.port, self.database)?;
        match &self.socket {
            Some(socket) => write!(f, "?socket={}", socket.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for MySqlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
