//! The article's programs on axum.
//!
//! SPDX-License-Identifier: MIT
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use std::collections::HashMap;
use std::io::{Error, Write};
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;
use tower_http::services::ServeFile;

const CACHE_MAX: usize = 1000;

#[derive(Clone)]
struct App {
    root: Arc<PathBuf>,
    cache: Arc<RwLock<HashMap<String, Bytes>>>,
}

#[derive(serde::Serialize)]
struct Reply {
    request_id: String,
    timestamp: u64,
    status: &'static str,
}

#[derive(serde::Serialize)]
struct Computed<'a> {
    key: &'a str,
    computed: bool,
}

async fn hello() -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], "Hello, World!").into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "File not found").into_response()
}

async fn file(State(app): State<App>, Path(name): Path<String>, request: Request) -> Response {
    let inside = |part| matches!(part, Component::Normal(_));
    if !FilePath::new(&name).components().all(inside) {
        return not_found();
    }
    let mime = "application/octet-stream".parse().expect("a media type");
    match ServeFile::new_with_mime(app.root.join(name), &mime)
        .try_call(request)
        .await
    {
        Ok(reply) if reply.status() == StatusCode::NOT_FOUND => not_found(),
        Ok(reply) => reply.map(Body::new),
        Err(_) => not_found(),
    }
}

async fn stream() -> Response {
    let chunks = async_stream::stream! {
        for i in 0..1_000_000 {
            yield Ok::<_, Error>(Bytes::from(format!("Chunk {i}\n")));
            if i % 1000 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    (
        [(header::CONTENT_TYPE, "text/plain")],
        Body::from_stream(chunks),
    )
        .into_response()
}

async fn large(State(app): State<App>) -> Response {
    let Ok(file) = File::open(app.root.join("large.bin")).await else {
        return not_found();
    };
    let length = file.metadata().await.map_or(0, |data| data.len());
    (
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_string()),
            (header::CONTENT_LENGTH, length.to_string()),
            (header::CONNECTION, "close".to_string()),
        ],
        Body::from_stream(ReaderStream::with_capacity(file, 8192)),
    )
        .into_response()
}

async fn json(headers: HeaderMap) -> Json<Reply> {
    let id = headers
        .get("X-Request-ID")
        .and_then(|id| id.to_str().ok())
        .unwrap_or("unknown");
    Json(Reply {
        request_id: id.to_string(),
        timestamp: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs()),
        status: "ok",
    })
}

async fn efficient(uri: Uri) -> Response {
    let mut buffer = [0u8; 1024];
    let mut rest: &mut [u8] = &mut buffer;
    let _ = writeln!(
        rest,
        "A reply to {}, made in 1024 bytes of stack.",
        uri.path()
    );
    let len = 1024 - rest.len();
    (
        [(header::CONTENT_TYPE, "text/plain")],
        Bytes::copy_from_slice(&buffer[..len]),
    )
        .into_response()
}

async fn csv(State(app): State<App>) -> Response {
    let Ok(file) = File::open(app.root.join("large_dataset.csv")).await else {
        return not_found();
    };
    let lines = async_stream::stream! {
        let mut lines = BufReader::new(file).lines();
        while let Some(mut line) = lines.next_line().await? {
            line.make_ascii_uppercase();
            line.push('\n');
            yield Ok::<_, Error>(Bytes::from(line));
        }
    };
    (
        [(header::CONTENT_TYPE, "text/csv")],
        Body::from_stream(lines),
    )
        .into_response()
}

async fn cached(State(app): State<App>, Path(key): Path<String>) -> Response {
    let found = app.cache.read().expect("no poison").get(&key).cloned();
    let hit = if found.is_some() { "HIT" } else { "MISS" };
    let value = found.unwrap_or_else(|| {
        let computed = Computed {
            key: &key,
            computed: true,
        };
        let value = Bytes::from(serde_json::to_vec(&computed).unwrap_or_default());
        let mut cache = app.cache.write().expect("no poison");
        if cache.len() < CACHE_MAX {
            cache.insert(key, value.clone());
        }
        value
    });
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::HeaderName::from_static("x-cache"), hit),
        ],
        value,
    )
        .into_response()
}

/// What the table of growth asks for: so many of something.
fn number(name: &str) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(port), Some(root)) = (args.next(), args.next()) else {
        panic!("usage: PORT ROOT");
    };
    let app = App {
        root: Arc::new(PathBuf::from(root)),
        cache: Arc::default(),
    };
    let mut router = Router::new()
        .route("/", get(hello))
        .route("/file/{*file}", get(file))
        .route("/stream", get(stream))
        .route("/large", get(large))
        .route("/json", get(json))
        .route("/efficient", get(efficient))
        .route("/csv", get(csv))
        .route("/cache/{key}", get(cached))
        .with_state(app);
    for i in 0..number("PEER_ROUTES") {
        router = router.route(&format!("/route{i}/{{id}}"), get(hello));
    }
    for _ in 0..number("PEER_MIDDLEWARE") {
        router = router.layer(middleware::from_fn(pass));
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .expect("the port is free")
        .tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
    axum::serve(listener, router).await.expect("serves");
}
