//! Functions of several files: archives and JSON, what is run of them, hostile archives, and what is kept on disk.

use crate::client::{Answer, Workspace};
use crate::server::Server;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::path::Path;
use tar::EntryType;
use zip::write::SimpleFileOptions;

const ZIP: &str = "application/zip";
const GZIP: &str = "application/gzip";

type Files<'a> = &'a [(&'a str, &'a str)];

/// A zip of these files, in this order.
pub fn zip_of(files: Files) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        if path.ends_with('/') {
            zip.add_directory(*path, SimpleFileOptions::default()).expect("a folder");
        } else {
            zip.start_file(*path, SimpleFileOptions::default()).expect("a file");
            zip.write_all(text.as_bytes()).expect("its text");
        }
    }
    zip.finish().expect("a zip").into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("bytes");
    gzip.finish().expect("a gzip")
}

/// An entry of a tar with any name, which the library would refuse to write.
fn entry(tar: &mut tar::Builder<Vec<u8>>, name: &[u8], kind: EntryType, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, content).expect("an entry");
}

/// A tar with these entries, compressed.
pub fn tar_of(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        entry(&mut tar, name, *kind, content);
    }
    gzip(&tar.into_inner().expect("a tar"))
}

pub fn tar_gz(files: Files) -> Vec<u8> {
    let entries: Vec<_> =
        files.iter().map(|(path, text)| (path.as_bytes(), EntryType::Regular, text.as_bytes())).collect();
    tar_of(&entries)
}

/// Puts an archive as function `f` of a new workspace.
fn put(media: &str, archive: Vec<u8>, query: &str) -> (Workspace<'static>, Answer) {
    let workspace = Workspace::new();
    let answer = workspace.put(&format!("f{query}"), media, archive);
    (workspace, answer)
}

/// Both kinds of archive with these files answer this.
#[track_caller]
fn check(files: Files, query: &str, expected: Value) {
    for (media, archive) in [(ZIP, zip_of(files)), (GZIP, tar_gz(files))] {
        let (workspace, answer) = put(media, archive, query);
        assert_eq!(answer.status, 201, "{media} {files:?} {}", answer.text());
        assert_eq!(workspace.result("f"), expected, "{media} {files:?}");
    }
}

/// Both kinds of archive are refused.
#[track_caller]
fn check_refused(files: Files, query: &str, message: &str) {
    for (media, archive) in [(ZIP, zip_of(files)), (GZIP, tar_gz(files))] {
        put(media, archive, query).1.fails(422, "invalid_bundle", message);
    }
}

#[test]
fn what_is_run_of_a_bundle() {
    let a = "exports.handler = () => __filename";
    for (files, expected) in [
        (&[("index.js", a), ("handler.js", "")][..], "index.js"),
        (&[("index.cjs", a)], "index.cjs"),
        (&[("index.mjs", "export const handler = () => import.meta.filename")], "index.mjs"),
        (&[("handler.js", a), ("other.js", "")], "handler.js"),
        (&[("main.js", a)], "main.js"),
        (&[("package.json", r#"{"main": "dist/app.js"}"#), ("dist/app.js", a), ("index.js", "")], "dist/app.js"),
        (&[("package.json", r#"{"main": "./dist/app"}"#), ("dist/app.js", a)], "dist/app.js"),
        (&[("package.json", r#"{"main": "dist"}"#), ("dist/index.js", a)], "dist/index.js"),
        (&[("package.json", r#"{"exports": "./e.js", "main": "m.js"}"#), ("e.js", a), ("m.js", "")], "e.js"),
        (
            &[
                (
                    "package.json",
                    r#"{"exports": { ".": { "types": "./t.d.ts", "browser": "./b.js", "default": "./d.js" } }}"#,
                ),
                ("d.js", a),
            ],
            "d.js",
        ),
        (&[("package.json", r#"{"name": "x"}"#), ("index.js", a)], "index.js"),
        // A folder that holds all is no part of the paths.
        (&[("package/index.js", a), ("package/lib/x.js", "")], "index.js"),
        (&[("app-1.0/package.json", r#"{"main": "x.js"}"#), ("app-1.0/x.js", a)], "x.js"),
        (&[("./index.js", a)], "index.js"),
    ] {
        check(files, "", json!(format!("/var/task/{expected}")));
    }
    check(&[("index.js", ""), ("src/other.js", a)], "?main=src/other.js", json!("/var/task/src/other.js"));
    check(&[("top/index.js", ""), ("top/other.js", a)], "?main=other.js", json!("/var/task/other.js"));
}

#[test]
fn a_bundle_without_anything_to_run_says_what_was_looked_for() {
    check_refused(
        &[("readme.txt", "x")],
        "",
        "there is no package.json, and none of index.js, index.mjs, index.cjs, handler.js",
    );
    check_refused(&[("package.json", "{}")], "", "no `main` and no `exports` in package.json");
    check_refused(
        &[("package.json", r#"{"main": "gone.js"}"#)],
        "",
        "package.json names `gone.js` to be run, which is not in the bundle",
    );
    check_refused(
        &[("package.json", "{,")],
        "",
        "package.json cannot be read: key must be a string at line 1 column 2",
    );
    check_refused(&[("index.js", "")], "?main=x.js", "`main` names `x.js` to be run, which is not in the bundle");
    check_refused(
        &[("index.js", ""), ("x.txt", "")],
        "?main=x.txt",
        "`x.txt` cannot be run: its name must end with .js, .mjs, .cjs",
    );
    check_refused(&[], "", "the bundle has no files");
    check_refused(&[("folder/", "")], "", "");
}

#[test]
fn settings_come_by_the_query_and_stay_checked() {
    let archive = zip_of(&[("index.js", "exports.handler = () => Number(process.env.THIMBLE_MEMORY_SIZE)")]);
    let (workspace, answer) = put(ZIP, archive.clone(), "?memory=64&timeout=1000");
    answer.expect(201);
    assert_eq!(workspace.result("f"), 64);
    put(ZIP, archive.clone(), "?memory=1").1.fails(422, "invalid_setting", "memory");
    put(ZIP, archive.clone(), "?nope=1").1.fails(400, "bad_request", "nope");
    put("application/x-rar", archive, "").1.fails(415, "unsupported_media_type", "application/zip");
}

#[test]
fn what_packers_add_is_left_out() {
    let files = [
        ("__MACOSX/._index.js", "x"),
        ("index.js", "return require('fs').readdirSync('.')"),
        (".DS_Store", "x"),
        ("lib/.DS_Store", "x"),
    ];
    check(&files, "", json!(["index.js"]));
    // Windows' own packer writes `\`; git's writes a header for all.
    let (workspace, answer) =
        put(ZIP, zip_of(&[("index.js", "return require('./lib/a')"), ("lib\\a.js", "module.exports = 'a'")]), "");
    answer.expect(201);
    assert_eq!(workspace.result("f"), "a");
    let archive = tar_of(&[
        (b"pax_global_header", EntryType::XGlobalHeader, b"20 comment=01234567\n"),
        (b"repo/", EntryType::Directory, b""),
        (b"repo/index.js", EntryType::Regular, b"return 'git'"),
    ]);
    let (workspace, answer) = put("application/x-gzip", archive, "");
    answer.expect(201);
    assert_eq!(workspace.result("f"), "git");
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let long = "x".repeat(256) + "/y.js";
    let deep = "d/".repeat(40) + "y.js";
    let cases: [(&[u8], &str); 9] = [
        (b"../evil.js", "it leads out of the bundle"),
        (b"a/../../evil.js", "it leads out of the bundle"),
        (b"a/../b.js", "it leads out of the bundle"),
        (b"/etc/passwd", "it is absolute"),
        (b"C:/evil.js", "it is absolute"),
        (b"a\nb.js", "it has control characters"),
        (b"\xff\xfe.js", "it is not UTF-8"),
        (b"..\\evil.js", ""),
        (b"a/..", "it leads out of the bundle"),
    ];
    for (name, message) in cases {
        let archive = tar_of(&[(b"index.js", EntryType::Regular, b"return 1"), (name, EntryType::Regular, b"x")]);
        let error = put(GZIP, archive, "").1.fails(422, "invalid_bundle", message);
        assert!(
            error.message.contains(&*String::from_utf8_lossy(name).escape_debug().to_string()),
            "{}",
            error.message
        );
        assert_eq!(error.details["function"], "f");
        // The same in a zip: written with a name of that length, which is then changed in the bytes.
        let placeholder = "p".repeat(name.len());
        let mut archive = zip_of(&[("index.js", "return 1"), (&placeholder, "x")]);
        replace(&mut archive, placeholder.as_bytes(), name);
        put(ZIP, archive, "").1.fails(422, "invalid_bundle", message);
    }
    for (path, message) in [(long.as_str(), "a name in it is too long"), (&deep, "it has too many folders in it")] {
        put(ZIP, zip_of(&[("index.js", "return 1"), (path, "x")]), "").1.fails(422, "invalid_bundle", message);
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
}

#[test]
fn links_devices_and_names_that_clash_are_refused() {
    let index: (&[u8], EntryType, &[u8]) = (b"index.js", EntryType::Regular, b"return 1");
    for (kind, message) in [
        (EntryType::Symlink, "`x` is a link"),
        (EntryType::Link, "`x` is a link"),
        (EntryType::Char, "`x` is a device"),
        (EntryType::Block, "`x` is a device"),
        (EntryType::Fifo, "`x` is a device"),
    ] {
        let error = put(GZIP, tar_of(&[index, (b"x", kind, b"")]), "").1.fails(422, "invalid_bundle", message);
        assert_eq!(error.details["entry"], "x");
    }
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.js", SimpleFileOptions::default()).expect("a file");
    zip.add_symlink("link.js", "/etc/passwd", SimpleFileOptions::default()).expect("a link");
    let archive = zip.finish().expect("a zip").into_inner();
    put(ZIP, archive, "").1.fails(422, "invalid_bundle", "`link.js` is a link");

    check_refused_tar(
        &[index, (b"a", EntryType::Regular, b"1"), (b"a", EntryType::Regular, b"2")],
        "`a` is there twice",
    );
    check_refused_tar(
        &[index, (b"a", EntryType::Regular, b"1"), (b"./a", EntryType::Regular, b"2")],
        "`a` is there twice",
    );
    check_refused_tar(
        &[index, (b"a", EntryType::Regular, b"1"), (b"a/b", EntryType::Regular, b"2")],
        "`a` is a file and a folder at once",
    );
    check_refused_tar(
        &[index, (b"a/b", EntryType::Regular, b"1"), (b"a", EntryType::Regular, b"2")],
        "`a` is a file and a folder at once",
    );
}

#[track_caller]
fn check_refused_tar(entries: &[(&[u8], EntryType, &[u8])], message: &str) {
    put(GZIP, tar_of(entries), "").1.fails(422, "invalid_bundle", message);
}

#[test]
fn archives_that_are_too_much_are_refused_before_they_are_unpacked() {
    // 65 MiB of zeros in one file, in a few kilobytes.
    let large = vec![0; 65 << 20];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bomb", SimpleFileOptions::default()).expect("a file");
    zip.write_all(&large).expect("zeros");
    let archive = zip.finish().expect("a zip").into_inner();
    assert!(archive.len() < 1 << 20);
    let error = put(ZIP, archive, "").1.fails(
        413,
        "bundle_too_large",
        "`bomb` is larger than the 64 MiB that a file of a bundle may have",
    );
    assert_eq!(error.details["entry"], "bomb");
    put(GZIP, tar_of(&[(b"bomb", EntryType::Regular, &large)]), "").1.fails(413, "bundle_too_large", "`bomb`");

    // Many files that are small enough each.
    let piece = vec![0; 60 << 20];
    let mut tar = tar::Builder::new(Vec::new());
    for name in [b"a", b"b", b"c", b"d", b"e"] {
        entry(&mut tar, name, EntryType::Regular, &piece);
    }
    let archive = gzip(&tar.into_inner().expect("a tar"));
    put(GZIP, archive, "").1.fails(413, "bundle_too_large", "larger than 256 MiB when it is unpacked (at `e`)");

    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..20_001 {
        entry(&mut tar, format!("{number}").as_bytes(), EntryType::Regular, b"");
    }
    let archive = gzip(&tar.into_inner().expect("a tar"));
    put(GZIP, archive, "").1.fails(413, "bundle_too_large", "more than the 20000 files");

    // Few files in many folders.
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..700 {
        entry(&mut tar, format!("{number}/{}x", "d/".repeat(29)).as_bytes(), EntryType::Regular, b"");
    }
    let archive = gzip(&tar.into_inner().expect("a tar"));
    put(GZIP, archive, "").1.fails(413, "bundle_too_large", "more than the 20000 files and folders");

    // A name that never ends: the library reads it as a whole.
    let mut tar = tar::Builder::new(Vec::new());
    entry(&mut tar, b"././@LongLink", EntryType::GNULongName, &vec![b'x'; 300 << 20]);
    let archive = gzip(&tar.into_inner().expect("a tar"));
    let answer = put(GZIP, archive, "").1;
    assert!(matches!(answer.status, 413 | 422), "{}", answer.text());
}

#[test]
fn damaged_archives_are_refused_and_never_a_fault_of_the_server() {
    let files: Files = &[
        ("index.js", "return 1"),
        ("lib/a.js", "exports.a = 1"),
        ("data.json", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"),
        ("empty", ""),
    ];
    let workspace = Workspace::new();
    let put = |media: &str, archive: Vec<u8>| workspace.put("f", media, archive);
    for (media, archive) in [(ZIP, zip_of(files)), (GZIP, tar_gz(files))] {
        put(media, Vec::new()).fails(422, "invalid_bundle", "cannot be read");
        put(media, b"not an archive at all".to_vec()).fails(422, "invalid_bundle", "cannot be read");
        // Cut at any place, and with bytes turned by a generator of our own: whatever it is taken for, it is an answer.
        for length in (0..archive.len()).step_by(archive.len().div_ceil(60)) {
            put(media, archive[..length].to_vec()).fails(422, "invalid_bundle", "");
        }
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for _ in 0..150 {
            let mut hostile = archive.clone();
            for _ in 0..1 + random(4) {
                let at = random(hostile.len());
                hostile[at] = random(256) as u8;
            }
            let answer = put(media, hostile);
            assert!(matches!(answer.status, 200 | 201 | 413 | 422), "{} {}", answer.status, answer.text());
        }
    }
    // Heads of a tar, inside of a gzip that is whole: sizes, types, names and checksums as they come.
    let mut seed = 42_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for _ in 0..300 {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(text.len() as u64);
            for _ in 0..random(3) {
                header.as_mut_bytes()[random(512)] = [0, 0xff, b'7', b'L', b'x', b'K', b'S', b'/', b'.'][random(9)];
            }
            header.set_cksum();
            tar.append(&header, text.as_bytes()).expect("an entry");
        }
        let answer = put(GZIP, gzip(&tar.into_inner().expect("a tar")));
        assert!(matches!(answer.status, 200 | 201 | 413 | 422), "{} {}", answer.status, answer.text());
    }
    put(ZIP, zip_of(files)).expect(200);
    assert_eq!(workspace.result("f"), 1);
}

#[test]
fn encrypted_files_are_refused() {
    let mut archive = zip_of(&[("index.js", "return 1")]);
    // The flag in the local head and in the directory.
    for (signature, flag) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = archive.windows(4).position(|window| window == signature).expect("a head");
        archive[at + flag] |= 1;
    }
    put(ZIP, archive, "").1.fails(422, "invalid_bundle", "`index.js` is encrypted");
}

#[test]
fn json_may_have_several_files() {
    let workspace = Workspace::new();
    let body = json!({ "functions": {
        "f": { "code": "return [require('./lib/a'), require('fs').readFileSync('logo.png')[1]]", "files": { "lib/a.js": "module.exports = 'a'", "logo.png": { "base64": "iVBORw0K" } } },
        "single": { "code": "return process.cwd()" },
        "named": { "code": "export const handler = () => import.meta.filename", "main": "src/x.mjs" },
    } });
    assert_eq!(workspace.deploy(&body).expect(200).json(), body);
    assert_eq!(workspace.result("f"), json!(["a", 80]));
    assert_eq!(workspace.result("single"), "/");
    assert_eq!(workspace.result("named"), "/var/task/src/x.mjs");
    // What is read can be deployed again.
    let read = workspace.client.get(&workspace.path("")).expect(200).json();
    assert_eq!(read["functions"]["f"]["files"], body["functions"]["f"]["files"]);
    assert_eq!(read["functions"]["f"]["main"], "index.js");
    assert_eq!(read["functions"]["named"]["files"], json!({}));
    assert_eq!(read["functions"]["single"].get("files"), None);
    let other = Workspace::new();
    other.deploy(&read).expect(200);
    assert_eq!(other.result("f"), json!(["a", 80]));
    assert_eq!(other.result("named"), "/var/task/src/x.mjs");

    let refused = |function: Value, code: &str, message: &str| {
        workspace.deploy(&json!({ "functions": { "f": function } })).fails(422, code, message);
    };
    refused(
        json!({ "code": "return 1", "files": { "../x": "" } }),
        "invalid_bundle",
        "function `f`: `../x` cannot be a file's path",
    );
    refused(json!({ "code": "return 1", "files": { "index.js": "" } }), "invalid_bundle", "`index.js` is there twice");
    refused(
        json!({ "code": "return 1", "files": { "index.js/x": "" } }),
        "invalid_bundle",
        "`index.js` is a file and a folder at once",
    );
    refused(json!({ "code": "return 1", "main": "/x.js" }), "invalid_bundle", "it is absolute");
    refused(
        json!({ "code": "return 1", "main": "x.py" }),
        "invalid_setting",
        "`main` is `x.py`, but the language is javascript",
    );
    refused(json!({ "code": "return 1", "main": "." }), "invalid_bundle", "it names no file");
    refused(
        json!({ "code": "return 1", "files": { "x": { "base64": "?" } } }),
        "invalid_setting",
        "the file `x` is not valid Base64",
    );
    let answer = workspace.deploy(&json!({ "functions": { "f": { "code": "return 1", "files": { "x": 5 } } } }));
    answer.fails(400, "bad_request", "a file is a text");
}

#[test]
fn a_change_of_one_file_is_a_change_of_the_function() {
    let workspace = Workspace::new();
    let deploy = |text: &str| {
        let files = [
            ("index.js", "const a = require('./a'); globalThis.n = 0; exports.handler = () => [a, ++n]"),
            ("a.js", text),
            ("same.js", "1"),
        ];
        workspace.put("f", ZIP, zip_of(&files));
    };
    deploy("module.exports = 'first'");
    assert_eq!(workspace.result("f"), json!(["first", 1]));
    // Another function's deploy leaves the image as it is.
    workspace.put("other", "text/javascript", "return 1").expect(201);
    deploy("module.exports = 'second'");
    assert_eq!(workspace.result("f"), json!(["second", 1]));
    deploy("module.exports = 'first'");
    assert_eq!(workspace.result("f"), json!(["first", 1]));
    // What has not changed is not loaded again: the number was drawn by its top level.
    let drawn = |text: &str| {
        zip_of(&[
            ("index.js", "const drawn = Math.random(); exports.handler = () => [drawn, require('./a')]"),
            ("a.js", text),
        ])
    };
    workspace.put("drawn", ZIP, drawn("module.exports = 1")).expect(201);
    let first = workspace.result("drawn");
    workspace.put("drawn", ZIP, drawn("module.exports = 1")).expect(200);
    workspace.put("other", "text/javascript", "return 2").expect(200);
    assert_eq!(workspace.result("drawn"), first);
    workspace.put("drawn", ZIP, drawn("module.exports = 2")).expect(200);
    let second = workspace.result("drawn");
    assert!(second[0] != first[0] && second[1] == 2, "{first} {second}");
    // A bundle may become a single source again.
    workspace.put("f", "text/javascript", "return [process.cwd(), require('fs').existsSync('/var/task')]").expect(200);
    assert_eq!(workspace.result("f"), json!(["/", false]));
}

#[test]
fn components_and_python_read_the_same_folder() {
    let workspace = Workspace::new();
    let files = [
        (
            "main.py",
            "def handler(event, context):\n    with open('/var/task/data/x.txt') as file:\n        return file.read()\n",
        ),
        ("data/x.txt", "read"),
    ];
    workspace.put("py", ZIP, zip_of(&files)).expect(201);
    assert_eq!(workspace.result("py"), "read");
    let write = "def handler(event, context):\n    try:\n        open('/var/task/x', 'w')\n    except OSError as error:\n        import errno\n        return errno.errorcode[error.errno]\n";
    workspace.put("write", ZIP, zip_of(&[("main.py", write), ("data/x.txt", "read")])).expect(201);
    assert_eq!(workspace.result("write"), "EROFS");
}

/// What is in a folder of the server's data, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn files_survive_a_kill_and_what_nobody_uses_goes() {
    let server = Server::start("");
    let (a, b) = (Workspace::on(&server), Workspace::on(&server));
    let files = |text| {
        [
            ("index.js", "exports.handler = () => require('./lib/a')"),
            ("lib/a.js", text),
            ("shared.txt", "the same in all"),
        ]
    };
    a.put("f", ZIP, zip_of(&files("module.exports = 1"))).expect(201);
    b.put("f", GZIP, tar_gz(&files("module.exports = 1"))).expect(201);
    let data = server.home().data();
    let (trees, blobs) = (data.join("trees"), data.join("blobs"));
    // However it was packed, and whoever sent it, the same content is there once.
    assert_eq!(names(&trees).len(), 1);
    let tree = names(&trees).remove(0);
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("a file"));
    let inodes: Vec<u64> = names(&blobs).iter().map(|name| inode(&blobs.join(name))).collect();
    assert!(inodes.contains(&inode(&trees.join(&tree).join("lib/a.js"))), "it is one file");

    b.put("f", ZIP, zip_of(&files("module.exports = 2"))).expect(200);
    assert_eq!(names(&trees).len(), 2);
    a.put("failing", ZIP, zip_of(&files("module.exports = 3")[1..])).fails(422, "invalid_bundle", "");
    a.put("failing", ZIP, zip_of(&[("index.js", "exports.handler = 1; throw new Error('no')"), ("x", "left over")]))
        .fails(422, "function_error", "no");
    assert_eq!(names(&trees).len(), 3);
    let (a, b) = (a.name.clone(), b.name.clone());
    // As if the kill had come while a folder was made.
    std::fs::create_dir_all(trees.join(format!("{tree}.draft/lib"))).expect("a draft");

    let server = Server::restart(server.kill());
    let data = server.home().data();
    let trees = data.join("trees");
    assert_eq!(names(&trees).len(), 2, "{:?}", names(&trees));
    assert_eq!(Workspace::named(&server, &a).result("f"), 1);
    assert_eq!(Workspace::named(&server, &b).result("f"), 2);
    let deleted = server.client.delete(&format!("/v2/functions/{b}"));
    assert_eq!(deleted.status, 204);

    // A folder that is lost is made again of the files.
    let home = server.kill();
    std::fs::remove_dir_all(home.data().join("trees")).expect("the folders");
    let server = Server::restart(home);
    assert_eq!(Workspace::named(&server, &a).result("f"), 1);
    let data = server.home().data();
    assert_eq!(names(&data.join("trees")), [tree]);
    let left = names(&data.join("blobs"));
    assert_eq!(left.len(), 5, "the list, three files and an image: {left:?}");
}

#[test]
fn a_function_without_files_has_no_folder_of_its_own() {
    let workspace = Workspace::new().javascript("f", "return [require('fs').existsSync('/var/task'), process.cwd()]");
    assert_eq!(workspace.result("f"), json!([false, "/"]));
}

/// A command that prints `x.txt` of the second folder that is open from the start, after `/tmp`; it cannot make a folder there.
pub const READS_X: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x.txt") (data (i32.const 64) "\00\01\00\00\20\00\00\00")
  (func (export "_start")
    (if (i32.ne (call $mkdir (i32.const 4) (i32.const 0) (i32.const 1)) (i32.const 69)) (then unreachable))
    (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)) (then unreachable))
    (drop (call $read (i32.load (i32.const 16)) (i32.const 64) (i32.const 1) (i32.const 20)))
    (i32.store (i32.const 68) (i32.load (i32.const 20)))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 20)))))"#;

#[test]
fn components_read_their_files() {
    let command = READS_X;
    use base64::Engine as _;
    let code = base64::engine::general_purpose::STANDARD.encode(command);
    let workspace = Workspace::new();
    let function = json!({ "code": code, "language": "wasm", "files": { "x.txt": "\"from a file\"" } });
    workspace.deploy(&json!({ "functions": { "f": function } })).expect(200);
    assert_eq!(workspace.result("f"), "from a file");
    workspace.put("zipped", ZIP, zip_of(&[("main.wasm", command), ("x.txt", "1")])).expect(201);
    assert_eq!(workspace.result("zipped"), 1);
}

#[test]
fn python_imports_the_files_beside_its_main_file() {
    let workspace = Workspace::new();
    let files: Files = &[
        (
            "app.py",
            "import os\nimport sys\nimport helper\nfrom package.inner import value\nfrom package import data\n\n\
             def handler(event, context):\n    import late\n    return [helper.double(2), value, data.text(), late.x, os.getcwd(), sys.path[0], __file__, open('package/data.txt').read()]\n\n\
             def fails(event, context):\n    return helper.double(None)\n",
        ),
        ("helper.py", "def double(x):\n    # ü\n    return 'ü' * 0 or x * 2\n"),
        ("package/__init__.py", ""),
        ("package/inner.py", "from . import data\nvalue = 'inner'\n"),
        (
            "package/data.py",
            "import os\ndef text():\n    with open(os.path.join(os.path.dirname(__file__), 'data.txt')) as file:\n        return file.read()\n",
        ),
        ("package/data.txt", "text"),
        ("late.py", "x = 'late'\n"),
    ];
    let answer = workspace.put("f", ZIP, zip_of(files)).expect(201).json();
    assert_eq!(answer["warnings"], Value::Null, "it is forked from an image");
    assert_eq!(
        workspace.result("f"),
        json!([4, "inner", "text", "late", "/var/task", "/var/task", "/var/task/app.py", "text"])
    );
    let error = workspace.run("f.fails", json!({})).fails(500, "function_error", "unsupported operand");
    assert_eq!((&error.details["file"], &error.details["line"]), (&json!("/var/task/helper.py"), &json!(3)));
    workspace
        .put(
            "broken",
            ZIP,
            zip_of(&[("app.py", "import helper\ndef handler(event):\n    return 1\n"), ("helper.py", "def (:\n")]),
        )
        .fails(422, "function_error", "/var/task/helper.py:1:5");
    workspace
        .put(
            "missing",
            ZIP,
            zip_of(&[("app.py", "import nothing_there\ndef handler(event):\n    return 1\n"), ("x", "")]),
        )
        .fails(422, "function_error", "No module named 'nothing_there'");
}

#[test]
fn long_names_and_large_files_arrive_whole() {
    let path = format!("{}/{}.txt", "long".repeat(40), "name".repeat(50));
    let large = "x".repeat(2 << 20);
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in [
        ("index.js", "exports.handler = ({ path }) => require('fs').readFileSync(path).length"),
        (&path, "12345"),
        ("large", &large),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).expect("an entry");
    }
    let (workspace, answer) = put(GZIP, gzip(&tar.into_inner().expect("a tar")), "");
    answer.expect(201);
    assert_eq!(workspace.run("f", json!({ "path": path })).result(), 5);
    assert_eq!(workspace.run("f", json!({ "path": "large" })).result(), 2 << 20);
    // More than a request may have is not shown; and what is shown then is no deploy that would lose it.
    let shown = workspace.client.get(&workspace.path("/f")).expect(200).json();
    assert_eq!((&shown["sizes"]["large"], shown.get("files")), (&json!(2 << 20), None));
    let again = workspace.client.send(
        ::http::Method::PUT,
        &workspace.path("/f"),
        &[("content-type", "application/json")],
        shown.to_string(),
    );
    again.fails(400, "bad_request", "sizes");
}
