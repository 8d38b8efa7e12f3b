// tokio-tungstenite: a task for each WebSocket; what is published goes through one of Tokio's broadcast channels.
//
// SPDX-License-Identifier: MIT
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const ROOM: usize = 1024; // messages of the channel, as many as weir's topics hold unless told otherwise
const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, World!";

fn is_said(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

async fn echo(mut socket: WebSocketStream<TcpStream>) {
    while let Some(Ok(message)) = socket.next().await {
        if is_said(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn listen(socket: WebSocketStream<TcpStream>, topic: broadcast::Sender<Message>) {
    let (mut sender, mut receiver) = socket.split();
    let mut messages = topic.subscribe();
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Ok(message) = message else { return };
                if sender.send(message).await.is_err() {
                    return;
                }
            }
            came = receiver.next() => {
                let Some(Ok(message)) = came else { return };
                if is_said(&message) {
                    let _ = topic.send(message);
                }
            }
        }
    }
}

async fn serve(mut stream: TcpStream, topic: broadcast::Sender<Message>) {
    let mut start = [0; 6];
    if stream.peek(&mut start).await.is_ok() && &start == b"GET / " {
        let _ = stream.write_all(HELLO).await; // the benchmark asks whether the server is there
        return;
    }
    let _ = stream.set_nodelay(true);
    let mut path = String::new();
    let note = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async(stream, note).await else { return };
    if path == "/ws" {
        echo(socket).await
    } else {
        listen(socket, topic).await
    }
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).expect("a port");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port is free");
    let (topic, _) = broadcast::channel(ROOM);
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, topic.clone()));
        }
    }
}
