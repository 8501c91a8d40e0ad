// SPDX-License-Identifier: MIT
// What Node gives to libuv's thread pool with uv_queue_work: compression and cryptography.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { promisify } = require('util');

const input = Buffer.from('all work and no play makes a dull test\n'.repeat(5000));

async function squeeze() {
	for (const [there, back] of [['gzip', 'gunzip'], ['deflate', 'inflate'], ['deflateRaw', 'inflateRaw'],
		['brotliCompress', 'brotliDecompress'], ['zstdCompress', 'zstdDecompress']]) {
		if (!zlib[there])
			continue;
		const packed = await promisify(zlib[there])(input);
		const unpacked = await promisify(zlib[back])(packed);
		if (packed.length >= input.length || !unpacked.equals(input))
			throw new Error(there);
	}
	console.log('compressed and back');
	await promisify(zlib.gunzip)(Buffer.from('this is not compressed')).catch(({ code }) => console.log(code));
	const many = await Promise.all(Array.from({ length: 30 }, (_, i) => promisify(zlib.gzip)(input.subarray(i * 100))));
	console.log('many', many.every((packed) => packed.length > 100));
	// Closed while it works.
	const closing = zlib.createGzip();
	closing.write(input);
	closing.flush();
	closing.close();
	await new Promise((resolve) => closing.on('close', resolve));
	console.log('closed');
}

async function crypt() {
	const job = (name, ...args) => promisify(crypto[name])(...args);
	const hex = (data) => Buffer.from(data).toString('hex');
	console.log('pbkdf2', hex(await job('pbkdf2', 'secret', 'salt', 1000, 16, 'sha256')));
	console.log('scrypt', hex(await job('scrypt', 'secret', 'salt', 16, { N: 1024 })));
	console.log('hkdf', hex(await job('hkdf', 'sha256', 'key', 'salt', 'info', 16)));
	console.log('randomBytes', (await job('randomBytes', 100)).length);
	console.log('randomFill', (await job('randomFill', new Uint8Array(20))).length);
	console.log('randomInt', (await job('randomInt', 5)) < 5);
	console.log('prime', await job('checkPrime', 7919n));
	const { privateKey, publicKey } = await job('generateKeyPair', 'ec', { namedCurve: 'prime256v1' });
	const signature = await job('sign', 'sha256', input, privateKey);
	console.log('verify', await job('verify', 'sha256', input, publicKey, signature));
	const { subtle } = crypto.webcrypto;
	console.log('digest', hex(await subtle.digest('SHA-256', input)).slice(0, 16));
	const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt', 'decrypt']);
	const iv = new Uint8Array(12);
	const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, key, input);
	console.log('subtle', Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed)).equals(input));
	const many = await Promise.all(Array.from({ length: 50 }, () => job('pbkdf2', 'a', 'b', 10, 8, 'sha1')));
	console.log('many', new Set(many.map(hex)).size);
}

squeeze().then(crypt);
