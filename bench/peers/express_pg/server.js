// A row of PostgreSQL by its key: Express with pg and its pool, in one process. Which database: the environment says
// (PGHOST and its kin).
//
// SPDX-License-Identifier: MIT
'use strict';

const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ max: 32 });
const app = express();

app.get('/', (req, res) => res.type('text/plain').send('Hello, World!'));
app.get('/row/:id', async (req, res) => {
  const found = await pool.query({
    name: 'row', // named: prepared once on each connection
    text: 'SELECT id, name FROM things WHERE id = $1',
    values: [Number(req.params.id)],
  });
  res.json({ id: found.rows[0].id, name: found.rows[0].name });
});
app.listen(Number(process.argv[2]), '127.0.0.1');
