//! What the benchmark says: to whoever started it, and into `results`.

use std::path::Path;
use std::sync::Mutex;

static SAID: Mutex<String> = Mutex::new(String::new());

/// Prints a line and notes it.
macro_rules! say {
    ($($words:tt)*) => { $crate::report::line(&format!($($words)*)) };
}
pub(crate) use say;

pub fn line(text: &str) {
    println!("{text}");
    let mut said = SAID.lock().expect("nobody panics here");
    said.push_str(text);
    said.push('\n');
}

/// Writes all that was said.
pub fn save(path: &Path) {
    let said = SAID.lock().expect("nobody panics here");
    std::fs::write(path, said.as_str()).unwrap_or_else(|error| eprintln!("{}: {error}", path.display()));
}

/// The one in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
