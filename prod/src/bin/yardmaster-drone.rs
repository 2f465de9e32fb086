//! `yardmaster-drone`, the agent on a drone.

fn main() {}
