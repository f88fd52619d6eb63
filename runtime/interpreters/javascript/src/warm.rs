//! A rehearsal before the snapshot: functions of the common kinds are loaded and run, and forgotten.
//!
//! What grows or is made at the first use (shapes, hash tables, queues, arrays of atoms) then stands in the snapshot at its
//! final size, shared by all instances, instead of being moved in each of them and leaving holes behind: 60 written pages
//! instead of 65 in each.

use crate::bindings::exports::thimble::runtime::guest::Source;
use crate::{failure, invoke, load};

const SAMPLES: [&str; 5] = [
    "return { text: \"Hello \" + name, list: [1, 2.5, null, true].map((item) => item) };",
    "const text = await Promise.resolve(`Hello ${name}`); return { text };",
    "async (event, context) => ({ text: event.name, at: JSON.stringify({ ...event }) })",
    "exports.handler = async (event) => { try { throw new Error(event.name); } catch (error) { return error.message; } };",
    "const table = { en: \"Hello\" };\nfunction greet(name) { return `${table.en} ${name}`; }\n\
     export async function handler(event, context) { return { text: greet(event.name ?? \"world\") }; }",
];

pub fn up() {
    for code in SAMPLES {
        let source = Source {
            name: "handler".into(),
            file: "thimble:warm".into(),
            code: code.into(),
            parameters: Some(vec!["name".into()]),
            functions: Vec::new(),
            search: Vec::new(),
            imports: None,
        };
        assert!(load::load(source).is_ok(), "a sample loads");
        for _ in 0..3 {
            assert!(invoke::run(None, r#"{"name":"world"}"#.into()).is_ok(), "a sample runs");
        }
        load::forget();
    }
    failure::remember_source("", "");
}
