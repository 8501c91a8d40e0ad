// SPDX-License-Identifier: MIT
//
// Reads a Chrome trace with the engine of DevTools' performance panel, and says what it found:
// slices and arrows as "thread begin name", times in nanoseconds.
//
//	node read_chrome.mjs PACKAGES FILE
import fs from 'node:fs';
import {pathToFileURL} from 'node:url';

const [, , packages, file] = process.argv;
const path = `${packages}/node_modules/@paulirish/trace_engine/models/trace/trace.js`;
globalThis.DOMRect ??= class {};
const complaints = [];
console.error = console.warn = (...words) => complaints.push(words.join(' '));

const Trace = await import(pathToFileURL(path));
const processor = Trace.Processor.TraceProcessor.createWithAllHandlers();
await processor.parse(JSON.parse(fs.readFileSync(file, 'utf8')).traceEvents, {});
const data = processor.data ?? processor.parsedTrace;

const name = event => `${event.tid} ${Math.round(event.ts * 1000)} ${event.name}`;
const slices = [];
for (const process of data.Renderer.processes.values())
	for (const thread of process.threads.values())
		slices.push(...thread.entries.filter(entry => entry.ph !== 'I').map(name));
console.log(JSON.stringify({
	complaints,
	generic: data.Meta.traceIsGeneric,
	slices,
	arrows: data.Flows.flows.map(flow => flow.map(name)),
}));
