//! Clients of databases, from npm, against the servers themselves, started by the tests on free ports of loopback.

use crate::client::Workspace;
use crate::{available, mongo, workspace};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Who runs a server that refuses to be run by root.
const NOBODY: u32 = 65534;

/// A running server of a database, ended with its value.
struct Database {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Database {
    /// Starts what the command is when it knows its folder and its port, and waits until it listens.
    fn start(folder: TempDir, command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("an address").port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = humble(&mut command(folder.path(), port))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("it can be started");
        let database = Self { process, folder, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not listen: {}", database.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        database
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Deploys functions that may reach it; `PORT` is its port.
    fn functions(
        &self,
        workspace: Workspace<'static>,
        dependencies: Value,
        functions: &[(&str, &str)],
    ) -> Workspace<'static> {
        let functions: serde_json::Map<String, Value> = functions
            .iter()
            .map(|(name, code)| (name.to_string(), json!({ "code": code.replace("PORT", &self.port.to_string()) })))
            .collect();
        let egress = [format!("127.0.0.1:{}", self.port)];
        workspace.with(json!({ "egress": egress, "dependencies": dependencies, "functions": functions }))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the database's log:\n{}", self.log());
        }
    }
}

/// As somebody who is not root.
fn humble(command: &mut Command) -> &mut Command {
    if rustix::process::getuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// A folder of whoever runs the server.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("thimble-db-").tempdir().expect("a folder");
    if rustix::process::getuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    }
    folder
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = humble(command).output().expect("it can be started");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
}

/// A program, where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from).into();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    available(found.is_some(), &format!("there is no {name}")).then_some(found?)
}

#[test]
fn pg_asks_postgresql_over_tls_and_keeps_its_connections() {
    let (Some(workspace), Some(initdb), Some(postgres)) = (workspace(), program("initdb"), program("postgres")) else {
        return;
    };
    let folder = folder();
    let data = folder.path().join("data");
    let password = folder.path().join("password");
    std::fs::write(&password, "secret").expect("a password");
    succeeds(
        Command::new(initdb)
            .args(["--username=app", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data.display())),
    );
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_string()]).expect("a name");
    let certificate = certificate.self_signed(&key).expect("a certificate").pem();
    for (name, content) in [("server.crt", &certificate), ("server.key", &key.serialize_pem())] {
        let path = data.join(name);
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permissions");
        if rustix::process::getuid().is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
        }
    }
    let database = Database::start(folder, |folder, port| {
        let mut command = Command::new(postgres);
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(folder);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "ssl=on"]);
        command
    });
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
    let workspace = database.functions(workspace, dependencies, &[("query", &query), ("types", &types)]);
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
    let (Some(workspace), Some(redis)) = (workspace(), program("redis-server")) else { return };
    let database = Database::start(folder(), |folder, port| {
        let mut command = Command::new(redis);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            "secret",
            "--dir",
        ]);
        command.arg(folder);
        command
    });
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
    let workspace = database.functions(workspace, json!({ "redis": "^5" }), &[("keep", code)]);
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
    let workspace = database.functions(workspace, json!({ "ioredis": "^5" }), &[("read", ioredis)]);
    assert_eq!(workspace.result("read"), json!(["5", ["1", "2", "3", "4", "5"]]));
}

#[test]
fn mysql2_asks_mariadb() {
    let (Some(workspace), Some(install), Some(server)) =
        (workspace(), program("mariadb-install-db"), program("mariadbd"))
    else {
        return;
    };
    let folder = folder();
    let data = folder.path().join("data");
    succeeds(
        Command::new(install)
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ])
            .arg(format!("--datadir={}", data.display())),
    );
    let start = folder.path().join("start.sql");
    std::fs::write(&start, "create database app;\ncreate user app@'127.0.0.1' identified by 'secret';\ngrant all on app.* to app@'127.0.0.1';\n")
        .expect("a file");
    let database = Database::start(folder, |folder, port| {
        let mut command = Command::new(server);
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        command.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
        command.arg(format!("--socket={}", folder.join("socket").display()));
        command.arg(format!("--init-file={}", start.display()));
        command
    });
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
    let workspace = database.functions(workspace, json!({ "mysql2": "^3" }), &[("ask", code)]);
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
