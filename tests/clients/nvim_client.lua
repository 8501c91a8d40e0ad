-- SPDX-License-Identifier: MIT
-- What a Neovim plugin does with the event loop, each part printed in a fixed order.
-- The folder to work in is in $CLIENT_FOLDER.

local uv = vim.loop
local folder = os.getenv('CLIENT_FOLDER')

local function say(...)
	io.stdout:write(string.format(...), '\n')
end

-- Runs the event loop until `done` says so; ten seconds are more than any of this takes.
local function until_true(what, done)
	if not vim.wait(10000, done, 5) then
		say('%s: never came', what)
		vim.cmd('cquit 3')
	end
end

local function write_file(path, text)
	local file = assert(io.open(path, 'w'))
	file:write(text)
	file:close()
end

-- Timers: one that repeats and closes itself, one that is stopped and started again.
local ticks = 0
local ticker = uv.new_timer()
ticker:start(1, 1, function()
	ticks = ticks + 1
	if ticks == 5 then
		ticker:stop()
		ticker:close()
	end
end)
local again = uv.new_timer()
local rounds = 0
local function round()
	rounds = rounds + 1
	if rounds < 3 then
		again:start(1, 0, round)
	else
		again:close()
	end
end
again:start(1, 0, round)
until_true('timers', function() return ticks == 5 and rounds == 3 end)
say('timers: %d ticks, %d rounds, closing %s', ticks, rounds, tostring(ticker:is_closing()))

-- Work put off to the main loop.
local deferred = {}
for i = 1, 3 do
	vim.schedule(function() table.insert(deferred, i) end)
end
vim.defer_fn(function() table.insert(deferred, 'later') end, 10)
until_true('deferred', function() return #deferred == 4 end)
say('deferred: %s', table.concat(deferred, ' '))

-- Jobs: Neovim's own, and a process with a pipe made by hand.
local job = { out = {} }
local channel = vim.fn.jobstart({ 'sh', '-c', 'read line; echo "got $line"; exit 7' }, {
	on_stdout = function(_, data) vim.list_extend(job.out, data) end,
	on_exit = function(_, code) job.code = code end,
})
vim.fn.chansend(channel, 'a line\n')
until_true('job', function() return job.code ~= nil end)
say('job: %s, exit %d', table.concat(job.out), job.code)
say('system: %s', vim.trim(vim.fn.system({ 'tr', 'a-z', 'A-Z' }, 'loud')))

local out, child = uv.new_pipe(false), { text = '' }
local process = uv.spawn('sh', { args = { '-c', 'echo from a pipe; kill -TERM $$' }, stdio = { nil, out, nil } },
	function(code, signal)
		child.code, child.signal = code, signal
	end)
out:read_start(function(err, data)
	assert(not err, err)
	if data then
		child.text = child.text .. data
	else
		child.eof = true
	end
end)
until_true('spawn', function() return child.signal and child.eof end)
process:close()
out:close()
say('spawn: %s, exit %d, signal %d', vim.trim(child.text), child.code, child.signal)

-- A TCP server and a client of it.
local server, talk = uv.new_tcp(), {}
server:bind('127.0.0.1', 0)
server:listen(8, function(err)
	assert(not err, err)
	local peer = uv.new_tcp()
	server:accept(peer)
	peer:read_start(function(_, data)
		if data then
			peer:write('echo ' .. data)
		else
			peer:shutdown(function() peer:close() end)
		end
	end)
end)
local client = uv.new_tcp()
client:connect('127.0.0.1', server:getsockname().port, function(err)
	assert(not err, err)
	client:read_start(function(_, data)
		if data then
			table.insert(talk, data)
			client:shutdown()
		else
			talk.eof = true
			client:close()
			server:close()
		end
	end)
	client:write('hello')
end)
until_true('tcp', function() return talk.eof end)
say('tcp: %s', table.concat(talk))

-- The same by a named pipe.
local listener, told = uv.new_pipe(false), {}
listener:bind(folder .. '/pipe')
listener:listen(8, function()
	local peer = uv.new_pipe(false)
	listener:accept(peer)
	peer:write('welcome', function() peer:close() end)
end)
local visitor = uv.new_pipe(false)
visitor:connect(folder .. '/pipe', function(err)
	assert(not err, err)
	visitor:read_start(function(_, data)
		if data then
			table.insert(told, data)
		else
			told.eof = true
			visitor:close()
			listener:close()
		end
	end)
end)
until_true('pipe', function() return told.eof end)
say('pipe: %s', table.concat(told))

-- Watching a file in both ways that libuv has.
local watched = folder .. '/watched'
write_file(watched, 'one')
local event, poll = uv.new_fs_event(), uv.new_fs_poll()
local seen = {}
event:start(watched, {}, function(err, name)
	assert(not err, err)
	seen.event = name
end)
poll:start(watched, 20, function(err, _, now)
	assert(not err, err)
	seen.poll = seen.poll or now.size == 5
end)
write_file(watched, 'three')
until_true('fs_event', function() return seen.event end)
-- What was written before the poll's first look is no change: write until it sees one.
for try = 1, 100 do
	if seen.poll then
		break
	end
	write_file(watched, string.rep('x', try % 2 == 0 and 3 or 5))
	vim.wait(100, function() return seen.poll end, 5)
end
event:stop()
event:close()
poll:stop()
poll:close()
say('watch: event on %s, poll saw five bytes: %s', seen.event, tostring(seen.poll))

-- File system requests, each begun by the one before.
local path, chain = folder .. '/file', {}
uv.fs_open(path, 'w+', 420, function(err, fd)
	assert(not err, err)
	uv.fs_write(fd, 'content', 0, function(_, written)
		chain.written = written
		uv.fs_fsync(fd, function()
			uv.fs_read(fd, 100, 0, function(_, data)
				chain.read = data
				uv.fs_close(fd, function()
					uv.fs_stat(path, function(_, stat)
						chain.size = stat.size
						uv.fs_unlink(path, function()
							uv.fs_stat(path, function(missing)
								chain.missing = missing
							end)
						end)
					end)
				end)
			end)
		end)
	end)
end)
until_true('fs', function() return chain.missing end)
say('fs: wrote %d, read %s, size %d, then %s', chain.written, chain.read, chain.size,
	chain.missing:match('^%u+'))
say('fs, synchronous: %s', uv.fs_stat(folder).type)

-- The thread pool, a message from another thread, names.
local results = {}
local work = uv.new_work(function(n) return n * n end, function(square) table.insert(results, square) end)
for i = 1, 4 do
	work:queue(i)
end
until_true('work', function() return #results == 4 end)
table.sort(results)
say('work: %s', table.concat(results, ' '))

local woken = 0
local async
async = uv.new_async(function(number)
	woken = number
	async:close()
end)
uv.new_thread(function(handle) handle:send(42) end, async):join()
until_true('async', function() return woken ~= 0 end)
say('async: %d', woken)

local names = {}
uv.getaddrinfo('localhost', nil, { family = 'inet', socktype = 'stream' }, function(err, list)
	names.address = err or list[1].addr
end)
until_true('getaddrinfo', function() return names.address end)
say('getaddrinfo: %s', names.address)

local signalled
local signal = uv.new_signal()
signal:start('sigusr1', function(name)
	signalled = name
	signal:close()
end)
uv.kill(uv.os_getpid(), 'sigusr1')
until_true('signal', function() return signalled end)
say('signal: %s', signalled)
io.stdout:flush()
