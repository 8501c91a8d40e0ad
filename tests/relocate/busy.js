// SPDX-License-Identifier: MIT
// Uses what node takes from libuv, and prints one line for each thing, in an order of its own.
'use strict';

const { execFile, fork } = require('child_process');
const crypto = require('crypto');
const dgram = require('dgram');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort } = require('worker_threads');

if (!isMainThread) {
	setTimeout(() => parentPort.postMessage('from the worker'), 1);
	return;
}
if (process.send) {
	process.send('from the child', () => process.disconnect());
	return;
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'busy-'));

const parts = {
	timers: (done) => {
		let turns = 0;
		const interval = setInterval(() => {
			if (++turns === 3) {
				clearInterval(interval);
				setImmediate(() => done(`${turns} turns`));
			}
		}, 1);
	},
	files: (done) => {
		const name = path.join(folder, 'file');
		fs.writeFileSync(name, 'some text');
		fs.appendFile(name, ', and more', () =>
			fs.readFile(name, 'utf8', (error, text) =>
				fs.stat(name, (error, stat) =>
					fs.rename(name, `${name}2`, () =>
						fs.readdir(folder, (error, names) =>
							fs.unlink(`${name}2`, () =>
								done(`${text}: ${stat.size} in ${names}`)))))));
	},
	failing: (done) => {
		fs.open(path.join(folder, 'nothing'), (error) => done(error.code));
	},
	watching: (done) => {
		const name = path.join(folder, 'watched');
		fs.writeFileSync(name, '');
		const watcher = fs.watch(name, (event) => {
			watcher.close();
			done(event);
		});
		fs.appendFileSync(name, 'x');
	},
	http: (done) => {
		const server = http.createServer((request, response) => response.end(request.url));
		let count = 0;
		let length = 0;
		server.listen(0, '127.0.0.1', () => {
			for (let i = 0; i < 20; i++) {
				http.get({ port: server.address().port, path: `/${i}`, agent: false }, (response) => {
					response.on('data', (data) => (length += data.length));
					response.on('end', () => {
						if (++count === 20) server.close(() => done(`${count} answers, ${length} bytes`));
					});
				});
			}
		});
	},
	pipe: (done) => {
		const name = path.join(folder, 'socket');
		const server = net.createServer((socket) => socket.pipe(socket));
		server.listen(name, () => {
			const socket = net.connect(name, () => socket.end('x'.repeat(100000)));
			let length = 0;
			socket.on('data', (data) => (length += data.length));
			socket.on('end', () => server.close(() => done(`${length} bytes back`)));
		});
	},
	datagram: (done) => {
		const socket = dgram.createSocket('udp4');
		socket.on('message', (message) => socket.close(() => done(`${message}`)));
		socket.bind(0, '127.0.0.1', () => socket.send('datagram', socket.address().port, '127.0.0.1'));
	},
	process: (done) => {
		execFile('sh', ['-c', 'echo out; echo err >&2; exit 3'], (error, out, err) =>
			done(`${error.code} ${out.trim()} ${err.trim()}`));
	},
	child: (done) => {
		const child = fork(__filename);
		let said;
		child.on('message', (message) => (said = message));
		child.on('exit', (status) => done(`${said}, ${status}`));
	},
	worker: (done) => {
		const worker = new Worker(__filename);
		let said;
		worker.on('message', (message) => (said = message));
		worker.on('exit', (status) => done(`${said}, ${status}`));
	},
	signal: (done) => {
		const awake = setInterval(() => {}, 1000);
		process.once('SIGUSR2', () => {
			clearInterval(awake);
			done('SIGUSR2');
		});
		process.kill(process.pid, 'SIGUSR2');
	},
	names: (done) => {
		dns.lookup('127.0.0.1', (error, address, family) => done(`${address} ${family}`));
	},
	pool: (done) => {
		zlib.gzip('x'.repeat(10000), (error, packed) =>
			zlib.gunzip(packed, (error, text) =>
				crypto.pbkdf2('secret', 'salt', 1000, 16, 'sha256', (error, key) =>
					done(`${text.length} ${key.toString('hex')}`))));
	},
	system: (done) => {
		done([os.cpus().length, os.hostname(), os.totalmem(), os.userInfo().username,
			process.hrtime.bigint() > 0n, process.cwd() === path.resolve('.'),
			process.title].join(' '));
	},
};

// One after the other, so that the order is always the same.
const names = Object.keys(parts);
(function next() {
	const name = names.shift();
	if (name === undefined) {
		fs.rmSync(folder, { recursive: true });
		console.log('done');
		return;
	}
	parts[name]((said) => {
		console.log(`${name}: ${said}`);
		setImmediate(next);
	});
})();
