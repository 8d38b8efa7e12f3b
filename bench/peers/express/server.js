// The article's programs on Express. A process for each processor, by Node's cluster module, as Express's guide for
// production advises.
//
// SPDX-License-Identifier: MIT
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { pipeline } = require('node:stream');
const zlib = require('node:zlib');
const compression = require('compression');
const express = require('express');

const CACHE_MAX = 1000;
const port = Number(process.argv[2]);
const root = path.resolve(process.argv[3]);

function notFound(res) {
  res.status(404).type('text/plain').send('File not found');
}

// The same records that bench/compress_records.c prints.
const CITIES = ['Berlin', 'Kyoto', 'Lima', 'Nairobi', 'Oslo', 'Quebec', 'Turin'];

function record(id) {
  const mixed = (id * 48271) % 2147483647;
  return {
    id,
    name: `name-${mixed % 10007}`,
    city: CITIES[mixed % 7],
    value: mixed % 1000,
    active: (mixed & 64) !== 0,
  };
}

function records(count) {
  const lines = [];
  for (let i = 0; i < count; i++) lines.push(JSON.stringify(record(i)));
  return `[\n${lines.join(',\n')}\n]\n`;
}

// What the table of compression asks for, at a level.
function compressed(level) {
  const router = express.Router();
  const brotli = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level } };
  const document = Buffer.from(records(150));
  router.use(compression({ level, brotli }));
  router.get('/file/:file', (req, res) => res.sendFile(req.params.file, { root }));
  router.get('/static', (req, res) => res.type('application/json').send(document));
  router.get('/made/:n', (req, res) => {
    res.type('application/json').send(records(Number(req.params.n)));
  });
  return router;
}

function makeApp() {
  const app = express();
  const cache = new Map();

  // What the table of growth asks for: middleware that does nothing, and routes.
  for (let i = 0; i < Number(process.env.PEER_MIDDLEWARE ?? 0); i++) app.use((req, res, next) => next());
  for (let i = 0; i < Number(process.env.PEER_ROUTES ?? 0); i++) {
    app.get(`/route${i}/:id`, (req, res) => res.type('text/plain').send('Hello, World!'));
  }

  app.get('/', (req, res) => {
    res.type('text/plain').send('Hello, World!');
  });

  app.get('/file/*file', (req, res) => {
    const options = { root, headers: { 'Content-Type': 'application/octet-stream' } };
    res.sendFile(req.params.file.join('/'), options, (error) => {
      if (error && !res.headersSent) notFound(res);
    });
  });

  app.get('/stream', async (req, res) => {
    res.type('text/plain');
    for (let i = 0; i < 1000000 && !res.destroyed; i++) {
      if (!res.write(`Chunk ${i}\n`)) {
        await Promise.race([once(res, 'drain'), once(res, 'close')]);
      }
      if (i % 1000 === 0) await sleep(1);
    }
    res.end();
  });

  app.get('/large', async (req, res) => {
    let file;
    try {
      file = await fs.promises.open(path.join(root, 'large.bin'));
    } catch {
      return notFound(res);
    }
    const { size } = await file.stat();
    res.set({ 'Content-Type': 'application/octet-stream', 'Content-Length': size, Connection: 'close' });
    pipeline(file.createReadStream({ highWaterMark: 8192 }), res, () => {});
  });

  app.get('/json', (req, res) => {
    res.json({
      request_id: req.get('X-Request-ID') ?? 'unknown',
      timestamp: Math.floor(Date.now() / 1000),
      status: 'ok',
    });
  });

  app.get('/efficient', (req, res) => {
    const buffer = Buffer.allocUnsafe(1024);
    const length = buffer.write(`A reply to ${req.path}, made in ${buffer.length} bytes of stack.\n`);
    res.type('text/plain').send(buffer.subarray(0, length));
  });

  app.get('/csv', async (req, res) => {
    const lines = readline.createInterface({ input: fs.createReadStream(path.join(root, 'large_dataset.csv')) });
    res.type('text/csv');
    for await (const line of lines) {
      if (res.destroyed) break;
      if (!res.write(`${line.toUpperCase()}\n`)) {
        await Promise.race([once(res, 'drain'), once(res, 'close')]);
      }
    }
    res.end();
  });

  app.get('/cache/:key', (req, res) => {
    const { key } = req.params;
    let value = cache.get(key);
    res.set('X-Cache', value === undefined ? 'MISS' : 'HIT');
    if (value === undefined) {
      value = JSON.stringify({ key, computed: true });
      if (cache.size < CACHE_MAX) cache.set(key, value);
    }
    res.type('application/json').send(value);
  });

  for (const level of [1, 5]) app.use(`/${level}`, compressed(level));
  return app;
}

if (cluster.isPrimary) {
  for (let i = 0; i < os.availableParallelism(); i++) cluster.fork();
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  makeApp().listen(port, '127.0.0.1');
}
