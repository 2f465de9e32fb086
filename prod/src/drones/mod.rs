//! The engine's drones: agents on this machine and over SSH.
