//! Web apps as their frameworks write them, over real HTTP.

use crate::client::{Answer, Workspace};
use crate::workspace;
use ::http::Method;
use serde_json::{Value, json};

/// Deploys an app as the function `f`.
fn deploy(code: &str, requirements: &[&str]) -> Option<Workspace<'static>> {
    let workspace = workspace()?;
    let body = json!({ "functions": { "f": { "code": code, "language": "python" } }, "requirements": requirements });
    assert_eq!(workspace.deploy(&body).expect(200).json()["warnings"], Value::Null, "it is forked from an image");
    Some(workspace)
}

fn get(workspace: &Workspace<'_>, rest: &str) -> Answer {
    workspace.client.get(&workspace.path(&format!("/http/f{rest}")))
}

#[test]
fn flask_answers() {
    let code = "from flask import Flask, Response, request, url_for
app = Flask(__name__)
@app.route('/hello/<name>')
def hello(name):
    return {'hello': name, 'at': url_for('hello', name='x', q=1), 'q': request.args.get('q')}
@app.post('/form')
def form():
    return request.form['a'] + request.files['b'].read().decode(), 201, {'x-a': '1'}
@app.post('/sizes')
def sizes():
    if request.files:
        return {name: len(file.read()) for name, file in request.files.items()}
    return {'body': len(request.get_data())}
@app.get('/parts')
def parts():
    return Response((f'{n},' for n in range(3)), mimetype='text/plain')
@app.get('/wrong')
def wrong():
    raise ValueError('inside')
";
    let Some(workspace) = deploy(code, &["flask"]) else { return };
    let at = workspace.path("/http/f/hello/x?q=1");
    let answer = get(&workspace, "/hello/Ada?q=%C3%A4").expect(200).json();
    assert_eq!(answer, json!({ "hello": "Ada", "at": at, "q": "ä" }));
    let form = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; \
                name=\"b\"; filename=\"f\"\r\n\r\nfile\r\n--b--\r\n";
    let media = [("content-type", "multipart/form-data; boundary=b")];
    let answer = workspace.client.send(Method::POST, &workspace.path("/http/f/form"), &media, form).expect(201);
    assert_eq!((answer.text(), answer.header("x-a")), ("xfile", Some("1")));
    // Beyond what is held for an event.
    let file = "x".repeat(5 << 20);
    let form = format!("--b\r\ncontent-disposition: form-data; name=\"b\"; filename=\"f\"\r\n\r\n{file}\r\n--b--\r\n");
    let sizes = workspace.path("/http/f/sizes");
    assert_eq!(workspace.client.send(Method::POST, &sizes, &media, form).expect(200).json(), json!({ "b": 5 << 20 }));
    assert_eq!(workspace.client.send(Method::POST, &sizes, &[], file).expect(200).json(), json!({ "body": 5 << 20 }));
    assert_eq!(get(&workspace, "/parts").expect(200).text(), "0,1,2,");
    assert!(get(&workspace, "/wrong").expect(500).text().contains("Internal Server Error"));
    assert!(get(&workspace, "/none").expect(404).text().contains("Not Found"));
}

#[test]
fn bottle_answers() {
    let code = "import bottle
app = bottle.Bottle()
@app.get('/<n:int>')
def number(n):
    bottle.response.set_cookie('c', 'd')
    return {'n': n + 1}
@app.post('/')
def size():
    return {'size': len(bottle.request.body.read())}
";
    let Some(workspace) = deploy(code, &["bottle"]) else { return };
    let answer = get(&workspace, "/4").expect(200);
    assert_eq!((answer.json(), answer.header("set-cookie")), (json!({ "n": 5 }), Some("c=d")));
    let body = "x".repeat(5 << 20);
    let answer = workspace.client.send(Method::POST, &workspace.path("/http/f/"), &[], body).expect(200);
    assert_eq!(answer.json(), json!({ "size": 5 << 20 }));
    // Bottle reads as much as a length says, and would take the framing off once more.
    let chunked = [("transfer-encoding", "chunked")];
    let answer = workspace.client.send(Method::POST, &workspace.path("/http/f/"), &chunked, "x".repeat(30_000));
    assert_eq!(answer.expect(200).json(), json!({ "size": 30_000 }));
}

#[test]
fn starlette_answers() {
    let code = "import contextlib
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

@contextlib.asynccontextmanager
async def lifespan(app):
    yield {'begun': 1}

async def home(request):
    body = await request.json() if request.method == 'POST' else None
    return JSONResponse({'begun': request.state.begun, 'path': request.url.path, 'body': body})

async def parts(request):
    async def make():
        for n in range(3): yield f'{n},'
    return StreamingResponse(make(), background=BackgroundTask(cache.__setitem__, 'done', True))

async def upload(request):
    size = pieces = 0
    async for piece in request.stream():
        size, pieces = size + len(piece), pieces + 1
    return JSONResponse({'size': size, 'several': pieces > 2})

async def done(request):
    return JSONResponse(cache.get('done'))

app = Starlette(lifespan=lifespan, routes=[Route('/', home, methods=['GET', 'POST']), Route('/parts', parts), Route('/done', done),
    Route('/upload', upload, methods=['POST'])])
";
    let Some(workspace) = deploy(code, &["starlette"]) else { return };
    let path = workspace.path("/http/f/");
    let media = [("content-type", "application/json")];
    let answer = workspace.client.send(Method::POST, &path, &media, r#"{"a": 1}"#).expect(200).json();
    assert_eq!(answer, json!({ "begun": 1, "path": path, "body": { "a": 1 } }));
    assert_eq!(get(&workspace, "/parts").expect(200).text(), "0,1,2,");
    let answer =
        workspace.client.send(Method::POST, &workspace.path("/http/f/upload"), &[], "x".repeat(40 << 20)).expect(200);
    assert_eq!(answer.json(), json!({ "size": 40 << 20, "several": true }));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while get(&workspace, "/done").expect(200).json() != json!(true) {
        assert!(std::time::Instant::now() < until, "the work after the answer is done");
    }
}

#[test]
fn fastapi_answers() {
    let code = "from fastapi import FastAPI
from pydantic import BaseModel
app = FastAPI()
class Item(BaseModel):
    name: str
    price: float = 1
@app.post('/items')
async def create(item: Item):
    return {'got': item}
@app.get('/sync/{n}')
def sync(n: int):
    return n + 1
";
    let Some(workspace) = deploy(code, &["fastapi<0.118", "pydantic<2"]) else { return };
    let post = |body: &str| {
        let media = [("content-type", "application/json")];
        workspace.client.send(Method::POST, &workspace.path("/http/f/items"), &media, body.to_string())
    };
    assert_eq!(post(r#"{"name": "a"}"#).expect(200).json(), json!({ "got": { "name": "a", "price": 1 } }));
    assert_eq!(post(r#"{"price": 2}"#).expect(422).json()["detail"][0]["loc"], json!(["body", "name"]));
    assert_eq!(get(&workspace, "/sync/4").expect(200).text(), "5");
    assert!(get(&workspace, "/openapi.json").expect(200).json()["paths"]["/items"]["post"].is_object());
}

/// The server of compute modules' documentation.
#[test]
fn an_app_of_flask_has_the_operations_of_its_description() {
    let code = "from flask import Flask, request, jsonify
import uuid

app = Flask(__name__)

books = {}

@app.route('/books', methods=['POST'])
def add_book():
    data = request.json
    book_id = str(uuid.uuid4())
    books[book_id] = {
        'title': data.get('title'),
        'author': data.get('author'),
        'published_year': int(data.get('published_year')),
        'added_by': request.headers.get('User-ID'),
    }
    return jsonify(book_id), 200

@app.route('/books/<book_id>', methods=['GET'])
def get_book(book_id):
    return jsonify(books.get(book_id)), 200

if __name__ == '__main__':
    app.run(port=8000)
";
    let text = json!({ "type": "string" });
    let content = |schema: &Value| json!({ "content": { "application/json": { "schema": schema } } });
    let fields = json!({ "title": text, "author": text, "published_year": { "type": "integer" } });
    let book = json!({ "type": "object", "properties": fields });
    let description = json!({
        "openapi": "3.0.0",
        "servers": [{ "url": "http://localhost:8000" }],
        "paths": {
            "/books": { "post": {
                "operationId": "addBook",
                "requestBody": content(&book),
                "parameters": [{ "name": "User-ID", "in": "header", "schema": text }],
                "responses": { "200": content(&text) },
            } },
            "/books/{book_id}": { "get": {
                "operationId": "getBook",
                "parameters": [{ "name": "book_id", "in": "path", "schema": text }],
                "responses": { "200": content(&book) },
            } },
        },
    });
    let Some(workspace) = workspace() else { return };
    let function = json!({ "code": code, "language": "python", "openapi": description });
    workspace.deploy(&json!({ "functions": { "library": function }, "requirements": ["flask"] })).expect(200);
    let book = json!({ "title": "Emma", "author": "Jane Austen", "published_year": 1815 });
    let id = workspace.run("library.addBook", json!({ "User-ID": "u", "body": book })).expect(200).result();
    let found = workspace.run("library.getBook", json!({ "book_id": id })).expect(200).result();
    assert_eq!((&found["title"], &found["added_by"]), (&json!("Emma"), &json!("u")));
}
