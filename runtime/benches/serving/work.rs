//! Work that the host does for functions, against Node doing the same: the same code in both, in turns.

use super::client::Client;
use super::report::{median, say};
use super::server::{Folder, thimble};
use std::path::Path;
use std::process::Command;

const ROUNDS: usize = 5;

/// Ten megabytes of JSON lines, and what is done to them. The fastest of three is counted, in milliseconds.
const WORK: &str = r#"
const { createHash } = require("node:crypto"), { gzipSync, gunzipSync } = require("node:zlib");
let lines = "";
for (let n = 0; lines.length < 10_000_000; n++) {
  lines += JSON.stringify({ id: n, name: `user ${(n * 7919) % 100003}`, tags: ["a", "b"], score: n / 7, active: n % 3 === 0 }) + "\n";
}
const data = Buffer.from(lines), packed = gzipSync(data), list = `[${lines.trim().replaceAll("\n", ",")}]`;
const time = (work) => Math.min(...[1, 2, 3].map(() => { const began = performance.now(); work(); return performance.now() - began; }));
const times = {
  "sha256 of 10 MB": time(() => createHash("sha256").update(data).digest("hex")),
  "gzip of 10 MB": time(() => gzipSync(data)),
  "gunzip to 10 MB": time(() => gunzipSync(packed)),
  "Base64 of 10 MB, and back": time(() => Buffer.from(data.toString("base64"), "base64")),
  "UTF-8 of 10 MB, and back": time(() => new TextEncoder().encode(new TextDecoder().decode(data))),
  "JSON.parse of 10 MB": time(() => JSON.parse(list)),
  "JSON.stringify to 10 MB": ((value) => time(() => JSON.stringify(value)))(JSON.parse(list)),
};
"#;

/// Prints how long each kind of work takes here and in Node.
pub async fn against_node(tools: &Path) {
    say!("\nwork on 10 MB in a function and in Node, medians of {ROUNDS} rounds, each the fastest of three");
    let Ok(version) = Command::new("node").arg("--version").output() else {
        say!("there is no node here");
        return;
    };
    let data = Folder::new(tools, "work");
    let server = thimble(tools, &data, &[("THIMBLE_LIMITS_MEMORY_MIB", "1024")]);
    let mut client = Client::connect(server.port).await;
    let function = serde_json::json!({ "code": format!("{WORK} return times;"), "timeout": 20_000 });
    let body = serde_json::json!({ "functions": { "work": function } }).to_string();
    client.expect(200, "POST", "/v2/functions/work", &body).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let answer = client.expect(200, "POST", "/v2/functions/work/run/work", "{}").await;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let node = Command::new("node").args(["-e", &format!("{WORK} console.log(JSON.stringify(times))")]).output();
        let node: serde_json::Value = serde_json::from_slice(&node.expect("it runs").stdout).expect("JSON");
        rounds.push((answer["result"].clone(), node));
    }
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    say!("{:<28} {:>12} {:>12} {:>10}", "", "Thimble, ms", format!("{version}, ms"), "ratio");
    for name in rounds[0].1.as_object().expect("times").keys() {
        let of = |value: &serde_json::Value| value[name].as_f64().expect("a time");
        let (here, there) =
            (median(rounds.iter().map(|(here, _)| of(here))), median(rounds.iter().map(|(_, there)| of(there))));
        let ratio = median(rounds.iter().map(|(here, there)| of(here) / of(there)));
        say!("{name:<28} {here:>12.1} {there:>12.1} {ratio:>10.2}");
    }
}
