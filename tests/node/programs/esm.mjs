// SPDX-License-Identifier: MIT
// An ES module: await at its top level, imports at run time, a worker, import.meta.
import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

const me = fileURLToPath(import.meta.url);
if (isMainThread) {
	await sleep(2);
	console.log('stat', (await fs.stat(me)).isFile());
	const os = await import('node:os');
	console.log('import', os.EOL.length);
	await import('./none.mjs').catch(({ code }) => console.log(code));
	const worker = new Worker(me);
	console.log('worker', await new Promise((resolve) => worker.once('message', resolve)));
	for await (const entry of await fs.opendir(new URL('.', import.meta.url)))
		if (entry.name === 'esm.mjs')
			console.log('opendir', entry.name);
	const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1,
		102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11]);
	const { instance } = await WebAssembly.instantiate(wasm);
	console.log('wasm', instance.exports.f());
} else {
	parentPort.postMessage((await fs.readFile(me, 'utf8')).length > 100);
}
