//! Work on strangers' input that the server does not do itself: this same program again, as a child with limits on
//! memory, CPU and time, or another program that such a child becomes. Whatever an input does to it, the server reads how
//! it ended.

use crate::limits::ByteSize;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// What a child may put out and how long it may take; its memory and CPU it bounds itself, by [`restrict`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub output: ByteSize,
    pub timeout: Duration,
}

/// A child that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It ended with another code than 0, or by a signal.
    #[error("the process ended with {status}: {complaint}")]
    Ended { status: ExitStatus, output: Vec<u8>, complaint: String },
    #[error("the process took too long")]
    TimedOut,
    #[error("the process could not be run")]
    Run(#[source] std::io::Error),
}

/// A child at work, and its pipes.
struct Started {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// This program as it runs, even where an upgrade has put another one in its place on disk; without the server's environment.
#[expect(clippy::disallowed_methods, reason = "the one process that the server starts")]
fn this_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env_clear();
    command
}

fn start(mut command: Command) -> Result<Started, ChildError> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(ChildError::Run)?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok(Started { child, stdin, stdout, stderr }),
        _ => Err(ChildError::Run(std::io::Error::other("the process has no pipes"))),
    }
}

/// Runs this program with these arguments and this input. Answers what it put out.
pub async fn run(arguments: &[&str], input: &[u8], bounds: Bounds) -> Result<Vec<u8>, ChildError> {
    let mut command = this_program();
    command.args(arguments);
    let Started { mut child, mut stdin, stdout, stderr } = start(command)?;
    let work = async {
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let feed = async {
            // A child that has read enough to refuse closes its end; its exit code tells why.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let (mut stdout, mut stderr) = (stdout.take(bounds.output.0), stderr.take(8 << 10));
        let (_, output_read, complaint_read) =
            tokio::join!(feed, stdout.read_to_end(&mut output), stderr.read_to_end(&mut complaint));
        output_read.and(complaint_read).map_err(ChildError::Run)?;
        let status = child.wait().await.map_err(ChildError::Run)?;
        if status.success() {
            return Ok(output);
        }
        Err(ChildError::Ended { status, output, complaint: String::from_utf8_lossy(&complaint).trim().into() })
    };
    match tokio::time::timeout(bounds.timeout, work).await {
        Ok(done) => done,
        Err(_) => Err(ChildError::TimedOut),
    }
}

/// The command under which this program becomes another one.
pub const CONFINE: &str = "confine";
/// What it ends with where the other program cannot be started, as a shell does.
pub const NOT_STARTED: i32 = 127;

/// Another program to be run.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// A path, or a name to be looked for in the `PATH` of its environment.
    pub program: &'a str,
    pub arguments: &'a [String],
    /// The whole of it.
    pub environment: &'a [(String, String)],
    /// Where it works.
    pub folder: &'a Path,
    pub input: &'a [u8],
    pub memory: ByteSize,
    pub cpu: Duration,
    /// The largest file that it may write.
    pub file: ByteSize,
    pub bounds: Bounds,
}

/// Runs another program, and hands out each line of its output as it comes. The last lines of its complaints are kept.
pub async fn run_tool(tool: Tool<'_>, mut line: impl FnMut(&str)) -> Result<(), ChildError> {
    let bounds = [tool.memory.0, tool.cpu.as_secs(), tool.file.0].map(|bound| bound.to_string());
    // This program again, which bounds itself before it becomes the other.
    let mut command = this_program();
    command.arg(CONFINE).args(bounds).arg("--").arg(tool.program).args(tool.arguments);
    command.envs(tool.environment.iter().map(|(name, value)| (name, value))).current_dir(tool.folder);
    let Started { mut child, mut stdin, stdout, stderr } = start(command)?;
    let work = async {
        let feed = async {
            let _ = stdin.write_all(tool.input).await;
            drop(stdin);
        };
        let listen = async {
            let mut lines = BufReader::new(stdout.take(tool.bounds.output.0)).split(b'\n');
            while let Some(text) = lines.next_segment().await? {
                line(&String::from_utf8_lossy(&text));
            }
            Ok(())
        };
        let mut complaint = Vec::new();
        let mut stderr = stderr.take(tool.bounds.output.0);
        let (_, heard, read) = tokio::join!(feed, listen, stderr.read_to_end(&mut complaint));
        heard.and(read.map(drop)).map_err(ChildError::Run)?;
        let status = child.wait().await.map_err(ChildError::Run)?;
        if status.success() {
            return Ok(());
        }
        let last = complaint.len().saturating_sub(COMPLAINT);
        let complaint = String::from_utf8_lossy(&complaint[last..]).trim().into();
        Err(ChildError::Ended { status, output: Vec::new(), complaint })
    };
    match tokio::time::timeout(tool.bounds.timeout, work).await {
        Ok(done) => done,
        Err(_) => Err(ChildError::TimedOut),
    }
}

/// What is kept of a program's complaints.
const COMPLAINT: usize = 16 << 10;

/// Called in the child: bounds this process and becomes the other program. Answers only if that cannot be.
pub fn confine(memory: ByteSize, cpu: Duration, file: ByteSize, program: &[String]) -> i32 {
    bound(memory, cpu, file);
    let Some((program, arguments)) = program.split_first() else { return NOT_STARTED };
    #[expect(clippy::disallowed_methods, reason = "no process is started: this one becomes it")]
    let error = std::process::Command::new(program).args(arguments).exec();
    eprintln!("{program} cannot be started: {error}");
    NOT_STARTED
}

/// Bounds this process, which writes no files. Called in the child, before it reads its input.
pub fn restrict(memory: ByteSize, cpu: Duration) {
    bound(memory, cpu, ByteSize(0));
}

fn bound(memory: ByteSize, cpu: Duration, file: ByteSize) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |value| Rlimit { current: Some(value), maximum: Some(value) };
    for (resource, value) in
        [(Resource::As, memory.0), (Resource::Cpu, cpu.as_secs()), (Resource::Core, 0), (Resource::Fsize, file.0)]
    {
        if setrlimit(resource, limit(value)).is_err() {
            eprintln!("the process could not be bounded");
            std::process::exit(1);
        }
    }
}
