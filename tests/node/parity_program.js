// SPDX-License-Identifier: MIT
// Makes natives of every kind that Node's async_hooks and the shim both see: from top-level code, from
// one another's callbacks, from timers, immediates, ticks and promises, in the main thread and in
// workers. parity.py compares the two views.
'use strict';
const child_process = require('child_process');
const crypto = require('crypto');
const dgram = require('dgram');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const zlib = require('zlib');
const { once } = require('events');
const { Worker, isMainThread, parentPort, MessageChannel } = require('worker_threads');

const isChild = process.argv[2] === 'child';
const folder = isChild ? '' : fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));
const file = path.join(folder, 'file');
if (!isChild)
	fs.writeFileSync(file, 'x'.repeat(1000));

// Chains of requests, each from the callback of the one before.
function chains(done) {
	let left = 3;
	const end = (error) => {
		if (error)
			throw error;
		if (--left === 0)
			done();
	};
	fs.open(file, 'r+', (error, fd) => {
		fs.fstat(fd, () => {
			fs.read(fd, Buffer.alloc(10), 0, 10, 0, () => {
				fs.write(fd, 'more', () => fs.close(fd, end));
			});
		});
	});
	setImmediate(() => fs.stat(file, () => setTimeout(() => fs.lstat(file, () => process.nextTick(() =>
		fs.readFile(file, end))), 2)));
	(async () => {
		await fs.promises.stat(file);
		const handle = await fs.promises.open(file);
		await handle.read(Buffer.alloc(10));
		await handle.close();
		await fs.promises.readdir(folder);
		for await (const entry of await fs.promises.opendir(folder))
			await fs.promises.access(path.join(folder, entry.name));
	})().then(end, end);
}

// Servers and clients, with writes that must wait, over TCP and a local socket.
function sockets(done) {
	const much = Buffer.alloc(8 << 20, 'm');
	let left = 2;
	for (const where of [[0, '127.0.0.1'], [path.join(folder, 'socket')]]) {
		const server = net.createServer((socket) => {
			fs.stat(file, () => socket.write(much, () => socket.end()));
			socket.resume();
		});
		server.listen(...where, () => {
			const address = server.address();
			const client = typeof address === 'string' ? net.connect(address) :
				net.connect({ port: address.port, host: 'localhost', family: 4 });
			client.once('data', () => fs.stat(file, () => 0));
			client.on('end', () => server.close(() => --left || done()));
			client.write('hello');
			client.resume();
		});
	}
}

function web(done) {
	const server = http.createServer((request, response) => {
		fs.readFile(file, (error, data) => response.end(data));
	});
	server.listen(0, '127.0.0.1', () => {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
		const { port } = server.address();
		let left = 8;
		for (let i = left; i > 0; i--) {
			http.get({ port, host: '127.0.0.1', agent }, (answer) => {
				answer.resume().on('end', () => {
					if (--left > 0)
						return;
					agent.destroy();
					server.close(done);
				});
			});
		}
	});
}

function children(done) {
	const cat = child_process.spawn('cat');
	cat.stdout.on('data', () => fs.stat(file, () => cat.stdin.end()));
	cat.stdin.write('miaow');
	cat.on('close', () => {
		child_process.exec('echo out; exit 2', () => {
			child_process.execFileSync('true');
			child_process.spawn('/no/such/program').on('error', () => {
				const child = child_process.fork(__filename, ['child'],
					{ env: { ...process.env, PARITY_FOLDER: '' } });
				child.send('one');
				child.on('message', () => child.disconnect());
				child.on('exit', () => done());
			});
		});
	});
}

function datagrams(done) {
	const server = dgram.createSocket('udp4');
	server.on('message', (message, { port, address }) => server.send('back', port, address));
	server.bind(0, '127.0.0.1', () => {
		const client = dgram.createSocket('udp4');
		client.on('message', () => {
			client.close();
			server.close(done);
		});
		client.send('there', server.address().port, 'localhost');
	});
}

function watchers(done) {
	const watcher = fs.watch(file, () => {
		watcher.close();
		fs.watchFile(file, { interval: 1000 }, () => 0);
		fs.unwatchFile(file);
		process.once('SIGUSR2', () => {
			clearInterval(alive);
			done();
		});
		const alive = setInterval(() => 0, 1000);
		process.kill(process.pid, 'SIGUSR2');
	});
	fs.appendFile(file, '.', () => 0);
}

function names(done) {
	dns.lookup('localhost', () => {
		dns.lookupService('127.0.0.1', 0, () => dns.promises.lookup('localhost').then(() => done()));
	});
}

function pool(done) {
	let left = 4;
	const end = () => --left || done();
	crypto.pbkdf2('a', 'b', 10, 8, 'sha1', () => crypto.randomBytes(8, () => fs.stat(file, end)));
	crypto.scrypt('a', 'b', 8, { N: 16 }, () => crypto.generateKeyPair('ec', { namedCurve: 'P-256' }, end));
	zlib.gzip('squeezed '.repeat(10000), (error, packed) => fs.stat(file, () => zlib.gunzip(packed, end)));
	crypto.webcrypto.subtle.digest('SHA-256', Buffer.from('x')).then(() => fs.promises.stat(file)).then(end);
}

function threads(done) {
	const worker = new Worker(__filename);
	const { port1, port2 } = new MessageChannel();
	worker.postMessage(port2, [port2]);
	port1.on('message', () => fs.stat(file, () => {
		port1.postMessage('end');
	}));
	worker.on('exit', () => done());
}

async function all(parts) {
	for (const part of parts)
		await new Promise(part);
	fs.rmSync(folder, { recursive: true });
}

if (isChild) {
	process.on('message', (message) => process.send(message));
} else if (isMainThread) {
	all([chains, sockets, web, children, datagrams, watchers, names, pool, threads]);
} else {
	parentPort.once('message', (port) => {
		all([chains, sockets, web, datagrams, names, pool]).then(() => port.postMessage('done'));
		once(port, 'message').then(() => port.close());
	});
}
