//! Who may do what: tokens by their SHA-256, each with its workspaces and rights.

use crate::client::Answer;
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn server() -> Server {
    let token = |name: &str, workspaces: &str, rights: &str| {
        let hash: String =
            Sha256::digest(format!("token of {name}")).iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "[[tokens]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nworkspaces = [{workspaces}]\nrights = [{rights}]\n"
        )
    };
    Server::start(
        &[
            token("root", "\"*\"", "\"deploy\", \"invoke\""),
            token("shop", "\"shop\"", "\"deploy\", \"invoke\""),
            token("caller", "\"shop\"", "\"invoke\""),
            token("builder", "\"bank\"", "\"deploy\""),
        ]
        .concat(),
    )
}

fn send(server: &Server, token: &str, method: Method, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
    let media = ("content-type", if body.starts_with('{') { "application/json" } else { "text/javascript" });
    server.client.send(method, path, &[headers, &[media]].concat(), body.to_string())
}

#[test]
fn without_a_known_token_nobody_is_let_in() {
    let server = server();
    send(&server, "token of root", Method::PUT, "/v2/functions/shop/f", "return 1").expect(201);
    let paths = [
        (Method::GET, "/v2/functions"),
        (Method::GET, "/v2/functions/shop"),
        (Method::POST, "/v2/functions/shop"),
        (Method::DELETE, "/v2/functions/shop"),
        (Method::GET, "/v2/functions/shop/f"),
        (Method::PUT, "/v2/functions/shop/f"),
        (Method::DELETE, "/v2/functions/shop/f"),
        (Method::GET, "/v2/functions/shop/settings"),
        (Method::PUT, "/v2/functions/shop/settings"),
        (Method::GET, "/v2/functions/shop/secrets"),
        (Method::PUT, "/v2/functions/shop/secrets/A"),
        (Method::DELETE, "/v2/functions/shop/secrets/A"),
        (Method::GET, "/v2/functions/shop/layers"),
        (Method::GET, "/v2/functions/shop/layers/a"),
        (Method::PUT, "/v2/functions/shop/layers/a"),
        (Method::GET, "/v2/functions/shop/layers/a/1"),
        (Method::DELETE, "/v2/functions/shop/layers/a/1"),
        (Method::POST, "/v2/functions/shop/run/f"),
        (Method::GET, "/v2/functions/shop/http/f"),
        // Whether something is there is nothing that strangers learn.
        (Method::POST, "/v2/functions/nowhere/run/f"),
        (Method::GET, "/v2/functions/nowhere"),
    ];
    for token in ["", "wrong", "token of rootx", "TOKEN OF ROOT", "token of"] {
        for (method, path) in &paths {
            let answer = send(&server, token, method.clone(), path, r#"{"functions":{}}"#);
            answer.fails(401, "unauthorized", "token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        }
    }
    for header in ["Basic dG9rZW4=", "token of root", "bearer", "Bearer"] {
        let answer = server.client.send(Method::GET, "/v2/functions", &[("authorization", header)], "");
        assert_eq!(answer.status, 401, "{header}");
    }
    for open in ["/healthz", "/readyz"] {
        send(&server, "", Method::GET, open, "").expect(200);
    }
    assert_eq!(send(&server, "token of root", Method::POST, "/v2/functions/shop/run/f", "{}").result(), 1);
}

#[test]
fn a_token_gives_its_rights_in_its_workspaces_only() {
    let server = server();
    for workspace in ["shop", "bank"] {
        send(&server, "token of root", Method::PUT, &format!("/v2/functions/{workspace}/f"), "return 1").expect(201);
    }
    let check = |token: &str, method: Method, path: &str, body: &str, status: u16| {
        let answer = send(&server, &format!("token of {token}"), method, path, body);
        assert_eq!(answer.status, status, "{token} {path}: {}", answer.text());
        if status == 403 {
            answer.fails(403, "forbidden", token);
        }
    };
    check("caller", Method::POST, "/v2/functions/shop/run/f", "{}", 200);
    check("caller", Method::GET, "/v2/functions/shop/http/f", "", 200);
    for (method, path) in [
        (Method::PUT, "/v2/functions/shop/f"),
        (Method::GET, "/v2/functions/shop/f"),
        (Method::GET, "/v2/functions/shop"),
        (Method::POST, "/v2/functions/shop"),
        (Method::DELETE, "/v2/functions/shop"),
        (Method::GET, "/v2/functions/shop/secrets"),
        (Method::GET, "/v2/functions/shop/layers"),
        (Method::PUT, "/v2/functions/shop/layers/a"),
        (Method::DELETE, "/v2/functions/shop/layers/a/1"),
        (Method::PUT, "/v2/functions/shop/settings"),
        (Method::POST, "/v2/functions/bank/run/f"),
        (Method::POST, "/v2/functions/nowhere/run/f"),
        (Method::GET, "/v2/functions/nowhere"),
    ] {
        check("caller", method, path, r#"{"functions":{}}"#, 403);
    }
    check("shop", Method::PUT, "/v2/functions/shop/f", "return 2", 200);
    check("shop", Method::PUT, "/v2/functions/bank/f", "return 2", 403);
    check("shop", Method::POST, "/v2/functions/bank/run/f", "{}", 403);
    check("builder", Method::PUT, "/v2/functions/bank/f", "return 3", 200);
    check("builder", Method::POST, "/v2/functions/bank/run/f", "{}", 403);
    check("builder", Method::PUT, "/v2/functions/shop/f", "return 3", 403);
    check("root", Method::POST, "/v2/functions/bank/run/f", "{}", 200);

    let listed = |token: &str| {
        let body = send(&server, &format!("token of {token}"), Method::GET, "/v2/functions", "").expect(200).json();
        let names = body["workspaces"].as_array().expect("a list").clone();
        let mut names: Vec<String> =
            names.iter().map(|entry| entry.as_str().or(entry["name"].as_str()).expect("a name").into()).collect();
        names.sort();
        names
    };
    assert_eq!(listed("root"), ["bank", "shop"]);
    assert_eq!(listed("shop"), ["shop"]);
    assert_eq!(listed("builder"), ["bank"]);
}

#[test]
fn a_function_never_sees_the_callers_token_and_learns_its_name() {
    let server = server();
    let code =
        "export default (event, context) => [JSON.stringify(event), JSON.stringify(context), context.identity ?? null]";
    send(&server, "token of root", Method::PUT, "/v2/functions/shop/f", code).expect(201);
    let answer = send(&server, "token of caller", Method::GET, "/v2/functions/shop/http/f", "").expect(200);
    assert!(!answer.text().to_ascii_lowercase().contains("authorization"), "{}", answer.text());
    assert!(!answer.text().contains("token of caller"), "{}", answer.text());
    let seen: Value = answer.json();
    assert!(seen[2].to_string().contains("caller"), "{seen}");

    // Where no token is asked for, the header is the function's own business.
    let open = Server::shared();
    open.client.put("/v2/functions/auth-open/f", "text/javascript", "return event.headers.authorization").expect(201);
    let answer = open.client.send(Method::GET, "/v2/functions/auth-open/http/f", &[("authorization", "Basic x")], "");
    assert_eq!(answer.expect(200).json(), json!("Basic x"));
}
