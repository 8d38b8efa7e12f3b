//! The article's programs at the interface of the newest release: hooks that are given the stream and the context.
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

/// A hook without state: its type, and what it does with the stream and the context.
macro_rules! hook {
    ($name:ident, $stream:ident, $ctx:ident, $body:block) => {
        struct $name;

        impl ServerHook for $name {
            async fn new(_: &mut Stream, _: &mut Context) -> Self {
                Self
            }

            #[allow(unused_variables)]
            async fn handle(self, $stream: &mut Stream, $ctx: &mut Context) -> Status $body
        }
    };
}

hook!(RequestMiddleware, stream, ctx, {
    ctx.get_mut_response()
        .set_version(HttpVersion::Http1_1)
        .set_status_code(200)
        .set_header(CONTENT_TYPE, TEXT_PLAIN);
    Status::Continue
});

hook!(ResponseMiddleware, stream, ctx, {
    let data: Vec<u8> = ctx.get_mut_response().build();
    if stream.try_send(data).await.is_err() {
        stream.set_closed(true);
        return Status::Reject;
    }
    Status::Continue
});

hook!(Hello, stream, ctx, {
    ctx.get_mut_response().set_body("Hello, World!");
    Status::Continue
});

fn not_found(ctx: &mut Context) -> Status {
    ctx.get_mut_response()
        .set_status_code(404)
        .set_reason_phrase("Not Found")
        .set_body("File not found");
    Status::Continue
}

hook!(FileByRoute, stream, ctx, {
    let name: String = ctx.try_get_route_param("file").unwrap_or_default();
    match tokio::fs::read(format!("{}/{}", *ROOT, name)).await {
        Ok(content) => {
            ctx.get_mut_response()
                .set_header(CONTENT_TYPE, APPLICATION_OCTET_STREAM)
                .set_body(content);
            Status::Continue
        }
        Err(_) => not_found(ctx),
    }
});

/// Sends the head of a reply whose body is sent piece by piece. Only this content type is sent without a length of 0.
async fn begin_stream(stream: &mut Stream, ctx: &mut Context) {
    let data: Vec<u8> = ctx
        .get_mut_response()
        .set_header(CONTENT_TYPE, TEXT_EVENT_STREAM)
        .set_body(Vec::new())
        .build();
    let _ = stream.try_send(data).await;
}

/// Closes the connection, which ends the body; no response middleware runs.
fn end_stream(stream: &mut Stream) -> Status {
    stream.set_closed(true);
    Status::Reject
}

hook!(EndlessStream, stream, ctx, {
    begin_stream(stream, ctx).await;
    for i in 0..1_000_000 {
        if stream.try_send(format!("Chunk {i}\n")).await.is_err() {
            break;
        }
        if i % 1000 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    end_stream(stream)
});

hook!(Large, stream, ctx, {
    let Ok(mut file) = File::open(format!("{}/large.bin", *ROOT)).await else {
        return not_found(ctx);
    };
    begin_stream(stream, ctx).await;
    let mut buffer: [u8; 8192] = [0; 8192];
    while let Ok(len) = file.read(&mut buffer).await {
        if len == 0 || stream.try_send(&buffer[..len]).await.is_err() {
            break;
        }
    }
    end_stream(stream)
});

hook!(Json, stream, ctx, {
    let id: String = ctx
        .get_request()
        .try_get_header_back("X-Request-ID")
        .unwrap_or_else(|| "unknown".into())
        .to_string();
    let seconds: u64 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let body = format!(
        r#"{{"request_id":{},"timestamp":{seconds},"status":"ok"}}"#,
        serde_json::to_string(&id).unwrap_or_default()
    );
    ctx.get_mut_response()
        .set_header(CONTENT_TYPE, APPLICATION_JSON)
        .set_body(body);
    Status::Continue
});

hook!(Efficient, stream, ctx, {
    use std::io::Write;
    let mut buffer: [u8; 1024] = [0; 1024];
    let mut rest: &mut [u8] = &mut buffer;
    let _ = writeln!(
        rest,
        "A reply to {}, made in 1024 bytes of stack.",
        ctx.get_request().get_path()
    );
    let len: usize = 1024 - rest.len();
    ctx.get_mut_response().set_body(&buffer[..len]);
    Status::Continue
});

hook!(Csv, stream, ctx, {
    let Ok(file) = File::open(format!("{}/large_dataset.csv", *ROOT)).await else {
        return not_found(ctx);
    };
    begin_stream(stream, ctx).await;
    let mut lines = BufReader::new(file).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line: String = format!("{}\n", line.to_uppercase());
        if stream.try_send(line).await.is_err() {
            break;
        }
    }
    end_stream(stream)
});

hook!(Cache, stream, ctx, {
    let key: String = ctx.try_get_route_param("key").unwrap_or_default();
    let cached: Option<String> = CACHE.read().await.get(&key).cloned();
    let hit: &str = if cached.is_some() { "HIT" } else { "MISS" };
    let value: String = match cached {
        Some(value) => value,
        None => {
            let value = format!(
                r#"{{"key":{},"computed":true}}"#,
                serde_json::to_string(&key).unwrap_or_default()
            );
            let mut cache = CACHE.write().await;
            if cache.len() < CACHE_MAX {
                cache.insert(key, value.clone());
            }
            value
        }
    };
    ctx.get_mut_response()
        .set_header(CONTENT_TYPE, APPLICATION_JSON)
        .set_header("X-Cache", hit)
        .set_body(value);
    Status::Continue
});

/// What the tables of growth and of programs ask for: so many of something.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

hook!(Pass, stream, ctx, { Status::Continue });

#[tokio::main]
async fn main() {
    let port: String = std::env::args().nth(1).expect("usage: PORT ROOT");
    let mut server_config: ServerConfig = ServerConfig::default();
    server_config
        .set_address(format!("127.0.0.1:{port}"))
        .set_nodelay(Some(true));
    let mut request_config: RequestConfig = RequestConfig::default();
    request_config.set_buffer_size(number("PEER_HTTP_BUFFER", 8192));
    let mut server: Server = Server::default();
    server.server_config(server_config);
    server.request_config(request_config);
    server.request_middleware::<RequestMiddleware>();
    server.response_middleware::<ResponseMiddleware>();
    for _ in 0..number("PEER_MIDDLEWARE", 0) {
        server.request_middleware::<Pass>();
    }
    for i in 0..number("PEER_ROUTES", 0) {
        let pattern: &'static str = format!("/route{i}/{{id}}").leak();
        server.route::<Hello>(pattern);
    }
    server.route::<Hello>("/");
    server.route::<FileByRoute>("/file/{file:^.*$}");
    server.route::<EndlessStream>("/stream");
    server.route::<Large>("/large");
    server.route::<Json>("/json");
    server.route::<Efficient>("/efficient");
    server.route::<Csv>("/csv");
    server.route::<Cache>("/cache/{key}");
    server.run().await.unwrap_or_default().wait().await;
}
