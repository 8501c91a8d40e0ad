-- SPDX-License-Identifier: MIT
-- A program that does its work and should end then, but for a heartbeat that keeps its loop alive:
-- so it is killed. With the argument `fixed` it ends.

local uv = require 'luv'
local fixed = arg[1] == 'fixed'

-- As the parts of greater programs do, in a coroutine.
local heart
coroutine.wrap(function()
	heart = uv.new_timer() -- PLANTED
	heart:start(5, 5, function() end)
	coroutine.yield()
end)()
if fixed then
	heart:unref()
end

local work = uv.new_timer()
work:start(10, 0, function()
	print('done')
	work:close()
end)

local patience = uv.new_timer()
patience:start(100, 0, function()
	print('killed')
	io.stdout:flush()
	uv.kill(uv.os_getpid(), 'sigkill')
end)
patience:unref()

uv.run()
