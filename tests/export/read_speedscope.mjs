// SPDX-License-Identifier: MIT
//
// Reads a file with speedscope's own importer, and prints each profile: its name, unit and weight,
// and its stacks with theirs. JSON is held against speedscope's schema first.
//
// The importer is in the bundle for browsers only; it runs here without one. What the bundle does
// beyond defining functions has no page to do it on, and may fail.
//
//	node read_speedscope.mjs PACKAGES FILE
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

const [, , packages, file] = process.argv;
const release = `${packages}/node_modules/speedscope/dist/release`;
const content = fs.readFileSync(file, 'utf8');

function checkSchema() {
	const Ajv = createRequire(path.resolve(packages, 'package.json'))('ajv');
	const schema = JSON.parse(fs.readFileSync(`${release}/file-format-schema.json`, 'utf8'));
	const ajv = new Ajv({strict: false});
	if (!ajv.validate(schema, JSON.parse(content)))
		throw new Error(ajv.errorsText());
}

function loadImporter() {
	const bundle = fs.readdirSync(release).find(name => /^speedscope-.*\.js$/.test(name));
	let source = fs.readFileSync(`${release}/${bundle}`, 'utf8');
	// window.speedscope.loadFileFromBase64 shows what the importer is called here.
	const name = /loadFileFromBase64:\((\w+),(\w+)\)=>\{this\.loadProfile\(\(\)=>(\w+)\(\1,\2\)\)/
		.exec(source)[3];
	const at = source.indexOf(`async function ${name}(`);
	source = `${source.slice(0, at)}globalThis.importer=${name};${source.slice(at)}`;

	const anything = new Proxy(function () {}, {
		get: (_, key) => key === Symbol.toPrimitive ? () => '' : key === 'then' ? undefined :
			key === Symbol.iterator ? function* () {} : anything,
		apply: () => anything,
		construct: () => anything,
		set: () => true,
	});
	const page = {TextDecoder, TextEncoder, atob, btoa, performance, setTimeout,
		console: {log() {}, warn() {}, error() {}, time() {}, timeEnd() {}},
		addEventListener() {}, requestAnimationFrame() {}, fetch: anything, URL, WebAssembly};
	page.self = page;
	for (const other of ['window', 'document', 'navigator', 'location', 'localStorage',
		'matchMedia', 'Image', 'HTMLElement', 'MutationObserver', 'getComputedStyle'])
		page[other] = anything;
	try {
		vm.runInNewContext(source, page);
	} catch (error) {
		if (page.importer === undefined)
			throw new Error(`the bundle of speedscope has changed: ${error.message}`);
	}
	return page.importer;
}

if (content.startsWith('{'))
	checkSchema();
const group = await loadImporter()(path.basename(file), Buffer.from(content).toString('base64'));
console.log(JSON.stringify(group.profiles.map(profile => {
	const stacks = [], open = [];
	profile.forEachCall(
		(node, value) => open.push({name: node.frame.name, begin: value, inner: 0}),
		(node, value) => {
			const length = value - open.at(-1).begin;
			if (length > open.at(-1).inner)
				stacks.push([open.map(one => one.name).join(';'),
					length - open.at(-1).inner]);
			open.pop();
			if (open.length > 0)
				open.at(-1).inner += length;
		});
	return {name: profile.getName(), unit: profile.getWeightUnit(),
		weight: profile.getTotalWeight(), stacks};
})));
