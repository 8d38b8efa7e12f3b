// ws on node:http, in so many processes. One process alone can publish to all sockets that it has, so that is how the topic is served.
//
// SPDX-License-Identifier: MIT
'use strict';

const cluster = require('node:cluster');
const http = require('node:http');
const { WebSocketServer, WebSocket } = require('ws');

const [port, processes] = process.argv.slice(2).map(Number);

function serve() {
  const options = { noServer: true, perMessageDeflate: false };
  const echo = new WebSocketServer(options);
  const topic = new WebSocketServer(options);
  echo.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  topic.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      for (const client of topic.clients) {
        if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
      }
    });
  });
  const server = http.createServer((req, res) => res.end('Hello, World!'));
  server.on('upgrade', (req, socket, head) => {
    const chosen = req.url === '/ws' ? echo : topic;
    chosen.handleUpgrade(req, socket, head, (opened) => chosen.emit('connection', opened, req));
  });
  server.listen(port, '127.0.0.1');
}

if (processes > 1 && cluster.isPrimary) {
  for (let i = 0; i < processes; i++) cluster.fork();
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  serve();
}
