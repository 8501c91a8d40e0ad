// SPDX-License-Identifier: MIT
// Reads standard input to its end and writes more than a pipe holds.
'use strict';
const readline = require('readline');

(async () => {
	let lines = 0;
	let bytes = 0;
	for await (const line of readline.createInterface({ input: process.stdin })) {
		lines++;
		bytes += line.length;
	}
	process.stderr.write(`${lines} lines, ${bytes} bytes\n`);
	for (let i = 0; i < 3000; i++)
		process.stdout.write(`${i} ${'out '.repeat(30)}\n`);
	process.stdout.end ? process.stdout.write('end\n', () => console.log('written')) : 0;
})();
