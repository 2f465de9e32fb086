//! What lies in `packaging` is what the program says.

use yardmaster::service::config::example;

#[test]
fn the_example_configuration_has_every_setting_as_it_is() {
    let packaged = include_str!("../packaging/yardmaster.toml");
    let way_out = "write it anew: `yardmaster config example > prod/packaging/yardmaster.toml`";
    assert!(packaged == example(), "prod/packaging/yardmaster.toml is not what `config example` prints: {way_out}");
}
