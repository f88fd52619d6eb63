//! Work on strangers' input that the server does not do itself: this same program again, as a child with limits on
//! memory, CPU and time. Whatever an input does to it, the server reads how it ended.

use crate::limits::ByteSize;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

/// Runs this program with these arguments and this input. Answers what it put out.
pub async fn run(arguments: &[&str], input: &[u8], bounds: Bounds) -> Result<Vec<u8>, ChildError> {
    // This program as it runs, even where an upgrade has put another one in its place on disk.
    let program = "/proc/self/exe";
    #[expect(clippy::disallowed_methods, reason = "the one process that the server starts")]
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(ChildError::Run)?;
    let missing = || ChildError::Run(std::io::Error::other("the process has no pipes"));
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
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

/// Bounds this process. Called in the child, before it reads its input.
pub fn restrict(memory: ByteSize, cpu: Duration) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |value| Rlimit { current: Some(value), maximum: Some(value) };
    for (resource, value) in
        [(Resource::As, memory.0), (Resource::Cpu, cpu.as_secs()), (Resource::Core, 0), (Resource::Fsize, 0)]
    {
        if setrlimit(resource, limit(value)).is_err() {
            eprintln!("the process could not be bounded");
            std::process::exit(1);
        }
    }
}
