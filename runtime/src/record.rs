//! What is kept of an invocation: counts by outcome for `/metrics`, and a line in the server's own log.

use crate::context::RequestContext;
use crate::cpu;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counts since the server's start, for each CPU: one number that all of them change, they would wait for.
#[derive(Debug, Default)]
pub struct Counters([CachePadded<Counts>; PARTS]);

#[derive(Debug, Default)]
struct Counts {
    invocations: AtomicU64,
    failures: AtomicU64,
    refusals: AtomicU64,
    microseconds: AtomicU64,
}

/// CPUs beyond so many share counts.
const PARTS: usize = 8;

/// An invocation's record, from its admission on. Dropped without an end, the invocation was interrupted: its client left.
pub struct Record<'a> {
    counters: &'a Counters,
    context: RequestContext,
    workspace: &'a str,
    function: &'a str,
    ended: bool,
}

impl Counters {
    fn own(&self) -> &Counts {
        &self.0[cpu::current() % PARTS]
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.0.iter().map(|counts| count(counts).load(Ordering::Relaxed)).sum()
    }

    /// An invocation begins.
    pub fn begin<'a>(&'a self, context: RequestContext, workspace: &'a str, function: &'a str) -> Record<'a> {
        self.own().invocations.fetch_add(1, Ordering::Relaxed);
        Record { counters: self, context, workspace, function, ended: false }
    }

    /// A request was refused before anything ran.
    pub fn refused(&self) {
        self.own().refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// In Prometheus' text format.
    pub fn write(&self, out: &mut String) {
        let seconds = self.sum(|counts| &counts.microseconds) as f64 / 1e6;
        for (name, kind, help, value) in [
            (
                "thimble_invocations_total",
                "counter",
                "Invocations begun.",
                self.sum(|counts| &counts.invocations) as f64,
            ),
            (
                "thimble_failures_total",
                "counter",
                "Invocations without a result.",
                self.sum(|counts| &counts.failures) as f64,
            ),
            (
                "thimble_refusals_total",
                "counter",
                "Requests refused before anything ran.",
                self.sum(|counts| &counts.refusals) as f64,
            ),
            ("thimble_duration_seconds_total", "counter", "Time that invocations took, added up.", seconds),
        ] {
            metric(out, name, kind, help, value);
        }
    }
}

/// Appends one metric in Prometheus' text format.
pub fn metric(out: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    use std::fmt::Write;
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

impl Record<'_> {
    /// The invocation came to its end, with this code; `ok` for a result.
    pub fn end(mut self, code: &'static str) {
        self.ended = true;
        self.finish(code);
    }

    fn finish(&self, code: &'static str) {
        let counts = self.counters.own();
        let took = Instant::now().duration_since(self.context.started);
        counts.microseconds.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if code != "ok" {
            counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        tracing::debug!(
            request = %self.context.id,
            workspace = self.workspace,
            function = self.function,
            outcome = code,
            duration_us = took.as_micros() as u64,
            "invocation"
        );
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.finish("interrupted");
        }
    }
}
