//! Databases: MySQL, MariaDB and SQLite.
