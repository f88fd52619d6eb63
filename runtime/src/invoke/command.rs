//! A `wasi:cli` command: the event on standard input, the result from standard output, an instance for each invocation.

use super::Outcome;
use crate::deployment::Function;
use crate::deployment::upload::{Upload, UploadKind};
use crate::host_api::Invocation;
use crate::host_api::log::Level;
use crate::host_api::wasi::{Capture, Stdio};
use crate::instance::StartError;
use crate::instance::failure::{Failure, FailureKind};
use crate::instance::pool::Pools;
use bytes::Bytes;

/// Runs a command once.
pub async fn call(
    pools: &Pools,
    function: &Function,
    upload: &Upload,
    event: Bytes,
    invocation: Invocation,
) -> Result<Outcome, StartError> {
    let UploadKind::Command(pre) = &upload.kind else {
        return Err(StartError::Host(wasmtime::Error::msg("this component is no command")));
    };
    let _slot = pools.slot()?;
    let limits = function.grants.limits;
    let mut store = pools.factory().upload_store(function, upload)?;
    let output = Capture::new(limits.response_size.as_usize());
    store.data_mut().set_stdio(Stdio { input: Some(event), output: Some(output.clone()) });
    let (deadline, log) = (invocation.deadline, invocation.log.clone());
    store.data_mut().begin(invocation);
    let running = async {
        let command = pre.instantiate_async(&mut store).await?;
        command.wasi_cli_run().call_run(&mut store).await
    };
    let ended = match tokio::time::timeout_at(deadline.into(), running).await {
        Err(_) => return Ok(Err(Failure::timeout(&limits))),
        Ok(ended) => ended,
    };
    let exit = match ended {
        Ok(Ok(())) => 0,
        Ok(Err(())) => 1,
        Err(error) => match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => exit.0,
            None => return StartError::of(error, store.data()).outcome(),
        },
    };
    store.data_mut().finish();
    let (written, complete) = output.take();
    if !complete {
        return Ok(Err(Failure::result_too_large(limits.response_size)));
    }
    let text = String::from_utf8_lossy(&written);
    if exit != 0 {
        for line in text.lines() {
            log.write(Level::Info, line.into());
        }
        return Ok(Err(Failure::new(FailureKind::Thrown, format!("the command ended with exit code {exit}"))));
    }
    Ok(result(text.trim(), |line| log.write(Level::Info, line.into())))
}

/// The result in what a command wrote: all of it where that is JSON; else its last line where that is, and the lines
/// before it are log; else the text itself.
fn result(text: &str, mut log: impl FnMut(&str)) -> Outcome {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if text.is_empty() {
        return Ok("null".into());
    }
    if is_json(text) {
        return Ok(text.into());
    }
    if let Some((before, last)) = text.rsplit_once('\n').filter(|(_, last)| is_json(last)) {
        before.lines().for_each(&mut log);
        return Ok(last.into());
    }
    Ok(serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found_in_the_output() {
        for (text, expected, logged) in [
            ("{\"a\": 1}", "{\"a\": 1}", vec![]),
            ("{\n \"a\": 1\n}", "{\n \"a\": 1\n}", vec![]),
            ("one\ntwo\n[3]", "[3]", vec!["one", "two"]),
            ("plain \"text\"", "\"plain \\\"text\\\"\"", vec![]),
            ("", "null", vec![]),
        ] {
            let mut lines = Vec::new();
            assert_eq!(result(text, |line| lines.push(line.to_string())).unwrap(), expected);
            assert_eq!(lines, logged);
        }
    }
}
