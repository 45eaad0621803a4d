//! Makes the upgrade scripts to the version of the workspace, from the install script in a folder of a server:
//! `upgrade_script FOLDER`. They are written to sql/ and to that folder.

use std::path::Path;

use harness::{paths, upgrade_script};

fn main() {
    let folder = std::env::args().nth(1).expect("say in which folder the install script is");
    let folder = Path::new(&folder);
    for (name, script) in upgrade_script::all(folder, env!("CARGO_PKG_VERSION")) {
        for folder in [&paths::root().join("sql"), folder] {
            std::fs::write(folder.join(&name), &script).expect("the folder can be written");
        }
    }
}
