//! Clients of databases, from npm, against the servers themselves.

use crate::client::Workspace;
use crate::servers::{self, Database};
use crate::{mongo, workspace};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Deploys functions that may reach a database; `PORT` is its port.
fn deployed(
    database: &Database,
    workspace: Workspace<'static>,
    dependencies: Value,
    functions: &[(&str, &str)],
) -> Workspace<'static> {
    let functions: serde_json::Map<String, Value> = functions
        .iter()
        .map(|(name, code)| (name.to_string(), json!({ "code": code.replace("PORT", &database.port.to_string()) })))
        .collect();
    let egress = [format!("127.0.0.1:{}", database.port)];
    workspace.with(json!({ "egress": egress, "dependencies": dependencies, "functions": functions }))
}

#[test]
fn pg_asks_postgresql_over_tls_and_keeps_its_connections() {
    let (Some(workspace), Some((database, certificate))) = (workspace(), servers::postgresql()) else { return };
    let options = format!(
        "{{ host: '127.0.0.1', port: PORT, user: 'app', password: 'secret', database: 'postgres', max: 2, ssl: {{ ca: {} }} }}",
        json!(certificate)
    );
    let pool = format!("const {{ Pool }} = require('pg'); const pool = new Pool({options});");
    let query = format!(
        "{pool} exports.handler = async ({{ n }}) => (await pool.query(
           'select $1::int + 1 as n, ssl, version is not null as tls from pg_stat_ssl where pid = pg_backend_pid()', [n])).rows;"
    );
    let types = format!(
        "{pool} exports.handler = async () => {{
           const client = await pool.connect();
           try {{
             await client.query('begin');
             await client.query('create temp table t (id serial, day timestamptz, doc jsonb, raw bytea, many int[])');
             await client.query('insert into t (day, doc, raw, many) values ($1, $2, $3, $4)',
               [new Date(0), {{ a: ['ü'] }}, Buffer.from([0, 255]), [1, 2]]);
             const {{ rows: [row] }} = await client.query('select * from t');
             const {{ rowCount }} = await client.query('select i, repeat($1, 100) from generate_series(1, 5000) i', ['x']);
             const failed = await client.query('select nonsense').catch((error) => [error.code, error.message]);
             await client.query('rollback');
             return [row.day.toISOString(), row.doc, [...row.raw], row.many, rowCount, failed];
           }} finally {{ client.release(); }}
         }};"
    );
    let dependencies = json!({ "pg": "^8" });
    let workspace = deployed(&database, workspace, dependencies, &[("query", &query), ("types", &types)]);
    for n in 0..5 {
        assert_eq!(
            workspace.run("query", json!({ "n": n })).result(),
            json!([{ "n": n + 1, "ssl": true, "tls": true }])
        );
    }
    assert_eq!(
        workspace.result("types"),
        json!(["1970-01-01T00:00:00.000Z", { "a": ["ü"] }, [0, 255], [1, 2], 5000,
            ["42703", "column \"nonsense\" does not exist"]])
    );
    let log = database.log();
    assert!(!log.contains("could not accept SSL connection"), "{log}");
}

#[test]
fn redis_keeps_what_functions_give_it() {
    let (Some(workspace), Some(database)) = (workspace(), servers::redis()) else { return };
    let code = "
        const { createClient } = require('redis');
        const client = createClient({ url: 'redis://:secret@127.0.0.1:PORT' });
        client.on('error', () => {});
        let connected;
        exports.handler = async ({ n }) => {
          await (connected ??= client.connect());
          await client.set(`key ${n}`, JSON.stringify({ n, text: 'ü'.repeat(1000) }), { EX: 60 });
          const [count, list] = await client.multi().incr('count').rPush('list', String(n)).exec();
          const wrong = await client.hGet('list', 'x').catch((error) => error.message.split(' ')[0]);
          return [JSON.parse(await client.get(`key ${n}`)).n, count, list, await client.get('none'), wrong];
        };";
    let workspace = deployed(&database, workspace, json!({ "redis": "^5" }), &[("keep", code)]);
    for n in 1..=5 {
        assert_eq!(workspace.run("keep", json!({ "n": n })).result(), json!([n, n, n, null, "WRONGTYPE"]));
    }
    let ioredis = "
        const Redis = require('ioredis');
        let redis;
        exports.handler = async () => {
          redis ??= new Redis(PORT, '127.0.0.1', { password: 'secret' });
          const [[, count]] = await redis.pipeline().get('count').exec();
          return [count, await redis.lrange('list', 0, -1)];
        };";
    let workspace = deployed(&database, workspace, json!({ "ioredis": "^5" }), &[("read", ioredis)]);
    assert_eq!(workspace.result("read"), json!(["5", ["1", "2", "3", "4", "5"]]));
}

#[test]
fn mysql2_asks_mariadb() {
    let (Some(workspace), Some(database)) = (workspace(), servers::mariadb()) else { return };
    let code = "
        const mysql = require('mysql2/promise');
        let pool;
        exports.handler = async ({ n }) => {
          pool ??= mysql.createPool({ host: '127.0.0.1', port: PORT, user: 'app', password: 'secret', database: 'app', connectionLimit: 2 });
          await pool.query('create table if not exists t (id int primary key, word varchar(100), day datetime, doc json)');
          await pool.execute('replace into t values (?, ?, ?, ?)', [n, 'wörd', new Date(Date.UTC(2020, 0, 2)), JSON.stringify({ n })]);
          const [rows] = await pool.execute('select word, day, doc from t where id = ?', [n]);
          const wrong = await pool.query('select nonsense from t').catch((error) => [error.code, error.errno]);
          const [[{ connections }]] = await pool.query('select count(*) as connections from information_schema.processlist where user = ?', ['app']);
          return [rows[0].word, rows[0].day.toISOString(), rows[0].doc, wrong, connections];
        };";
    let workspace = deployed(&database, workspace, json!({ "mysql2": "^3" }), &[("ask", code)]);
    for n in 1..=3 {
        assert_eq!(
            workspace.run("ask", json!({ "n": n })).result(),
            json!(["wörd", "2020-01-02T00:00:00.000Z", { "n": n }, ["ER_BAD_FIELD_ERROR", 1054], 1])
        );
    }
}

#[test]
fn mongodb_inserts_and_reads_by_cursors() {
    let Some(workspace) = workspace() else { return };
    let (port, accepted) = mongo::start();
    let code = "
        const { MongoClient, ObjectId, Long } = require('mongodb');
        let client;
        exports.handler = async ({ n }) => {
          client ??= new MongoClient('mongodb://127.0.0.1:PORT/app', { maxPoolSize: 2, serverSelectionTimeoutMS: 5000 });
          const things = client.db().collection('things');
          const id = new ObjectId();
          await things.insertMany([
            { _id: id, n, day: new Date(0), raw: Buffer.from([0, 255]), long: Long.fromString('9007199254740993'), deep: { list: [1, 'ü'] } },
            ...Array.from({ length: 4 }, (_, k) => ({ n, k })),
          ]);
          const [first] = await things.find({ _id: id }).toArray();
          const keys = [];
          for await (const { k } of things.find({ n }, { batchSize: 2 })) keys.push(k ?? null);
          const wrong = await client.db().command({ nonsense: 1 }).catch((error) => [error.name, error.code]);
          return [first.n, first.day.getTime(), [...first.raw.buffer], String(first.long), first.deep, keys, wrong];
        };";
    let function = json!({ "code": code.replace("PORT", &port.to_string()) });
    let workspace = workspace.with(json!({
        "egress": [format!("127.0.0.1:{port}")], "dependencies": { "mongodb": "^6" }, "functions": { "ask": function }
    }));
    let mut connections = 0;
    for n in 1..=4 {
        assert_eq!(
            workspace.run("ask", json!({ "n": n })).result(),
            json!([n, 0, [0, 255], "9007199254740993", { "list": [1, "ü"] }, [null, 0, 1, 2, 3], ["MongoServerError", 59]])
        );
        let now = accepted.load(Ordering::Relaxed);
        assert!(n == 1 || now == connections, "connections are kept: {now} after {connections}");
        connections = now;
    }
}
