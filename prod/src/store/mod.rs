//! The engine's store on a database.
