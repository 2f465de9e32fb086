//! WIP
use yardmaster_sim::script;
fn main() {
    let (mut passed, mut failed) = (0, 0);
    for file in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
        let scripts = match script::load(file.as_ref()) { Ok(s) => s, Err(e) => { eprintln!("{e}"); std::process::exit(2) } };
        for s in scripts {
            match script::play(&s.script) {
                Ok(()) => passed += 1,
                Err(p) => { failed += 1; println!("{} {}: {p:?}", s.source, s.script.name); }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
}
