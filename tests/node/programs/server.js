// SPDX-License-Identifier: MIT
// An HTTP server for load: each path makes other kinds of resources. Prints its port; on SIGTERM it
// closes, and prints how many requests it has answered.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const zlib = require('zlib');

let answered = 0;
const text = 'some text for the client\n'.repeat(40);
const paths = {
	'/': (request, response) => response.end(text),
	'/file': (request, response) => fs.createReadStream(__filename).pipe(response),
	'/timer': (request, response) => setTimeout(() => response.end(text), 1),
	'/immediate': (request, response) => setImmediate(() => fs.stat(__filename, () => response.end(text))),
	'/gzip': (request, response) => zlib.gzip(text, (error, packed) => response.end(packed)),
	'/random': (request, response) => crypto.randomBytes(64, (error, bytes) => response.end(bytes)),
	'/post': (request, response) => request.pipe(response),
};

const server = http.createServer((request, response) => {
	response.on('finish', () => answered++);
	paths[request.url](request, response);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.on('SIGTERM', () => {
	server.close(() => console.log(`answered ${answered}`));
	server.closeIdleConnections?.();
	setImmediate(() => server.closeAllConnections?.());
});
