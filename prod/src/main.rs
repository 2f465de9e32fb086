//! `yardmaster`, the production scheduler and its command line.

fn main() {}
