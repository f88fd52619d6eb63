//! Who this server is compared with.

use super::bare;
use super::server::{Process, free_port};
use std::path::Path;
use std::process::{Command, Stdio};

/// hyper, in a process of its own.
pub fn bare_hyper() -> Process {
    let port = free_port();
    let program = std::env::current_exe().expect("this program");
    let child =
        Command::new(program).args([bare::ROLE, &port.to_string()]).spawn().expect("this program can be started");
    Process::listening(child, port)
}

const WORKER: &str = r#"export default {
  async fetch(request) {
    const { parameters: { name } } = await request.json();
    return Response.json({ result: "Hello " + name, logs: [], duration: 0.042 });
  },
};
"#;

/// workerd with the same function; none where it cannot be had.
pub fn workerd(tools: &Path) -> Option<Process> {
    let folder = tools.join("workerd");
    std::fs::create_dir_all(&folder).ok()?;
    let program = folder.join("node_modules/.bin/workerd");
    if !program.exists() {
        println!("installing workerd from npm …");
        let installed = Command::new("npm")
            .args(["install", "--silent", "--no-fund", "--no-audit", "workerd"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status();
        if !installed.is_ok_and(|status| status.success()) || !program.exists() {
            println!("workerd cannot be had here: its rows are left out");
            return None;
        }
    }
    let port = free_port();
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker.js", esModule = embed "worker.js")],
                                        compatibilityDate = "2025-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]
);
"#
    );
    std::fs::write(folder.join("worker.js"), WORKER).ok()?;
    std::fs::write(folder.join("config.capnp"), config).ok()?;
    let child = Command::new(program).arg("serve").arg("config.capnp").current_dir(&folder).spawn().ok()?;
    Some(Process::listening(child, port))
}
