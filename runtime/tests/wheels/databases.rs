//! Clients of databases, from Python's package index, against the servers themselves.

use crate::{servers, workspace};
use serde_json::json;

#[test]
fn pg8000_asks_postgresql_over_tls_and_keeps_its_connection() {
    let Some((database, certificate)) = servers::postgresql() else { return };
    let code = "
import datetime, ssl
import pg8000.native
connection = None
def handler(event):
    global connection
    if connection is None:
        context = ssl.create_default_context(cadata=event['ca'])
        connection = pg8000.native.Connection('app', password='secret', host='127.0.0.1', port=event['port'], database='postgres', ssl_context=context)
    (n, secure), = connection.run('select cast(:n as int) + 1, ssl from pg_stat_ssl where pid = pg_backend_pid()', n=event['n'])
    connection.run('create temp table if not exists t (day timestamptz, doc jsonb, raw bytea, many int[])')
    connection.run('begin')
    connection.run('insert into t values (:day, :doc, :raw, :many)', day=datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), doc={'a': 'ü'}, raw=b'\\0\\xff', many=[1, 2])
    (day, doc, raw, many), = connection.run('select * from t')
    rows = len(connection.run('select i, repeat(:x, 100) from generate_series(1, 3000) i', x='x'))
    connection.run('rollback')
    try: connection.run('select nonsense')
    except pg8000.native.DatabaseError as error: code = error.args[0]['C']
    return [n, secure, day.isoformat(), doc, list(raw), many, rows, code]
";
    let Some(workspace) = workspace(code, &[database.port]) else { return };
    for n in 0..4 {
        assert_eq!(
            workspace.run("f", json!({ "n": n, "port": database.port, "ca": certificate })).result(),
            json!([n + 1, true, "2020-01-02T00:00:00+00:00", { "a": "ü" }, [0, 255], [1, 2], 3000, "42703"])
        );
    }
    let log = database.log();
    assert!(!log.contains("could not accept SSL connection"), "{log}");
}

#[test]
fn pymysql_asks_mariadb() {
    let Some(database) = servers::mariadb() else { return };
    let code = "
import datetime
import pymysql
connection = None
def handler(event):
    global connection
    connection = connection or pymysql.connect(host='127.0.0.1', port=event['port'], user='app', password='secret', database='app', autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute('create table if not exists t (id int primary key, word varchar(100), day datetime)')
        cursor.execute('replace into t values (%s, %s, %s)', (event['n'], 'wörd', datetime.datetime(2020, 1, 2)))
        cursor.execute('select word, day from t where id = %s', event['n'])
        word, day = cursor.fetchone()
        try: cursor.execute('select nonsense from t')
        except pymysql.err.OperationalError as error: code = error.args[0]
        cursor.execute('select count(*) from information_schema.processlist where user = %s', 'app')
        return [word, day.isoformat(), code, cursor.fetchone()[0]]
";
    let Some(workspace) = workspace(code, &[database.port]) else { return };
    for n in 1..=3 {
        assert_eq!(
            workspace.run("f", json!({ "n": n, "port": database.port })).result(),
            json!(["wörd", "2020-01-02T00:00:00", 1054, 1])
        );
    }
}

#[test]
fn redis_keeps_what_functions_give_it() {
    let Some(database) = servers::redis() else { return };
    let code = "
import asyncio, time
import redis, redis.asyncio
client = tasks = None
async def handler(event):
    global client, tasks
    n, place = event['n'], dict(host='127.0.0.1', port=event['port'], password='secret', decode_responses=True)
    client, tasks = client or redis.Redis(**place), tasks or redis.asyncio.Redis(**place)
    client.set(f'key {n}', 'ü' * 1000, ex=60)
    count, list = client.pipeline().incr('count').rpush('list', n).execute()
    try: client.hget('list', 'x')
    except redis.ResponseError as error: wrong = str(error).split()[0]
    began = time.monotonic()
    nothing = client.blpop('nothing', 0.1)
    waited = time.monotonic() - began >= 0.09
    async with tasks.pubsub() as channel:
        await channel.subscribe('news')
        client.publish('news', 'hot')
        heard = [message['data'] async for message in limited(channel.listen(), 2)]
    values = await asyncio.gather(*(tasks.get(f'key {n}') for _ in range(3)))
    return [len(client.get(f'key {n}')), count, list, wrong, nothing, waited, heard, [len(each) for each in values]]
async def limited(source, count):
    async for each in source:
        yield each
        count -= 1
        if not count: return
";
    let Some(workspace) = workspace(code, &[database.port]) else { return };
    for n in 1..=4 {
        assert_eq!(
            workspace.run("f", json!({ "n": n, "port": database.port })).result(),
            json!([1000, n, n, "WRONGTYPE", null, true, [1, "hot"], [1000, 1000, 1000]])
        );
    }
}
