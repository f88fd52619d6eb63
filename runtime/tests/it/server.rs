//! A `thimble` process of the tests: started on a free port, ended with its `Server` or with the test process.

use crate::client::{Answer, Client};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where all servers of the tests keep the compiled interpreters: compiling takes seconds, and once is enough.
pub fn compiled() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// A running server.
pub struct Server {
    pub client: Client,
    child: Child,
    /// Ends the server when this process ends without a drop: it waits for the end of its standard input.
    watchdog: Child,
    home: Home,
}

/// A server's folder, which outlives the process.
pub struct Home(TempDir);

/// How a server is started.
#[derive(Default)]
pub struct Setup<'a> {
    pub config: &'a str,
    pub environment: &'a [(&'a str, &'a str)],
    /// Folder of the compiled interpreters; the tests' shared one if not named.
    pub compiled: Option<&'a Path>,
}

static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(""));

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("thimble-it-").tempdir().expect("a folder for a server");
        std::fs::create_dir(folder.path().join("data")).expect("a data folder");
        Self(folder)
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The command that starts a server here.
    pub fn command(&self, setup: &Setup<'_>) -> Command {
        let config = self.0.path().join("settings.toml");
        std::fs::write(&config, setup.config).expect("settings can be written");
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_thimble"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .arg("--compiled")
            .arg(setup.compiled.map_or_else(compiled, Path::to_path_buf))
            .arg("--config")
            .arg(config)
            .current_dir(self.0.path())
            .env_clear()
            // No test reaches out: a package that one names by chance is not looked for elsewhere.
            .env("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
            // Few tests are about which modules the body of a function may import.
            .env("PYTHON_BUILTIN_MODULES", "*")
            .envs(setup.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        command
    }

    /// What servers here wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.0.path().join("log")
    }
}

impl Server {
    /// The server that most tests share.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// A server of its own, with settings as in `thimble.toml`.
    pub fn start(config: &str) -> Self {
        Self::start_in(Home::new(), &Setup { config, ..Setup::default() })
    }

    /// A server on the folder of one that ended.
    pub fn restart(home: Home) -> Self {
        Self::start_in(home, &Setup::default())
    }

    /// A server on a folder that is there.
    pub fn start_in(home: Home, setup: &Setup<'_>) -> Self {
        match Self::try_start_in(home, setup) {
            Ok(server) => server,
            Err((home, status)) => panic!("the server ended at its start with {status}:\n{}", home.log()),
        }
    }

    /// A server, or how it ended before it listened.
    pub fn try_start_in(home: Home, setup: &Setup<'_>) -> Result<Self, (Home, ExitStatus)> {
        let mut child = home.command(setup).spawn().expect("the server's program can be started");
        let watchdog = Command::new("sh")
            .args(["-c", r#"read line; kill -9 "$0"; rm -rf "$1""#, &child.id().to_string()])
            .arg(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("its output can be read");
        let Some((_, address)) = line.trim_end().split_once(" listens on http://") else {
            end(watchdog);
            return Err((home, child.wait().expect("it can be waited for")));
        };
        let address: SocketAddr = address.parse().expect("the line ends in an address");
        Ok(Self { client: Client::new(address, home.log_path()), child, watchdog, home })
    }

    pub fn address(&self) -> SocketAddr {
        self.client.address
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends it as a loss of power would, and leaves its folder.
    pub fn kill(mut self) -> Home {
        self.child.kill().expect("it runs");
        self.ended().1
    }

    /// Waits for its end.
    pub fn ended(mut self) -> (ExitStatus, Home) {
        let status = self.child.wait().expect("it can be waited for");
        let home = std::mem::replace(&mut self.home, Home::new());
        (status, home)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a process has an id");
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// `GET /healthz` answers soon, whatever runs.
    #[track_caller]
    pub fn is_well(&self) {
        let began = Instant::now();
        let answer: Answer = self.client.get("/healthz");
        assert_eq!((answer.status, answer.text()), (200, "ok\n"));
        assert!(began.elapsed() < Duration::from_secs(3), "/healthz took {:?}", began.elapsed());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watchdog first: it must not end a process that got the server's id after it.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.home.log());
        }
    }
}

fn end(mut process: Child) {
    let _ = process.kill();
    let _ = process.wait();
}
