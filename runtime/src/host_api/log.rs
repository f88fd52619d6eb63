//! The interface `log`, and the bounded log of an invocation that everything printed ends in.

use super::State;
use super::bindings::thimble::runtime::log as wit;
use crate::limits::{self, ByteSize};
use serde::Serialize;
use std::sync::Mutex;
use std::time::SystemTime;

pub use wit::Level;

/// What one invocation printed, in order, up to its volume. Called functions write into their caller's log.
#[derive(Debug)]
pub struct Log {
    limit: usize,
    buffer: Mutex<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    entries: Vec<Entry>,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Entry {
    level: Level,
    time: SystemTime,
    message: String,
}

/// An entry as the API shows it.
#[derive(Serialize)]
struct Shown<'a> {
    level: &'static str,
    time: String,
    message: &'a str,
}

impl Log {
    pub fn new(limit: ByteSize) -> Self {
        Self { limit: limit.as_usize(), buffer: Mutex::default() }
    }

    /// Appends an entry. The entry that meets the limit is cut; later ones are counted and dropped.
    pub fn write(&self, level: Level, mut message: String) {
        let mut buffer = self.buffer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buffer.dropped > 0 || buffer.entries.len() >= limits::MAX_LOG_ENTRIES {
            buffer.dropped += 1;
            return;
        }
        let room = self.limit.saturating_sub(buffer.bytes);
        if message.len() > room {
            buffer.dropped = 1;
            message.truncate(message.floor_char_boundary(room));
            if message.is_empty() {
                return;
            }
        }
        message.shrink_to_fit();
        buffer.bytes += message.len();
        buffer.entries.push(Entry { level, time: SystemTime::now(), message });
    }

    /// The entries as a JSON array, appended to `out`.
    pub fn append_json(&self, out: &mut Vec<u8>) {
        let buffer = self.buffer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        out.push(b'[');
        for (index, entry) in buffer.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            show(out, entry.level, entry.time, &entry.message);
        }
        if buffer.dropped > 0 {
            if !buffer.entries.is_empty() {
                out.push(b',');
            }
            let message = format!(
                "the log of this invocation is full ({} or {} entries); what it printed from here on is not kept",
                ByteSize(self.limit as u64),
                limits::MAX_LOG_ENTRIES
            );
            show(out, Level::Warn, SystemTime::now(), &message);
        }
        out.push(b']');
    }
}

fn show(out: &mut Vec<u8>, level: Level, time: SystemTime, message: &str) {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let shown = Shown { level, time: humantime::format_rfc3339_millis(time).to_string(), message };
    serde_json::to_writer(out, &shown).expect("strings can always be written to memory");
}

impl wit::Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.running()?.log.write(level, message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(log: &Log) -> Vec<String> {
        let mut out = Vec::new();
        log.append_json(&mut out);
        let entries: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        entries.iter().map(|entry| entry["message"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn a_log_is_cut_where_it_is_full_and_says_so() {
        let log = Log::new(ByteSize(8));
        log.write(Level::Info, "12345".into());
        assert_eq!(shown(&log), ["12345"]);
        log.write(Level::Info, "6é89".into());
        log.write(Level::Info, "lost".into());
        let shown = shown(&log);
        assert_eq!(shown[..2], ["12345", "6é"]);
        assert!(shown[2].contains("full") && shown.len() == 3);
    }

    #[test]
    fn control_characters_stay_inside_their_entry() {
        let log = Log::new(ByteSize(100));
        log.write(Level::Error, "a\n{\"level\":\"info\"}\u{1b}[0m\0".into());
        assert_eq!(shown(&log), ["a\n{\"level\":\"info\"}\u{1b}[0m\0"]);
    }
}
