// Node's own modules alone: node:http, node:https by node:http2, and HTTP/2 by prior knowledge on a port of its own. A process
// for each processor, by Node's cluster module.
//
// SPDX-License-Identifier: MIT
'use strict';

const cluster = require('node:cluster');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const os = require('node:os');
const path = require('node:path');
const { pipeline } = require('node:stream');

const [port, h2cPort, tlsPort, folder, cert, key] = process.argv.slice(2);
const root = path.resolve(folder);

function notFound(res) {
  res.writeHead(404, { 'content-type': 'text/plain' });
  res.end('File not found');
}

function file(name, res) {
  const found = path.join(root, path.normalize(`/${name}`));
  fs.stat(found, (error, stat) => {
    if (error || !stat.isFile()) return notFound(res);
    res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': stat.size });
    pipeline(fs.createReadStream(found), res, () => {});
  });
}

function serve(req, res) {
  if (req.url === '/') {
    res.writeHead(200, { 'content-type': 'text/plain', 'content-length': 13 });
    res.end('Hello, World!');
  } else if (req.url.startsWith('/file/')) {
    file(decodeURIComponent(req.url.slice('/file/'.length)), res);
  } else {
    notFound(res);
  }
}

if (cluster.isPrimary) {
  const ticketKeys = crypto.randomBytes(48).toString('hex'); // one for all processes, or few tickets would be of use
  for (let i = 0; i < os.availableParallelism(); i++) cluster.fork({ PEER_TICKET_KEYS: ticketKeys });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  const options = {
    allowHTTP1: true,
    cert: fs.readFileSync(cert),
    key: fs.readFileSync(key),
    ticketKeys: Buffer.from(process.env.PEER_TICKET_KEYS, 'hex'),
    keepAliveTimeout: 600000,
  };
  http.createServer({ keepAliveTimeout: 600000 }, serve).listen(port, '127.0.0.1');
  http2.createServer(serve).listen(h2cPort, '127.0.0.1');
  const secure = http2.createSecureServer(options, serve);
  secure.keepAliveTimeout = 600000;
  secure.listen(tlsPort, '127.0.0.1');
}
