//! Greets people, in words that another function of the workspace chooses, and counts how often.

use serde::{Deserialize, Serialize};
use thimble_sdk::{cache, context, functions, log};

#[derive(Deserialize)]
struct Event {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
    /// How often this person was greeted, this time included.
    times: i64,
}

fn greet(event: Event) -> Result<Greeting, Box<dyn std::error::Error>> {
    if event.name.is_empty() {
        return Err("a greeting needs a name".into());
    }
    let words: String = functions::call("words", &event.name)?;
    let times = cache::increment(&format!("greeted {}", event.name), 1)?;
    log::info(&format!("{} greets {}", context::current().function, event.name));
    Ok(Greeting { text: format!("{words} {}", event.name), times })
}

thimble_sdk::function!(greet);
