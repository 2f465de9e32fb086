//! `yardmaster-drone`, the agent on a drone.

fn main() -> std::process::ExitCode {
    yardmaster::agent::main()
}
