//! What a long installation has come to, for whoever watches it.

use serde::Serialize;
use tokio::sync::mpsc;

/// Where a deploy is. Each event stands for itself; a watcher who is slow misses some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Packages found so far.
    Resolving {
        packages: usize,
    },
    Downloading {
        done: usize,
        of: usize,
        bytes: u64,
    },
    /// The functions' top levels run.
    Loading {
        functions: usize,
    },
}

/// Where events go; nowhere for a deploy that nobody watches.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<mpsc::Sender<Event>>);

impl Progress {
    /// One that somebody watches.
    pub fn watched(room: usize) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self(Some(sender)), receiver)
    }

    pub fn tell(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // A full channel has newer events than the watcher has read.
            let _ = sender.try_send(event);
        }
    }
}
