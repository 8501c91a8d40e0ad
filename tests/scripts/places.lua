-- SPDX-License-Identifier: MIT
-- Timers that are made in all the ways in which a script may come to its place, and left open.

local uv = require 'luv'

local function forget()
	local timer = uv.new_timer() -- PLANTED 3
	return timer
end

forget()
coroutine.wrap(forget)()
coroutine.resume(coroutine.create(function()
	pcall(error, 'a coroutine was left')
	forget()
	coroutine.wrap(function()
		uv.new_idle() -- PLANTED 1
		coroutine.yield()
	end)()
	uv.new_check() -- PLANTED 1
end))
pcall(function()
	local waits = coroutine.create(function() coroutine.yield() end)
	coroutine.resume(waits)
	uv.new_prepare(waits) -- PLANTED 1
	error('on purpose')
end)

local timer = uv.new_timer()
timer:start(1, 0, function()
	timer:close()
	uv.new_async(function() end) -- PLANTED 1
	-- The garbage of Lua is collected with a function of a script, too.
	setmetatable({}, { __gc = function() end })
	collectgarbage()
	local handle = uv.new_tcp() -- PLANTED 1
	handle:bind('127.0.0.1', 0)
	uv.stop()
end)
uv.run()
os.exit(0)
