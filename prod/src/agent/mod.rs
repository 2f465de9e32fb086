//! What runs on a drone, and the messages it understands.
