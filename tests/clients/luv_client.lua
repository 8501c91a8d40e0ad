-- SPDX-License-Identifier: MIT
-- What a plain Lua program does with luv, each part printed in a fixed order.
-- The folder to work in is the first argument. The loop ends by itself: all is closed by then.

local uv = require 'luv'
local folder = arg[1]
local report = {}

-- Timers.
local ticks = 0
local timer = uv.new_timer()
timer:start(1, 1, function()
	ticks = ticks + 1
	if ticks == 4 then
		timer:close()
		report.timer = ticks
	end
end)

-- Handles that run once in each turn of the loop.
local phases = {}
for _, kind in ipairs { 'prepare', 'check', 'idle' } do
	local handle = uv['new_' .. kind]()
	handle:start(function()
		phases[kind] = true
		handle:close()
	end)
end

-- TCP.
local server = uv.new_tcp()
server:bind('127.0.0.1', 0)
server:listen(8, function(err)
	assert(not err, err)
	local peer = uv.new_tcp()
	server:accept(peer)
	peer:read_start(function(_, data)
		if data then
			peer:write(data:upper())
		else
			peer:close()
			server:close()
		end
	end)
end)
local client, answer = uv.new_tcp(), ''
client:connect('127.0.0.1', server:getsockname().port, function(err)
	assert(not err, err)
	client:read_start(function(_, data)
		answer = answer .. (data or '')
		if #answer == 5 and data then
			client:shutdown(function() client:close() end)
			report.tcp = answer
		end
	end)
	client:write('hello')
end)

-- UDP.
local receiver, sender = uv.new_udp(), uv.new_udp()
receiver:bind('127.0.0.1', 0)
receiver:recv_start(function(_, data)
	if data then
		report.udp = data
		receiver:recv_stop()
		receiver:close()
	end
end)
sender:send('datagram', '127.0.0.1', receiver:getsockname().port, function()
	sender:close()
end)

-- Files.
uv.fs_open(folder .. '/file', 'w+', 420, function(err, fd)
	assert(not err, err)
	uv.fs_write(fd, 'some text', 0, function()
		uv.fs_read(fd, 4, 5, function(_, data)
			report.fs = data
			uv.fs_close(fd, function()
				uv.fs_scandir(folder, function(_, listing)
					report.scandir = uv.fs_scandir_next(listing)
				end)
			end)
		end)
	end)
end)

-- A process.
local out, said = uv.new_pipe(false), ''
local process
process = uv.spawn('sh', { args = { '-c', 'echo spoken; exit 3' }, stdio = { nil, out, nil } },
	function(code)
		report.exit = code
		process:close()
	end)
out:read_start(function(_, data)
	if data then
		said = said .. data
	else
		out:close()
		report.spawn = said:gsub('%s+$', '')
	end
end)

-- The thread pool and a thread.
local work = uv.new_work(function(a, b) return a + b end, function(sum) report.work = sum end)
work:queue(20, 22)
local async
async = uv.new_async(function(message)
	report.thread = message
	async:close()
end)
local thread = uv.new_thread(function(handle) handle:send('from a thread') end, async)

-- Names and chance.
uv.getaddrinfo('localhost', nil, { family = 'inet', socktype = 'stream' }, function(err, list)
	report.getaddrinfo = err or list[1].addr
end)
uv.random(16, 0, function(err, bytes) report.random = err or #bytes end)

uv.run()
thread:join()

for _, name in ipairs { 'timer', 'tcp', 'udp', 'fs', 'scandir', 'exit', 'spawn', 'work', 'thread',
	'getaddrinfo', 'random' } do
	print(name, report[name])
end
print('phases', phases.prepare, phases.check, phases.idle)

-- An error in a callback: luv prints it and ends the program, from within the loop.
local raised = uv.new_timer()
raised:start(1, 0, function() error('raised on purpose') end)
uv.run()
print('not reached')
