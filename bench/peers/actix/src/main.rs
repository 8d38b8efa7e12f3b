//! The article's programs on actix-web.
//!
//! SPDX-License-Identifier: MIT
use actix_files::NamedFile;
use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header::ContentType,
    middleware::{Next, from_fn},
    web::{self, Bytes},
};
use futures_util::StreamExt;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::RwLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_util::io::ReaderStream;

const CACHE_MAX: usize = 1000;

struct State {
    root: PathBuf,
    cache: RwLock<HashMap<String, Bytes>>,
    routes: usize,
}

#[derive(serde::Serialize)]
struct Reply<'a> {
    request_id: &'a str,
    timestamp: u64,
    status: &'static str,
}

#[derive(serde::Serialize)]
struct Computed<'a> {
    key: &'a str,
    computed: bool,
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body("Hello, World!")
}

fn not_found() -> HttpResponse {
    HttpResponse::NotFound().body("File not found")
}

async fn file(
    state: web::Data<State>,
    name: web::Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let inside = |part| matches!(part, Component::Normal(_));
    if !Path::new(name.as_str()).components().all(inside) {
        return not_found();
    }
    match NamedFile::open(state.root.join(name.as_str())) {
        Ok(file) if file.metadata().is_file() => file
            .set_content_type(mime::APPLICATION_OCTET_STREAM)
            .into_response(&request),
        _ => not_found(),
    }
}

async fn stream() -> HttpResponse {
    let chunks = async_stream::stream! {
        for i in 0..1_000_000 {
            yield Ok::<_, Error>(Bytes::from(format!("Chunk {i}\n")));
            if i % 1000 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(chunks)
}

async fn large(state: web::Data<State>) -> HttpResponse {
    let Ok(file) = File::open(state.root.join("large.bin")).await else {
        return not_found();
    };
    let length = file.metadata().await.map_or(0, |data| data.len());
    HttpResponse::Ok()
        .content_type(ContentType::octet_stream())
        .force_close()
        .no_chunking(length)
        .streaming(ReaderStream::with_capacity(file, 8192))
}

async fn json(request: HttpRequest) -> HttpResponse {
    let id = request
        .headers()
        .get("X-Request-ID")
        .and_then(|id| id.to_str().ok())
        .unwrap_or("unknown");
    HttpResponse::Ok().json(Reply {
        request_id: id,
        timestamp: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs()),
        status: "ok",
    })
}

async fn efficient(request: HttpRequest) -> HttpResponse {
    let mut buffer = [0u8; 1024];
    let mut rest: &mut [u8] = &mut buffer;
    let _ = writeln!(
        rest,
        "A reply to {}, made in 1024 bytes of stack.",
        request.path()
    );
    let len = 1024 - rest.len();
    HttpResponse::Ok()
        .content_type("text/plain")
        .body(Bytes::copy_from_slice(&buffer[..len]))
}

async fn csv(state: web::Data<State>) -> HttpResponse {
    let Ok(file) = File::open(state.root.join("large_dataset.csv")).await else {
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
    HttpResponse::Ok().content_type("text/csv").streaming(lines)
}

async fn cached(state: web::Data<State>, key: web::Path<String>) -> HttpResponse {
    let key = key.into_inner();
    let found = state.cache.read().expect("no poison").get(&key).cloned();
    let hit = if found.is_some() { "HIT" } else { "MISS" };
    let value = found.unwrap_or_else(|| {
        let computed = Computed {
            key: &key,
            computed: true,
        };
        let value = Bytes::from(serde_json::to_vec(&computed).unwrap_or_default());
        let mut cache = state.cache.write().expect("no poison");
        if cache.len() < CACHE_MAX {
            cache.insert(key, value.clone());
        }
        value
    });
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header(("X-Cache", hit))
        .body(value)
}

/// A body that becomes a file, piece by piece. The name is one: actix-web's own pattern lets no slash in.
async fn upload(
    name: web::Path<String>,
    mut body: web::Payload,
) -> Result<HttpResponse, Error> {
    let Some(folder) = std::env::var_os("PEER_UPLOADS") else {
        return Ok(not_found());
    };
    let mut file = File::create(PathBuf::from(folder).join(name.as_str())).await?;
    while let Some(piece) = body.next().await {
        file.write_all(&piece?).await?;
    }
    file.flush().await?;
    Ok(HttpResponse::Created().finish())
}

/// What the table of growth asks for: so many of something.
fn number(name: &str) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

async fn pass<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    next.call(request).await
}

/// The application without middleware.
fn application(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    let routes = state.routes;
    let mut app = App::new()
        .app_data(state)
        .route("/", web::get().to(hello))
        .route("/file/{name:.*}", web::get().to(file))
        .route("/stream", web::get().to(stream))
        .route("/large", web::get().to(large))
        .route("/json", web::get().to(json))
        .route("/efficient", web::get().to(efficient))
        .route("/csv", web::get().to(csv))
        .route("/cache/{key}", web::get().to(cached))
        .route("/upload/{name}", web::put().to(upload));
    for i in 0..routes {
        app = app.route(&format!("/route{i}/{{id}}"), web::get().to(hello));
    }
    app
}

/// Serves the application within layers of middleware. Each layer is a type of its own, so their number is fixed when this is compiled.
macro_rules! serve {
    ($address:expr, $state:expr, [$($layer:ident)*]) => {
        HttpServer::new(move || application($state.clone())$(.wrap(from_fn($layer)))*)
            .tcp_nodelay(true)
            .bind($address)?
            .run()
            .await
    };
}

/// rustls with its own defaults, by a certificate and a key of PEM files.
fn tls(cert: &str, key: &str) -> rustls::ServerConfig {
    let chain = CertificateDer::pem_file_iter(cert)
        .expect("the certificate's file")
        .collect::<Result<Vec<_>, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    // Tickets are left to the server, which by default keeps sessions and sends none.
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("a ticketer");
    config
}

/// Serves TLS by ALPN and, on the plain port, HTTP/1.1 and HTTP/2 by prior knowledge.
async fn serve_secure(
    address: String,
    state: web::Data<State>,
    port: &str,
    cert: &str,
    key: &str,
) -> std::io::Result<()> {
    HttpServer::new(move || application(state.clone()))
        .tcp_nodelay(true)
        .keep_alive(Duration::from_secs(600))
        .bind_auto_h2c(address)?
        .bind_rustls_0_23(format!("127.0.0.1:{port}"), tls(cert, key))?
        .run()
        .await
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, root, secure @ ..] = args.as_slice() else {
        panic!("usage: PORT ROOT [TLS_PORT CERTIFICATE KEY]");
    };
    let address = format!("127.0.0.1:{port}");
    let state = web::Data::new(State {
        root: PathBuf::from(root),
        cache: RwLock::default(),
        routes: number("PEER_ROUTES"),
    });
    if let [port, cert, key] = secure {
        return serve_secure(address, state, port, cert, key).await;
    }
    match number("PEER_MIDDLEWARE") {
        0 => serve!(address, state, []),
        4 => serve!(address, state, [pass pass pass pass]),
        16 => serve!(address, state, [
            pass pass pass pass pass pass pass pass pass pass pass pass pass pass pass pass
        ]),
        other => panic!("{other} layers of middleware: not one of 0, 4, 16"),
    }
}
