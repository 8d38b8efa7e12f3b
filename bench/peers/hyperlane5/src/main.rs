//! The article's programs at the article's interface: a context whose calls are all asynchronous, a request middleware
//! that presets the reply, and a response middleware that sends it.
//!
//! SPDX-License-Identifier: MIT
use hyperlane::*;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::RwLock;

const CACHE_MAX: usize = 1000;

static ROOT: LazyLock<String> =
    LazyLock::new(|| std::env::args().nth(2).expect("usage: PORT ROOT"));
static CACHE: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(Default::default);

async fn request_middleware(ctx: Context) {
    ctx.set_response_status_code(200)
        .await
        .set_response_header(CONTENT_TYPE, TEXT_PLAIN)
        .await;
}

async fn response_middleware(ctx: Context) {
    let _ = ctx.send().await;
}

async fn hello(ctx: Context) {
    ctx.set_response_body("Hello, World!").await;
}

async fn not_found(ctx: &Context) {
    ctx.set_response_status_code(404)
        .await
        .set_response_body("File not found")
        .await;
}

async fn file(ctx: Context) {
    let name: String = ctx.get_route_param("file").await.unwrap_or_default();
    match tokio::fs::read(format!("{}/{}", *ROOT, name)).await {
        Ok(content) => {
            ctx.replace_response_header(CONTENT_TYPE, APPLICATION_OCTET_STREAM)
                .await
                .set_response_body(content)
                .await;
        }
        Err(_) => not_found(&ctx).await,
    }
}

/// Sends the head of a reply whose body is sent piece by piece. Only this content type is sent without a length of 0.
async fn begin_stream(ctx: &Context) {
    let _ = ctx
        .replace_response_header(CONTENT_TYPE, TEXT_EVENT_STREAM)
        .await
        .send()
        .await;
}

/// Closes the connection, which ends the body. The response middleware's send then fails and sends nothing.
async fn end_stream(ctx: &Context) {
    ctx.aborted().await.closed().await;
}

async fn stream(ctx: Context) {
    begin_stream(&ctx).await;
    for i in 0..1_000_000 {
        let sent = ctx
            .set_response_body(format!("Chunk {i}\n"))
            .await
            .send_body()
            .await;
        if sent.is_err() {
            break;
        }
        if i % 1000 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    end_stream(&ctx).await;
}

async fn large(ctx: Context) {
    let Ok(mut file) = File::open(format!("{}/large.bin", *ROOT)).await else {
        return not_found(&ctx).await;
    };
    begin_stream(&ctx).await;
    let mut buffer: [u8; 8192] = [0; 8192];
    while let Ok(len) = file.read(&mut buffer).await {
        if len == 0 {
            break;
        }
        let sent = ctx
            .set_response_body(buffer[..len].to_vec())
            .await
            .send_body()
            .await;
        if sent.is_err() {
            break;
        }
    }
    end_stream(&ctx).await;
}

async fn json(ctx: Context) {
    let id: String = ctx
        .get_request_header_back("x-request-id")
        .await
        .unwrap_or_else(|| "unknown".to_owned());
    let seconds: u64 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let body = format!(
        r#"{{"request_id":{},"timestamp":{seconds},"status":"ok"}}"#,
        serde_json::to_string(&id).unwrap_or_default()
    );
    ctx.replace_response_header(CONTENT_TYPE, APPLICATION_JSON)
        .await
        .set_response_body(body)
        .await;
}

async fn efficient(ctx: Context) {
    use std::io::Write;
    let mut buffer: [u8; 1024] = [0; 1024];
    let path: String = ctx.get_request_path().await;
    let mut rest: &mut [u8] = &mut buffer;
    let _ = writeln!(rest, "A reply to {path}, made in 1024 bytes of stack.");
    let len: usize = 1024 - rest.len();
    ctx.set_response_body(&buffer[..len]).await;
}

async fn csv(ctx: Context) {
    let Ok(file) = File::open(format!("{}/large_dataset.csv", *ROOT)).await else {
        return not_found(&ctx).await;
    };
    begin_stream(&ctx).await;
    let mut lines = BufReader::new(file).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let sent = ctx
            .set_response_body(format!("{}\n", line.to_uppercase()))
            .await
            .send_body()
            .await;
        if sent.is_err() {
            break;
        }
    }
    end_stream(&ctx).await;
}

async fn cache(ctx: Context) {
    let key: String = ctx.get_route_param("key").await.unwrap_or_default();
    ctx.replace_response_header(CONTENT_TYPE, APPLICATION_JSON)
        .await;
    if let Some(value) = CACHE.read().await.get(&key) {
        ctx.set_response_header("X-Cache", "HIT")
            .await
            .set_response_body(value.clone())
            .await;
        return;
    }
    let value = format!(
        r#"{{"key":{},"computed":true}}"#,
        serde_json::to_string(&key).unwrap_or_default()
    );
    let mut cache = CACHE.write().await;
    if cache.len() < CACHE_MAX {
        cache.insert(key, value.clone());
    }
    ctx.set_response_header("X-Cache", "MISS")
        .await
        .set_response_body(value)
        .await;
}

/// What the tables of growth and of programs ask for: so many of something.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

async fn pass(_: Context) {}

#[tokio::main]
async fn main() {
    let port: usize = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .expect("usage: PORT ROOT");
    let server: Server = Server::new();
    server.host("127.0.0.1").await;
    server.port(port).await;
    server.enable_nodelay().await;
    server.disable_linger().await;
    server
        .http_buffer_size(number("PEER_HTTP_BUFFER", 8192))
        .await;
    server.ws_buffer_size(number("PEER_WS_BUFFER", 4096)).await;
    server.request_middleware(request_middleware).await;
    server.response_middleware(response_middleware).await;
    for _ in 0..number("PEER_MIDDLEWARE", 0) {
        server.request_middleware(pass).await;
    }
    for i in 0..number("PEER_ROUTES", 0) {
        server.route(format!("/route{i}/{{id}}"), hello).await;
    }
    server.route("/", hello).await;
    server.route("/file/{file:^.*$}", file).await;
    server.route("/stream", stream).await;
    server.route("/large", large).await;
    server.route("/json", json).await;
    server.route("/efficient", efficient).await;
    server.route("/csv", csv).await;
    server.route("/cache/{key}", cache).await;
    server.run().await.unwrap();
}
