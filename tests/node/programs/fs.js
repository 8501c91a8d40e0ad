// SPDX-License-Identifier: MIT
// File system requests of every kind, by callbacks, promises and streams, many at once and in chains.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { promisify } = require('util');
const { pipeline } = require('stream/promises');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fs-'));
const at = (...names) => path.join(folder, ...names);
const call = (name, ...args) => promisify(fs[name])(...args);

async function callbacks() {
	await call('mkdir', at('a', 'b', 'c'), { recursive: true });
	const fd = await call('open', at('a', 'file'), 'w+', 0o644);
	await call('write', fd, Buffer.from('hello, world'), 0, 12, 0);
	await call('writev', fd, [Buffer.from('!'), Buffer.from('?')], 12);
	await call('fsync', fd);
	await call('fdatasync', fd);
	await call('ftruncate', fd, 13);
	await call('futimes', fd, 1000, 2000);
	await call('fchmod', fd, 0o600);
	const stat = await call('fstat', fd);
	console.log('fstat', stat.size, stat.mtimeMs, (stat.mode & 0o777).toString(8));
	const { bytesRead, buffer } = await call('read', fd, Buffer.alloc(5), 0, 5, 7);
	console.log('read', bytesRead, buffer.toString());
	await call('close', fd);
	await call('chmod', at('a', 'file'), 0o640);
	await call('utimes', at('a', 'file'), 3000, 4000);
	await call('link', at('a', 'file'), at('a', 'hard'));
	await call('symlink', 'file', at('a', 'soft'));
	await call('lutimes', at('a', 'soft'), 5, 6);
	console.log('lstat', (await call('lstat', at('a', 'soft'))).mtimeMs);
	console.log('readlink', await call('readlink', at('a', 'soft')));
	console.log('realpath', path.relative(fs.realpathSync(folder), await call('realpath', at('a', 'soft'))));
	console.log('native', path.basename(await promisify(fs.realpath.native)(at('a', 'soft'))));
	await call('access', at('a', 'hard'));
	await call('copyFile', at('a', 'hard'), at('a', 'copy'));
	await call('rename', at('a', 'copy'), at('a', 'renamed'));
	await call('appendFile', at('a', 'renamed'), ' and more');
	await call('truncate', at('a', 'renamed'), 20);
	console.log('readFile', await call('readFile', at('a', 'renamed'), 'utf8'));
	console.log('readdir', (await call('readdir', at('a'))).sort().join(' '));
	await call('unlink', at('a', 'hard'));
	await call('rmdir', at('a', 'b', 'c'));
	const made = await call('mkdtemp', at('made-'));
	console.log('mkdtemp', path.basename(made).length);
	if (fs.statfs)
		console.log('statfs', (await call('statfs', folder)).bsize > 0);
	for (const [name, ...args] of [['open', at('none'), 'r'], ['stat', at('none')], ['rmdir', at('a')],
		['mkdir', at('a')], ['readdir', at('a', 'file')], ['close', 9999]])
		await call(name, ...args).catch((error) => console.log(name, error.code, error.syscall));
}

async function promises() {
	const file = await fs.promises.open(at('p'), 'w+');
	await file.writeFile('one\ntwo\nthree\n');
	await file.sync();
	await file.close();
	const lines = [];
	const read = await fs.promises.open(at('p'));
	for await (const line of read.readLines ? read.readLines() : [])
		lines.push(line);
	console.log('lines', lines.join(' '));
	if (!read.readLines)
		await read.close();
	const names = [];
	for await (const entry of await fs.promises.opendir(at('a')))
		names.push(`${entry.name}${entry.isSymbolicLink() ? '@' : ''}`);
	console.log('opendir', names.sort().join(' '));
	await fs.promises.cp(at('a'), at('copied'), { recursive: true });
	console.log('cp', (await fs.promises.readdir(at('copied'))).sort().join(' '));
	await Promise.allSettled([fs.promises.stat(at('none'))]).then(([{ reason }]) => console.log(reason.code));
}

async function many() {
	await Promise.all(Array.from({ length: 300 }, async (_, i) => {
		await fs.promises.writeFile(at(`many-${i}`), `${i}`.repeat(100));
		const text = await fs.promises.readFile(at(`many-${i}`), 'utf8');
		if (text !== `${i}`.repeat(100))
			throw new Error(`${i} is wrong`);
		await fs.promises.unlink(at(`many-${i}`));
	}));
	console.log('many', (await call('readdir', folder)).length);
}

async function streams() {
	await pipeline(async function* () {
		for (let i = 0; i < 64; i++)
			yield Buffer.alloc(16384, i);
	}, fs.createWriteStream(at('stream')));
	let sum = 0;
	for await (const chunk of fs.createReadStream(at('stream')))
		sum += chunk.reduce((a, b) => a + b, 0);
	console.log('streams', sum);
	const aborted = new AbortController();
	const reading = fs.promises.readFile(at('stream'), { signal: aborted.signal });
	aborted.abort();
	await reading.catch((error) => console.log('readFile', error.name));
}

callbacks().then(promises).then(many).then(streams)
	.then(() => call('rm', folder, { recursive: true }))
	.then(() => console.log('gone', !fs.existsSync(folder)));
