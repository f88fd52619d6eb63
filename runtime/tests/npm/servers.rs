//! Servers of databases, started by the tests on free ports of loopback, with what Debian installs.

use crate::available;
use rcgen::{CertificateParams, KeyPair};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Who runs a server that refuses to be run by root.
const NOBODY: u32 = 65534;

/// A running server of a database, ended with its value.
pub struct Database {
    process: Child,
    folder: TempDir,
    pub port: u16,
}

impl Database {
    /// Starts what the command is when it knows its folder and its port, and waits until it listens.
    fn start(folder: TempDir, command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("an address").port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = humble(&mut command(folder.path(), port))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("it can be started");
        let database = Self { process, folder, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not listen: {}", database.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        database
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the database's log:\n{}", self.log());
        }
    }
}

/// As somebody who is not root.
fn humble(command: &mut Command) -> &mut Command {
    if rustix::process::getuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// A folder of whoever runs the server.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("thimble-db-").tempdir().expect("a folder");
    if rustix::process::getuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    }
    folder
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = humble(command).output().expect("it can be started");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
}

/// A program, where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from).into();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    available(found.is_some(), &format!("there is no {name}")).then_some(found?)
}

/// PostgreSQL with a user `app` whose password is `secret`, and the certificate that it shows for 127.0.0.1. None where it is not
/// installed.
pub fn postgresql() -> Option<(Database, String)> {
    let (initdb, postgres) = (program("initdb")?, program("postgres")?);
    let folder = folder();
    let data = folder.path().join("data");
    let password = folder.path().join("password");
    std::fs::write(&password, "secret").expect("a password");
    succeeds(
        Command::new(initdb)
            .args(["--username=app", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data.display())),
    );
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_string()]).expect("a name");
    let certificate = certificate.self_signed(&key).expect("a certificate").pem();
    for (name, content) in [("server.crt", &certificate), ("server.key", &key.serialize_pem())] {
        let path = data.join(name);
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permissions");
        if rustix::process::getuid().is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
        }
    }
    let database = Database::start(folder, |folder, port| {
        let mut command = Command::new(postgres);
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(folder);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "ssl=on"]);
        command
    });
    Some((database, certificate))
}

/// Redis with the password `secret`.
pub fn redis() -> Option<Database> {
    let redis = program("redis-server")?;
    Some(Database::start(folder(), |folder, port| {
        let mut command = Command::new(redis);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            "secret",
            "--dir",
        ]);
        command.arg(folder);
        command
    }))
}

/// MariaDB with a database `app` and a user of that name, whose password is `secret`.
pub fn mariadb() -> Option<Database> {
    let (install, server) = (program("mariadb-install-db")?, program("mariadbd")?);
    let folder = folder();
    let data = folder.path().join("data");
    succeeds(
        Command::new(install)
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ])
            .arg(format!("--datadir={}", data.display())),
    );
    let start = folder.path().join("start.sql");
    std::fs::write(&start, "create database app;\ncreate user app@'127.0.0.1' identified by 'secret';\ngrant all on app.* to app@'127.0.0.1';\n")
        .expect("a file");
    Some(Database::start(folder, |folder, port| {
        let mut command = Command::new(server);
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        command.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", folder.join("socket").display()));
        command.arg(format!("--init-file={}", start.display()));
        command
    }))
}
