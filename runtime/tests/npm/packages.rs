//! The packages that the functions microservice offered to every function, and `hono`.

use crate::{upstream, workspace};
use serde_json::{Value, json};
use std::thread;

/// Name, range of versions, a function that uses it, what that answers. `UPSTREAM` is the port of [`upstream`].
const PACKAGES: [(&str, &str, &str, &str); 31] = [
    (
        "csv-parse",
        "^6",
        r#"const { parse } = require("csv-parse/sync");
        const whole = parse('a,b\n1,"x,y"', { columns: true });
        const streamed = [];
        for await (const row of require("csv-parse").parse("1,2\n3,4")) streamed.push(row);
        return { whole, streamed };"#,
        r#"{"whole": [{"a": "1", "b": "x,y"}], "streamed": [["1", "2"], ["3", "4"]]}"#,
    ),
    (
        "csv-string",
        "^4",
        r#"const csv = require("csv-string"); return [csv.parse('a,"b,c"'), csv.stringify(["x", "y,z"]), csv.detect("a;b;c")];"#,
        r#"[[["a", "b,c"]], "x,\"y,z\"\r\n", ";"]"#,
    ),
    (
        "js-yaml",
        "^4",
        r#"const yaml = require("js-yaml"); return [yaml.load("a: [1, 2]\nb: {c: d}"), yaml.dump({ x: [1] })];"#,
        r#"[{"a": [1, 2], "b": {"c": "d"}}, "x:\n  - 1\n"]"#,
    ),
    (
        "yaml",
        "^2",
        r#"const yaml = require("yaml"); return [yaml.parse("a: &x 1\nb: *x"), yaml.stringify({ k: ["v"] })];"#,
        r#"[{"a": 1, "b": 1}, "k:\n  - v\n"]"#,
    ),
    (
        "papaparse",
        "^5",
        r#"const papa = require("papaparse"); return [papa.parse("a,b\n1,2", { header: true, dynamicTyping: true }).data, papa.unparse([{ x: 1 }])];"#,
        r#"[[{"a": 1, "b": 2}], "x\r\n1"]"#,
    ),
    (
        "safe-flat",
        "^2",
        r#"const { flatten, unflatten } = require("safe-flat"); return [flatten({ a: { b: [1] } }), unflatten({ "x.y": 2 })];"#,
        r#"[{"a.b.0": 1}, {"x": {"y": 2}}]"#,
    ),
    (
        "uni-flatten",
        "^1",
        r#"const { flatten, unflatten } = require("uni-flatten"); return unflatten(flatten({ a: { b: [1, 2] } }));"#,
        r#"{"a": {"b": [1, 2]}}"#,
    ),
    (
        "node-fetch",
        "^2",
        r#"const fetch = require("node-fetch");
        const { method, body } = await (await fetch("http://127.0.0.1:UPSTREAM/x", { method: "POST", body: "hi" })).json();
        return [method, body];"#,
        r#"["POST", "hi"]"#,
    ),
    (
        "form-data",
        "^4",
        r#"const FormData = require("form-data"), http = require("http");
        const form = new FormData();
        form.append("field", "value");
        form.append("file", Buffer.from("content"), { filename: "a.txt", contentType: "text/plain" });
        const sent = await new Promise((resolve, reject) => {
          const request = http.request("http://127.0.0.1:UPSTREAM/form", { method: "POST", headers: form.getHeaders() }, async (response) => {
            let text = ""; for await (const piece of response) text += piece; resolve(JSON.parse(text));
          });
          request.on("error", reject); form.pipe(request);
        });
        return [sent.type, /name="file"; filename="a.txt"\r\nContent-Type: text\/plain\r\n\r\ncontent\r\n/.test(sent.body)];"#,
        r#"["multipart/form-data", true]"#,
    ),
    (
        "adm-zip",
        "^0.5",
        r#"const Zip = require("adm-zip"); const zip = new Zip();
        zip.addFile("folder/a.txt", Buffer.from("hi ".repeat(1000)));
        const packed = zip.toBuffer();
        return [packed.length < 500, new Zip(packed).readAsText("folder/a.txt").length];"#,
        "[true, 3000]",
    ),
    (
        "archiver",
        "^7",
        r#"const archive = require("archiver")("zip", { zlib: { level: 9 } });
        const pieces = []; archive.on("data", (piece) => pieces.push(piece));
        archive.append("first", { name: "a.txt" }); archive.append(Buffer.from("second"), { name: "b/c.txt" });
        await archive.finalize();
        const packed = Buffer.concat(pieces);
        return [packed.subarray(0, 2).toString(), packed.includes("b/c.txt")];"#,
        r#"["PK", true]"#,
    ),
    (
        "css",
        "^3",
        r#"const css = require("css"); const tree = css.parse("a { color: red } @media print { b { c: d } }");
        return [tree.stylesheet.rules.map((rule) => rule.type), css.stringify(tree, { compress: true })];"#,
        r#"[["rule", "media"], "a{color:red;}@media print{b{c:d;}}"]"#,
    ),
    (
        "iconv-lite",
        "^0.6",
        r#"const iconv = require("iconv-lite");
        return [iconv.decode(Buffer.from([0xe9]), "latin1"), iconv.encode("日本", "shift_jis").toString("hex"), iconv.decode(Buffer.from("93fa967b", "hex"), "shift_jis")];"#,
        r#"["é", "93fa967b", "日本"]"#,
    ),
    (
        "jschardet",
        "^3",
        r#"return require("jschardet").detect(Buffer.from("Привет, как дела? Это проверка.", "utf8")).encoding;"#,
        r#""UTF-8""#,
    ),
    ("striptags", "^3", r#"return require("striptags")("<p>a <b>c</b></p>", ["b"]);"#, r#""a <b>c</b>""#),
    (
        "sift",
        "^17",
        r#"const sift = require("sift").default; return [{ a: 1 }, { a: 5, b: ["x"] }].filter(sift({ a: { $gt: 2 }, b: { $in: ["x"] } }));"#,
        r#"[{"a": 5, "b": ["x"]}]"#,
    ),
    (
        "dayjs",
        "^1",
        r#"const dayjs = require("dayjs"); dayjs.extend(require("dayjs/plugin/utc"));
        const day = dayjs.utc("2024-02-28T23:00:00Z").add(1, "day"); return [day.format("DD.MM.YYYY HH:mm"), day.isAfter("2024-01-01")];"#,
        r#"["29.02.2024 23:00", true]"#,
    ),
    (
        "generate-password",
        "^1",
        r#"const made = require("generate-password").generateMultiple(2, { length: 16, numbers: true, strict: true });
        return [made.map((word) => word.length), made[0] !== made[1], /[0-9]/.test(made[0])];"#,
        "[[16, 16], true, true]",
    ),
    (
        "human-readable-ids",
        "^1",
        r#"return /^[a-z]+-[a-z-]+-\d+$/.test(require("human-readable-ids").hri.random());"#,
        "true",
    ),
    (
        "humanize-duration",
        "^3",
        r#"const humanize = require("humanize-duration"); return [humanize(3_665_000), humanize(65_000, { language: "de" })];"#,
        r#"["1 hour, 1 minute, 5 seconds", "1 Minute, 5 Sekunden"]"#,
    ),
    ("md5", "^2", r#"return require("md5")("message");"#, r#""78e731027d8fd50ed642340b7c9a63b3""#),
    (
        "short-uuid",
        "^5",
        r#"const short = require("short-uuid")(); const id = short.new(); return [short.fromUUID(short.toUUID(id)) === id, short.toUUID(id).length];"#,
        "[true, 36]",
    ),
    (
        "unique-names-generator",
        "^4",
        r#"const { uniqueNamesGenerator, adjectives, animals } = require("unique-names-generator");
        const make = () => uniqueNamesGenerator({ dictionaries: [adjectives, animals], separator: "-", seed: 5 });
        return [make() === make(), make().includes("-")];"#,
        "[true, true]",
    ),
    (
        "gpt-tokenizer",
        "^3",
        r#"const { encode, decode } = require("gpt-tokenizer"); const tokens = encode("hello world"); return [tokens.length, decode(tokens)];"#,
        r#"[2, "hello world"]"#,
    ),
    (
        "lodash",
        "^4",
        r#"const _ = require("lodash"); const fp = require("lodash/fp");
        return [_.chunk([1, 2, 3], 2), _.merge({ a: { b: 1 } }, { a: { c: 2 } }), _.template("hi <%= name %>")({ name: "Ada" }), fp.flow(fp.map((n) => n * 2), fp.sum)([1, 2])];"#,
        r#"[[[1, 2], [3]], {"a": {"b": 1, "c": 2}}, "hi Ada", 6]"#,
    ),
    (
        "axios",
        "^1",
        r#"const axios = require("axios");
        const { data, status } = await axios.post("http://127.0.0.1:UPSTREAM/a", { x: 1 }, { headers: { Authorization: "Bearer t" } });
        const refused = await axios.get("http://127.0.0.1:9/").catch((error) => [axios.isAxiosError(error), error.code]);
        return [status, data.method, data.type, data.authorization, data.body, refused];"#,
        r#"[200, "POST", "application/json", "Bearer t", "{\"x\":1}", [true, "ECONNREFUSED"]]"#,
    ),
    (
        "mongodb",
        "^6",
        r#"const { MongoClient, ObjectId, BSON } = require("mongodb");
        const client = new MongoClient("mongodb://127.0.0.1:9/", { serverSelectionTimeoutMS: 200 });
        const failed = await client.connect().catch((error) => error.name);
        return [failed, new ObjectId("65f0c0ffee0123456789abcd").getTimestamp().getUTCFullYear(), BSON.deserialize(BSON.serialize({ a: [1, "x"] }))];"#,
        r#"["MongoServerSelectionError", 2024, {"a": [1, "x"]}]"#,
    ),
    (
        "@sendgrid/mail",
        "^8",
        r#"const mail = require("@sendgrid/mail"), { Client } = require("@sendgrid/client");
        const client = new Client(); mail.setClient(client); mail.setApiKey("SG.key");
        client.setDefaultRequest("baseUrl", "http://127.0.0.1:UPSTREAM/");
        const [response] = await mail.send({ to: "a@example.com", from: "b@example.com", subject: "s", text: "t" });
        return [response.statusCode, response.body.path, response.body.authorization, JSON.parse(response.body.body).subject];"#,
        r#"[200, "/v3/mail/send", "Bearer SG.key", "s"]"#,
    ),
    (
        "@azure/msal-node",
        "^3",
        r#"const { ConfidentialClientApplication } = require("@azure/msal-node");
        const authority = "https://login.microsoftonline.com/tenant";
        const networkClient = {
          sendGetRequestAsync: async (url) => ({ status: 200, headers: {}, body: url.includes("instance")
            ? { tenant_discovery_endpoint: authority, metadata: [] }
            : { issuer: authority, authorization_endpoint: authority + "/a", token_endpoint: authority + "/t", jwks_uri: authority + "/k" } }),
          sendPostRequestAsync: async (_, { body }) => ({ status: 200, headers: {}, body: {
            access_token: "for " + new URLSearchParams(body).get("client_id"), token_type: "Bearer", expires_in: 3600 } }),
        };
        const app = new ConfidentialClientApplication({ auth: { clientId: "id", clientSecret: "secret", authority }, system: { networkClient } });
        const { accessToken, fromCache } = await app.acquireTokenByClientCredential({ scopes: ["x/.default"] });
        return [accessToken, fromCache];"#,
        r#"["for id", false]"#,
    ),
    (
        "google-auth-library",
        "^9",
        r#"const { JWT, OAuth2Client } = require("google-auth-library"), { generateKeyPairSync } = require("crypto");
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048,
          privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
        const headers = await new JWT({ email: "a@example.com", key: privateKey }).getRequestHeaders("https://pubsub.example.com/");
        const claims = JSON.parse(Buffer.from(headers.Authorization.split(".")[1], "base64url"));
        const client = new OAuth2Client({ clientId: "id", clientSecret: "s", endpoints: { oauth2TokenUrl: "http://127.0.0.1:UPSTREAM/token" } });
        client.setCredentials({ refresh_token: "r" });
        return [claims.iss, claims.aud, (await client.getAccessToken()).token];"#,
        r#"["a@example.com", "https://pubsub.example.com/", "given"]"#,
    ),
    (
        "redis",
        "^5",
        r#"const { createClient } = require("redis");
        const client = createClient({ url: "redis://127.0.0.1:9", socket: { reconnectStrategy: false } });
        client.on("error", () => {});
        return await client.connect().catch((error) => error.code);"#,
        r#""ECONNREFUSED""#,
    ),
];

#[test]
fn the_packages_of_the_microservice_do_their_work() {
    if workspace().is_none() {
        return;
    }
    let port = upstream::start().to_string();
    // Some at once: an install waits for the registry more than it works.
    let mut failures: Vec<String> = thread::scope(|scope| {
        let port = &port;
        let workers: Vec<_> = (0..4)
            .map(|worker: usize| {
                scope.spawn(move || {
                    PACKAGES.iter().skip(worker).step_by(4).filter_map(|row| failure(row, port)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    failures.sort();
    assert!(failures.is_empty(), "{} of {} packages:\n{}", failures.len(), PACKAGES.len(), failures.join("\n"));
}

/// What is wrong with a row, if anything is.
fn failure((package, range, code, expected): &(&str, &str, &str, &str), port: &str) -> Option<String> {
    let workspace = workspace()?;
    let egress = [format!("127.0.0.1:{port}"), "127.0.0.1:9".into()];
    let function = json!({ "code": code.replace("UPSTREAM", port) });
    let answer = workspace.deploy(&json!({
        "egress": egress, "dependencies": { *package: range }, "functions": { "use": function }
    }));
    if answer.status != 200 {
        return Some(format!("{package}: the deploy: {}", answer.text()));
    }
    let answer = workspace.run("use", json!({}));
    let expected: Value = serde_json::from_str(expected).expect("JSON");
    (answer.json()["result"] != expected).then(|| format!("{package}: {}", answer.text()))
}

#[test]
fn native_packages_are_refused_with_what_does_instead() {
    let Some(workspace) = workspace() else { return };
    let answer = workspace.deploy(&json!({ "functions": { "f": { "code": "return require('sharp')" } } }));
    answer.fails(422, "package_native", "sharp");
    assert!(answer.text().contains("WebAssembly"), "it names what does instead: {}", answer.text());
}

#[test]
fn an_application_of_hono_answers_http() {
    let Some(workspace) = workspace() else { return };
    let code = r#"
        import { Hono } from "hono";
        import { cors } from "hono/cors";
        import { streamText } from "hono/streaming";
        const app = new Hono();
        app.use("*", cors());
        app.get("/users/:id", (c) => c.json({ id: c.req.param("id"), q: c.req.query("q") }));
        app.post("/form", async (c) => c.text((await c.req.parseBody()).name));
        app.get("/stream", (c) => streamText(c, async (stream) => { for (const n of [1, 2, 3]) await stream.writeln(`line ${n}`); }));
        app.onError((error, c) => c.text(`caught ${error.message}`, 500));
        app.get("/fails", () => { throw new Error("this"); });
        app.notFound((c) => c.text("nothing here", 404));
        export default app;
    "#;
    workspace.deploy(&json!({ "functions": { "app": { "code": code } } })).expect(200);
    let get = |path: &str| workspace.client.get(&workspace.path(&format!("/http/app{path}")));
    let user = get("/users/7?q=a%20b").expect(200);
    assert_eq!(user.json(), json!({ "id": "7", "q": "a b" }));
    assert_eq!(user.header("access-control-allow-origin"), Some("*"));
    let form = workspace.client.send(
        ::http::Method::POST,
        &workspace.path("/http/app/form"),
        &[("content-type", "application/x-www-form-urlencoded")],
        "name=Ada",
    );
    assert_eq!(form.expect(200).text(), "Ada");
    assert_eq!(get("/stream").expect(200).text(), "line 1\nline 2\nline 3\n");
    assert_eq!(get("/fails").expect(500).text(), "caught this");
    assert_eq!(get("/elsewhere").expect(404).text(), "nothing here");
}
