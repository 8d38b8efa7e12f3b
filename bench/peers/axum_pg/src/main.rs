//! A row of PostgreSQL by its key: axum with tokio-postgres and deadpool's pool, on one thread. Which database: the
//! environment says (PGHOST and its kin).
//!
//! SPDX-License-Identifier: MIT
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
    serve::ListenerExt,
};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use std::env::{args, var};
use tokio_postgres::NoTls;

const CONNECTIONS: usize = 32;

#[derive(serde::Serialize)]
struct Thing {
    id: i32,
    name: String,
}

async fn row(State(pool): State<Pool>, Path(id): Path<i32>) -> Result<Json<Thing>, StatusCode> {
    let wrong = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let client = pool.get().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let statement = client
        .prepare_cached("SELECT id, name FROM things WHERE id = $1")
        .await
        .map_err(wrong)?;
    let row = client.query_one(&statement, &[&id]).await.map_err(wrong)?;
    Ok(Json(Thing { id: row.get(0), name: row.get(1) }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut config = tokio_postgres::Config::new();
    config
        .host(var("PGHOST").expect("PGHOST"))
        .port(var("PGPORT").expect("PGPORT").parse().expect("a port"))
        .user(var("PGUSER").expect("PGUSER"))
        .dbname(var("PGDATABASE").expect("PGDATABASE"));
    let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config, NoTls, settings))
        .max_size(CONNECTIONS)
        .build()
        .expect("a pool");
    let app = Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/row/{id}", get(row))
        .with_state(pool);
    let port = args().nth(1).expect("a port");
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .expect("the port is free")
        .tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
    axum::serve(listener, app).await.expect("it serves");
}
