// SPDX-License-Identifier: MIT
// A terminal: its size, raw mode, and lines read from it.
'use strict';
const readline = require('readline');

console.log('terminal', process.stdin.isTTY, process.stdout.isTTY, process.stdout.columns, process.stdout.rows);
process.stdin.setRawMode(true);
process.stdin.setRawMode(false);
const lines = readline.createInterface({ input: process.stdin, output: process.stdout });
lines.question('name? ', (name) => {
	console.log(`hello ${name}`);
	lines.close();
});
