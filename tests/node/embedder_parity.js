// SPDX-License-Identifier: MIT
'use strict';
// The scenes of tests/programs/embedder_parity.cc, as Node plays them: prints what its async_hooks tell,
// "EVENT ID TYPE tTRIGGER eEXECUTION", once all is over. To be run with --expose-internals.

const assert = require('assert');
const fs = require('fs');
const { AsyncResource, createHook, executionAsyncId, triggerAsyncId } = require('async_hooks');
const { defaultTriggerAsyncIdScope } = require('internal/async_hooks');

const lines = [];
const shown = new Set();
const hook = {
	init(id, type, trigger) {
		// What Node makes for itself is not in the scene.
		if (!/^([A-Z]|In[A-Z]\w*|PROMISE|Timeout|FSREQCALLBACK)$/.test(type)) return;
		shown.add(id);
		lines.push(`init ${id} ${type} t${trigger} e${executionAsyncId()}`);
	},
};
for (const event of ['before', 'after', 'destroy', 'promiseResolve']) {
	const name = event === 'promiseResolve' ? 'promise_resolve' : event;
	hook[event] = (id) => {
		if (shown.has(id)) lines.push(`${name} ${id} e${executionAsyncId()}`);
	};
}

const make = (type, trigger) => new AsyncResource(type, { triggerAsyncId: trigger });
const run = (resource, f) => resource.runInAsyncScope(() => {
	assert.strictEqual(executionAsyncId(), resource.asyncId());
	assert.strictEqual(triggerAsyncId(), resource.triggerAsyncId());
	return f();
});
const mark = (type) => make(type).emitDestroy();
const nothing = () => {};

const scenes = {
	nested() {
		const root = make('R');
		run(root, () => {
			const a = make('A');
			const b = make('B', a.asyncId());
			run(a, () => {
				mark('C');
				run(b, () => mark('D'));
				mark('E');
			});
			run(b, nothing);
			b.emitDestroy();
			a.emitDestroy();
		});
		root.emitDestroy();
	},

	ended() {
		const root = make('R');
		const a = make('A');
		run(root, () => {
			a.emitDestroy();
			run(a, () => mark('B'));
			run(root, () => mark('C'));
			root.emitDestroy();
		});
	},

	bound() {
		const root = make('R');
		const a = make('A');
		const f = a.bind(() => mark('B'));
		run(root, () => {
			f();
			f();
			a.emitDestroy();
		});
		root.emitDestroy();
	},

	thrown() {
		const root = make('R');
		run(root, () => {
			const a = make('A');
			const b = make('B');
			assert.throws(() => run(a, () => run(b, () => {
				mark('C');
				throw new Error('thrown');
			})));
			mark('D');
			a.emitDestroy();
			b.emitDestroy();
		});
		root.emitDestroy();
	},

	trigger_scope() {
		const root = make('R');
		run(root, () => {
			const a = make('A');
			const b = make('B');
			defaultTriggerAsyncIdScope(a.asyncId(), () => {
				mark('C');
				assert.strictEqual(executionAsyncId(), root.asyncId());
				defaultTriggerAsyncIdScope(b.asyncId(), () => mark('D'));
				run(b, () => mark('E'));
				make('F', b.asyncId()).emitDestroy();
				mark('G');
			});
			mark('H');
			a.emitDestroy();
			b.emitDestroy();
		});
		root.emitDestroy();
	},

	deferred() {
		setTimeout(() => {
			const a = make('A');
			setTimeout(() => {
				run(a, () => mark('B'));
				a.emitDestroy();
			}, 1);
		}, 1);
	},

	stat() {
		const a = make('A');
		run(a, () => fs.stat('.', () => {
			mark('B');
			a.emitDestroy();
		}));
	},

	stat_in_trigger_scope() {
		const a = make('A');
		defaultTriggerAsyncIdScope(a.asyncId(), () => fs.stat('.', () => {
			mark('B');
			a.emitDestroy();
		}));
	},

	then() {
		Promise.resolve(1).then(() => { make('InReaction'); });
	},

	chain() {
		let resolve;
		const first = new Promise((f) => { resolve = f; });
		first.then(nothing).then(() => { make('InReaction'); });
		resolve();
	},

	two_children() {
		const first = new Promise((f) => f());
		first.then(nothing);
		first.then(() => { make('InReaction'); });
	},

	promise_inside() {
		Promise.resolve(1).then(() => { Promise.resolve(2); });
	},

	then_inside() {
		const first = Promise.resolve(1);
		const a = make('A');
		run(a, () => first.then(nothing));
	},
};

const scene = process.argv[2];
// Promises are destroyed by the garbage collector: who listens for that learns of no order.
if (/then|chain|children|promise/.test(scene)) delete hook.destroy;

process.on('exit', () => fs.writeSync(1, lines.map((line) => `${line}\n`).join('')));
createHook(hook).enable();
scenes[scene]();
