//! As much of a MongoDB server as a client needs to connect, insert and read: Debian has none.

use crate::client::listen;
use bson::{Bson, Document, doc};
use std::collections::HashMap;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// Documents by collection, and what open cursors have still to give.
#[derive(Default)]
struct Data {
    collections: HashMap<String, Vec<Document>>,
    cursors: HashMap<i64, (String, Vec<Document>)>,
}

/// Starts a server. Answers its port and the number of connections that it has accepted.
pub fn start() -> (u16, Arc<AtomicU32>) {
    let (data, accepted) = (Arc::new(Mutex::new(Data::default())), Arc::new(AtomicU32::new(0)));
    let count = accepted.clone();
    let port = listen(move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        talk(stream, data.clone())
    });
    (port, accepted)
}

async fn talk(mut stream: TcpStream, data: Arc<Mutex<Data>>) -> Result<()> {
    loop {
        let (length, id, _, operation) = (
            stream.read_i32_le().await?,
            stream.read_i32_le().await?,
            stream.read_i32_le().await?,
            stream.read_i32_le().await?,
        );
        let mut body = vec![0; usize::try_from(length - 16).map_err(Error::other)?];
        stream.read_exact(&mut body).await?;
        let command = command(operation, &body).ok_or_else(|| Error::other("no such message"))?;
        let answer = answer(&command, &data).to_vec().map_err(Error::other)?;
        let (operation, head) = match operation {
            // Flags, cursor, first and number of documents.
            OP_QUERY => (
                OP_REPLY,
                [&8i32.to_le_bytes()[..], &0i64.to_le_bytes(), &0i32.to_le_bytes(), &1i32.to_le_bytes()].concat(),
            ),
            // Flags, and the kind of the one section.
            _ => (OP_MSG, vec![0; 5]),
        };
        let length = i32::try_from(16 + head.len() + answer.len()).map_err(Error::other)?;
        let header: Vec<u8> = [length, 0, id, operation].into_iter().flat_map(i32::to_le_bytes).collect();
        stream.write_all(&[header, head, answer].concat()).await?;
    }
}

/// The document of a message; what stands in sections beside it is put into it.
fn command(operation: i32, body: &[u8]) -> Option<Document> {
    if operation == OP_QUERY {
        let name = body.get(4..)?.iter().position(|byte| *byte == 0)?;
        return read(&mut &body[4 + name + 1 + 8..]);
    }
    let (mut rest, mut command) = (body.get(4..)?, Document::new());
    while let Some((kind, section)) = rest.split_first() {
        rest = section;
        if *kind == 0 {
            command.extend(read(&mut rest)?);
            continue;
        }
        let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let (mut documents, after) = (rest.get(4..length)?, rest.get(length..)?);
        let end = documents.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8(documents[..end].to_vec()).ok()?;
        documents = &documents[end + 1..];
        let mut list = Vec::new();
        while !documents.is_empty() {
            list.push(Bson::Document(read(&mut documents)?));
        }
        command.insert(name, list);
        rest = after;
    }
    Some(command)
}

fn read(bytes: &mut &[u8]) -> Option<Document> {
    Document::from_reader(bytes).ok()
}

fn answer(command: &Document, data: &Mutex<Data>) -> Document {
    let mut data = data.lock().expect("no panic");
    let name = command.keys().next().cloned().unwrap_or_default();
    let collection = command.get_str(&name).unwrap_or_default().to_owned();
    let batch = |documents: &mut Vec<Document>| {
        let size = command.get_i32("batchSize").unwrap_or(101) as usize;
        documents.drain(..size.min(documents.len())).collect::<Vec<_>>()
    };
    match name.as_str() {
        "hello" | "ismaster" | "isMaster" => doc! {
            "helloOk": true, "ismaster": true, "isWritablePrimary": true, "maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0, "maxWireVersion": 21, "readOnly": false, "ok": 1.0,
        },
        "ping" | "endSessions" => doc! { "ok": 1.0 },
        "insert" => {
            let given = command.get_array("documents").cloned().unwrap_or_default();
            let count = given.len() as i32;
            let given = given.into_iter().filter_map(|value| value.as_document().cloned());
            data.collections.entry(collection).or_default().extend(given);
            doc! { "n": count, "ok": 1.0 }
        }
        "find" => {
            let filter = command.get_document("filter").cloned().unwrap_or_default();
            let fits = |there: &&Document| filter.iter().all(|(key, value)| there.get(key) == Some(value));
            let mut found: Vec<_> =
                data.collections.get(&collection).into_iter().flatten().filter(fits).cloned().collect();
            let first = batch(&mut found);
            let id = if found.is_empty() { 0 } else { data.cursors.len() as i64 + 1 };
            if id != 0 {
                data.cursors.insert(id, (collection.clone(), found));
            }
            doc! { "cursor": { "firstBatch": first, "id": id, "ns": format!("app.{collection}") }, "ok": 1.0 }
        }
        "getMore" => {
            let cursor = command.get_i64("getMore").unwrap_or_default();
            let Some((collection, rest)) = data.cursors.get_mut(&cursor) else {
                return doc! { "ok": 0.0, "code": 43, "codeName": "CursorNotFound", "errmsg": "no such cursor" };
            };
            let next = batch(rest);
            let id = if rest.is_empty() { 0 } else { cursor };
            doc! { "cursor": { "nextBatch": next, "id": id, "ns": format!("app.{collection}") }, "ok": 1.0 }
        }
        other => {
            doc! { "ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": format!("no such command: '{other}'") }
        }
    }
}
